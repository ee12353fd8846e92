//go:build unix

package peers

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

const killCalls, killLive = "token calls afterwards", "a live token within"

var (
	killedFirst = newTable("V2 kill -9 during the first fetch", killCalls, killLive)
	killedLater = newTable("V3 kill -9 during a renewal", killCalls, killLive)
)

// The process that fetches the first token is killed when WeChat has issued it
// and nobody has it yet. An SDK's process is started again, and so is a Hufu
// that is alone; of three nodes the other two go on.
func TestKilledDuringTheFirstFetch(t *testing.T) {
	t.Parallel()
	quick := func(p peer) bool { return p.reads() && !p.guest && !(testing.Short() && p.nodes > 1) }
	each(t, 1, quick, func(t *testing.T, p peer) {
		w := newWorld(t, p, wxsim.Options{})
		release := w.hold()
		var kill func()
		if p.ours() {
			kill = w.add().kill // it asks by itself
		} else {
			first := w.worker(0)
			first.begin(read)
			kill = first.kill
		}
		until(t, "a token call", func() bool { return w.asked() == 1 })
		for len(w.nodes) < p.nodes {
			w.add()
		}
		kill()
		killed := time.Now()
		release()
		if p.nodes == 1 {
			w.nodes[0].start()
		}
		w.live(w.worker(1))
		took := time.Since(killed)
		if p.ours() {
			time.Sleep(2 * time.Second) // nothing is to follow
			// Other nodes leave the fetch to who began it for half a minute.
			if most := time.Duration(p.nodes-1)*15*time.Second + 15*time.Second; took > most || w.asked() != 2 {
				t.Errorf("a live token after %v, %d token calls", took, w.asked()-1)
			}
		}
		killedFirst.count(p, killCalls, w.asked()-1, "%s")
		killedFirst.count(p, killLive, seconds(took), "%s s")
	})
}

// There is a token, and the process that renews it is killed when WeChat has
// issued the next.
func TestKilledDuringARenewal(t *testing.T) {
	t.Parallel()
	renews := func(p peer) bool { return p.reads() && !p.guest && !p.stable && p.margin >= 0 && !testing.Short() }
	each(t, 1, renews, func(t *testing.T, p peer) {
		run := renewalOfSDK
		if p.ours() {
			run = renewalOfHufu
		}
		calls, took := run(t, p)
		killedLater.count(p, killCalls, calls, "%s")
		killedLater.count(p, killLive, seconds(took), "%s s")
	})
}

// An SDK renews when its store has let the token go.
func renewalOfSDK(t *testing.T, p peer) (calls int, took time.Duration) {
	w := newWorld(t, p, wxsim.Options{Life: p.margin + 3*time.Second})
	first := w.worker(0)
	w.live(first)
	time.Sleep(4 * time.Second)
	release := w.hold()
	first.begin(read)
	until(t, "the second token call", func() bool { return w.asked() == 2 })
	first.kill()
	killed := time.Now()
	release()
	w.live(w.worker(1))
	return w.asked() - 2, time.Since(killed)
}

// Hufu renews because an operator wants it. Lives are ten minutes here, so that
// the end of the overlap is seen, too.
func renewalOfHufu(t *testing.T, p peer) (calls int, took time.Duration) {
	const life = 10 * time.Minute
	w := newWorld(t, p, wxsim.Options{Life: life})
	w.add()
	reader := w.worker(0)
	w.live(reader)
	time.Sleep(life/30 + time.Second) // it does not renew sooner
	release := w.hold()
	w.renew(w.nodes[0])
	until(t, "the second token call", func() bool { return w.asked() == 2 })
	for len(w.nodes) < p.nodes {
		w.add() // later, since any node may carry out the order
	}
	reader = w.worker(p.nodes - 1)
	w.live(reader)
	w.nodes[0].kill()
	killed := time.Now()
	release()
	if p.nodes == 1 {
		w.nodes[0].start()
	}
	next := w.worker(1)
	w.live(next)
	took = time.Since(killed)

	// Every call is to succeed until the token that was lost is replaced, and after, also while
	// that takes 100 ms: then the old one is dead, and the new one on its way.
	w.slow(100 * time.Millisecond)
	for time.Since(killed) < life/24+10*time.Second {
		if got := together([]*worker{reader, next}, order{Call: true, N: 1, Wide: 1}); got.OK != 2 {
			t.Errorf("%v after the kill %d of 2 calls succeed: %q", time.Since(killed), got.OK, got.Errors)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if calls = w.asked() - 2; calls != 1 {
		t.Errorf("%d token calls after the kill", calls)
	}
	return calls, took
}

// live waits until a process has a live token in hand.
func (w *world) live(p *worker) {
	w.t.Helper()
	until(w.t, "a live token", func() bool {
		got := p.do(read)
		return len(got.Tokens) == 1 && w.Valid(appID, got.Tokens[0])
	})
}

// seconds rounds up.
func seconds(d time.Duration) int { return int(d/time.Second) + 1 }
