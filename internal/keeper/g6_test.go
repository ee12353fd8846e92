package keeper

import (
	"fmt"
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// G6: an outage in which WeChat issues nothing, shorter than the remaining
// life, is invisible to readers; so is an outage of the store.
func TestG6OutagesAreInvisibleToReaders(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		source string
		mode   wxsim.Mode
		from   time.Duration // after the first issue
		long   time.Duration
	}{
		{"classic", wxsim.Outage, 80 * time.Minute, 35 * time.Minute},
		{"classic", wxsim.Errcode, 80 * time.Minute, 35 * time.Minute},
		{"classic", wxsim.SystemBusy, 80 * time.Minute, 35 * time.Minute}, // and nothing is issued
		{"classic", wxsim.Status5xx, 80 * time.Minute, 35 * time.Minute},
		{newTicket, wxsim.Outage, 80 * time.Minute, 70 * time.Minute},
		{sameTicket, wxsim.SystemBusy, 80 * time.Minute, 70 * time.Minute},
		{sameTicket, wxsim.Errcode, 80 * time.Minute, 70 * time.Minute},
		{"stable", wxsim.Outage, 60 * time.Minute, 58 * time.Minute},
		{"stable", wxsim.Hang, 114 * time.Minute, 4 * time.Minute},
		{"stable", wxsim.SystemBusy, 114 * time.Minute, 4 * time.Minute},
	} {
		t.Run(fmt.Sprint(row.source, "/", row.mode), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{source: row.source})
				n := w.node()
				w.get(n)
				r := w.reader()
				r.during(row.from, 30*time.Second, n)
				clear := w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: row.mode, Errcode: 48004})
				r.during(row.long, 5*time.Second, n)
				clear()
				r.during(3*time.Hour, 30*time.Second, n)
				if r.failures > 0 {
					t.Errorf("%d of %d reads failed", r.failures, r.reads)
				}
				w.quiet()
			})
		})
	}
}

func TestG6AStoreOutageIsInvisibleToReaders(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: source})
			a, b := w.node(), w.node()
			w.get(a)
			r := w.reader()
			for range 12 {
				r.during(10*time.Minute, 5*time.Second, a, b)
				a.link.cut.Store(true)
				b.link.cut.Store(true)
				r.during(4*time.Minute, time.Second, a, b)
				a.link.cut.Store(false)
				b.link.cut.Store(false)
			}
			if r.failures > 0 {
				t.Errorf("%s: %d of %d reads failed", source, r.failures, r.reads)
			}
			w.quiet()
		})
	}
}

// The store goes away between the issue and its commit. The old value is
// served while it is certain, then the new one, and it is saved in the end.
func TestAValueThatCannotBeSavedIsServedInDoubt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node()
		first := w.get(n)
		time.Sleep(80 * time.Minute)
		w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/token", Mode: wxsim.SlowAnswer, Delay: 2 * time.Second, Count: 1})
		for w.sim.Issues(testApp) < 2 {
			time.Sleep(100 * time.Millisecond)
		}
		n.link.cut.Store(true)
		r := w.reader()
		r.during(20*time.Minute, time.Second, n)
		c := w.get(n)
		if c.Value == first.Value || c.Generation != 0 || c.MaxAge > n.inDoubt {
			t.Errorf("generation %d, max_age %v; want the unsaved value, in doubt", c.Generation, c.MaxAge)
		}
		n.link.cut.Store(false)
		r.during(time.Minute, time.Second, n)
		if saved := w.get(n); saved.Value != c.Value || saved.Generation != 2 {
			t.Errorf("generation %d after the store came back", saved.Generation)
		}
		if r.failures > 0 {
			t.Errorf("%d of %d reads failed", r.failures, r.reads)
		}
		w.quiet()
	})
}
