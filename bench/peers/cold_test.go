//go:build unix

package peers

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

const coldCalls, coldDead, coldLenient = "token calls", "callers with a dead token", "the same, if three tokens live"

var (
	coldOne  = newTable("E1 cold start, 1 process × 200", coldCalls, coldDead, coldLenient)
	coldFour = newTable("E1 cold start, 4 processes × 50", coldCalls, coldDead, coldLenient)
)

// Nobody has a token yet, and 200 want one at the same moment. A request for a
// token takes 50 ms.
func TestColdStart(t *testing.T) {
	t.Parallel()
	for processes, tb := range map[int]*table{1: coldOne, 4: coldFour} {
		run := func(t *testing.T, p peer, o wxsim.Options) (calls, dead int) {
			w := newWorld(t, p, o)
			open := w.hold() // Hufu asks by itself when it starts; it is to have nothing when the others come
			w.serve()
			w.slow(50 * time.Millisecond)
			all := w.workers(processes)
			time.AfterFunc(50*time.Millisecond, open)
			got := together(all, order{N: 200 / processes, Wide: 200 / processes})
			if p.ours() && len(got.Tokens) != 200 {
				t.Errorf("%d of 200 have a token: %q", len(got.Tokens), got.Errors)
			}
			calls, dead = w.asked(), w.dead(got.Tokens)
			if p.ours() && (calls != 1 || dead != 0) {
				t.Errorf("%d token calls, %d dead tokens", calls, dead)
			}
			return calls, dead
		}
		each(t, 3, peer.reads, func(t *testing.T, p peer) {
			calls, dead := run(t, p, wxsim.Options{})
			tb.count(p, coldCalls, calls, "%s")
			tb.count(p, coldDead, dead, "%s")
		})
		if testing.Short() {
			continue
		}
		each(t, 1, peer.reads, func(t *testing.T, p peer) {
			_, dead := run(t, p, wxsim.Options{Quirks: wxsim.ThreeTokens})
			tb.count(p, coldLenient, dead, "%s")
		})
	}
}
