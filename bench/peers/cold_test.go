//go:build unix

package peers

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// Nobody has a token yet, and many want one at the same moment. A request for a
// token takes 50 ms.
func TestColdStart(t *testing.T) {
	const (
		calls1, dead1 = "1 process × 200: token calls", "dead tokens"
		calls4, dead4 = "4 processes × 50: token calls", "dead tokens of 200"
		kind1, kind4  = "kind: dead, 1 process", "kind: dead, 4 processes"
	)
	tb := newTable("E1 cold start", calls1, dead1, calls4, dead4, kind1, kind4)
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
		tb.put(p, calls1, calls, "%s")
		tb.put(p, dead1, dead, "%s")
	})
	each(t, 3, peer.reads, func(t *testing.T, p peer) {
		calls, dead := run(t, p, wxsim.Options{}, 4)
		tb.put(p, calls4, calls, "%s")
		tb.put(p, dead4, dead, "%s")
	})
	each(t, 1, peer.reads, func(t *testing.T, p peer) {
		_, dead := run(t, p, wxsim.Options{Quirks: wxsim.ThreeTokens}, 1)
		tb.put(p, kind1, dead, "%s")
		_, dead = run(t, p, wxsim.Options{Quirks: wxsim.ThreeTokens}, 4)
		tb.put(p, kind4, dead, "%s")
	})
}
