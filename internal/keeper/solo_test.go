package keeper

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// The store is away for more than two lives. On the stable line, where asking
// is no harm, each node asks for itself at the end of each value; on the classic
// line nothing is issued.
func TestANodeThatIsCutOffAsksForItselfOnTheStableLine(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: source})
			a, b := w.node(), w.node()
			w.get(a)
			r := w.reader()
			r.during(time.Minute, 10*time.Second, a, b)
			a.link.cut.Store(true)
			b.link.cut.Store(true)
			before := w.asked()
			r.during(5*time.Hour, 10*time.Second, a, b)
			if source == "classic" {
				if w.asked() != before {
					t.Errorf("classic: asked %d times without a store", w.asked()-before)
				}
				return
			}
			if r.failures > 0 {
				t.Errorf("%d of %d reads failed", r.failures, r.reads)
			}
			if asked := w.asked() - before; asked < 4 || asked > 40 {
				t.Errorf("asked %d times in 5 h at two nodes", asked)
			}
			c, d := w.get(a), w.get(b)
			if c.Value != d.Value || c.Generation != 0 || c.MaxAge > a.inDoubt {
				t.Errorf("generations %d and %d, max_age %v; want the same value, in doubt, without a generation", c.Generation, d.Generation, c.MaxAge)
			}
			a.link.cut.Store(false)
			b.link.cut.Store(false)
			r.during(3*time.Hour, 10*time.Second, a, b)
			if c, d := w.get(a), w.get(b); c.Generation < 2 || c.Generation != d.Generation || c.Value != d.Value || r.failures > 0 {
				t.Errorf("after the store came back: generations %d and %d, %d failures", c.Generation, d.Generation, r.failures)
			}
			w.quiet()
		})
	}
}

// With WeChat ill too, what a node asks for itself stays within the budget, and
// it never forces.
func TestG5HoldsForANodeThatIsCutOff(t *testing.T) {
	t.Parallel()
	for _, mode := range []wxsim.Mode{wxsim.Outage, wxsim.SystemBusy, wxsim.Status5xx} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: "stable"})
			n := w.node()
			w.get(n)
			n.link.cut.Store(true)
			w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/stable_token", Mode: mode})
			before := w.asked()
			r := w.reader()
			r.during(24*time.Hour, time.Minute, n)
			if asked := w.asked() - before; asked > 400 {
				t.Errorf("%v: asked %d times in a day", mode, asked)
			}
		})
	}
}
