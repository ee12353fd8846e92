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
// issued the next. An SDK renews when its store has let the token go; Hufu is
// ordered to, and its lives are ten minutes here, so that the end of the
// overlap is seen, too.
func TestKilledDuringARenewal(t *testing.T) {
	t.Parallel()
	renews := func(p peer) bool { return p.reads() && !p.guest && !p.stable && p.margin >= 0 && !testing.Short() }
	each(t, 1, renews, func(t *testing.T, p peer) {
		life := p.margin + 3*time.Second
		if p.ours() {
			life = 10 * time.Minute
		}
		w := newWorld(t, p, wxsim.Options{Life: life})
		w.serve()
		reader := w.worker(1)
		w.live(reader)
		release := w.hold()
		kill := reader.kill
		if p.ours() {
			time.Sleep(life/30 + time.Second) // it does not renew sooner
			w.renew(w.nodes[0])
			kill = w.nodes[0].kill
		} else {
			time.Sleep(4 * time.Second)
			reader.begin(read)
		}
		until(t, "the second token call", func() bool { return w.asked() == 2 })
		kill()
		killed := time.Now()
		release()
		if p.nodes == 1 {
			w.nodes[0].start()
		}
		next := w.worker(1)
		w.live(next)
		took := time.Since(killed)
		if p.ours() {
			// Nobody is to see a dead token until the one that was lost is replaced, and after.
			for asked, end := 2, killed.Add(life/24+10*time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
				for _, one := range []*worker{reader, next} {
					if got := one.do(read); len(got.Tokens) != 1 || !w.Valid(appID, got.Tokens[0]) {
						t.Errorf("%v after the kill there is no live token: %q", time.Since(killed), got.Errors)
					}
				}
				if now := w.asked(); now != asked {
					t.Logf("token call %d came %v after the kill", now, time.Since(killed))
					asked = now
				}
			}
			if w.asked() != 3 {
				t.Errorf("%d token calls after the kill", w.asked()-2)
			}
		}
		killedLater.count(p, killCalls, w.asked()-2, "%s")
		killedLater.count(p, killLive, seconds(took), "%s s")
	})
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
