//go:build unix

package peers

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

const (
	coldCalls1, coldDead1, coldKind1 = "1 process × 200: token calls", "dead tokens", "dead, if three live"
	coldCalls4, coldDead4, coldKind4 = "4 processes × 50: token calls", "dead tokens ", "dead, if three live "
)

var cold = newTable("E1 cold start", coldCalls1, coldDead1, coldKind1, coldCalls4, coldDead4, coldKind4)

// Nobody has a token yet, and many want one at the same moment. A request for a
// token takes 50 ms.
func TestColdStart(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, p peer, o wxsim.Options, processes int) (calls, dead int) {
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
		calls, dead := run(t, p, wxsim.Options{}, 1)
		cold.count(p, coldCalls1, calls, "%s")
		cold.count(p, coldDead1, dead, "%s")
	})
	each(t, 3, peer.reads, func(t *testing.T, p peer) {
		calls, dead := run(t, p, wxsim.Options{}, 4)
		cold.count(p, coldCalls4, calls, "%s")
		cold.count(p, coldDead4, dead, "%s")
	})
	lenient := wxsim.Options{Quirks: wxsim.ThreeTokens}
	each(t, 1, peer.reads, func(t *testing.T, p peer) {
		_, dead := run(t, p, lenient, 1)
		cold.count(p, coldKind1, dead, "%s")
	})
	each(t, 1, peer.reads, func(t *testing.T, p peer) {
		_, dead := run(t, p, lenient, 4)
		cold.count(p, coldKind4, dead, "%s")
	})
}
