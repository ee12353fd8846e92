package keeper

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/wxsim"
)

// A year of one app on the classic line: WeChat in its usual moods, an ill
// upstream now and then, an outsider once in a while, restarts, a store that
// goes away. What is promised is checked at every step.
func TestAYearUnderFaults(t *testing.T) {
	t.Parallel()
	const (
		year = 365 * 24 * time.Hour
		seed = 7
	)
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic", quirks: wxsim.DefaultQuirks, seed: seed})
		rnd := dice(seed)
		n := w.node(func(o *Options, _ *link) { o.Alone = true })
		w.get(n)
		r := w.reader()
		var reported, dead int
		modes := []wxsim.Mode{wxsim.Outage, wxsim.LostAnswer, wxsim.Status5xx, wxsim.HTML, wxsim.Truncated, wxsim.Hang, wxsim.SystemBusy, wxsim.OddExpiresIn}
		for begin := time.Now(); time.Since(begin) < year; {
			switch rnd.IntN(400) {
			case 0:
				w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/token", Mode: modes[rnd.IntN(len(modes))], Count: 1 + rnd.IntN(2), After: rnd.IntN(2) == 0})
			case 1:
				if err := w.sim.Outsider(testApp); err != nil {
					t.Fatal(err)
				}
				if c, err := n.Get(t.Context(), testKey); err == nil {
					r.excused = c.Generation
				}
			case 2:
				n.link.cut.Store(true)
				r.during(2*time.Minute, 20*time.Second, n)
				n.link.cut.Store(false)
				time.Sleep(2 * time.Second)
			case 3:
				n.stop()
				time.Sleep(time.Duration(rnd.IntN(20)) * time.Second)
				n = w.node(func(o *Options, _ *link) { o.Alone = true })
			}
			if err := r.check(n); err != nil {
				t.Fatal(err)
			}
			// A client that sees a dead value reports it, and gets a live one.
			if c, err := n.Get(t.Context(), testKey); err == nil && !w.sim.Valid(testApp, c.Value.Reveal()) {
				dead++
				got, err := n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
				if err != nil || !w.sim.Valid(testApp, got.Value.Reveal()) {
					reported++
				}
			}
			time.Sleep(5*time.Minute + time.Duration(rnd.IntN(60))*time.Second)
		}
		asked := w.sim.Asked(testApp, wxsim.Classic)
		t.Logf("%d reads, %d failed; %d dead values seen, %d not replaced at once; %d issues asked for", r.reads, r.failures, dead, reported, asked)
		if r.failures > r.reads/1000 {
			t.Errorf("%d of %d reads failed", r.failures, r.reads)
		}
		// Dead values come from outsiders alone, and reports mend them but
		// when the answer to the issue is lost as well.
		if reported > dead/5+2 {
			t.Errorf("%d of %d dead values were not replaced by a report", reported, dead)
		}
		if perDay := float64(asked) / 365; perDay > 20 {
			t.Errorf("%.1f issues a day", perDay)
		}
	})
}

// A token that is killed again and again cannot make Hufu spend the day.
func TestG5AnOutsiderCannotSpendTheBudget(t *testing.T) {
	t.Parallel()
	for _, quota := range []int{200, 2000} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: "classic", app: func(a *config.App) { a.DailyQuota = quota }})
			n := w.node()
			w.get(n)
			for day := range 3 {
				before := w.sim.Asked(testApp, wxsim.Classic)
				for range 24 * 60 {
					_ = w.sim.Revoke(testApp)
					if c, err := n.Get(t.Context(), testKey); err == nil {
						_, _ = n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
					}
					time.Sleep(time.Minute)
				}
				asked := w.sim.Asked(testApp, wxsim.Classic) - before
				t.Logf("quota %d, day %d: %d issues", quota, day, asked)
				if asked > quota/5 {
					t.Errorf("quota %d: %d issues on day %d, budget %d", quota, asked, day, quota/5)
				}
				if asked < quota/20 {
					t.Errorf("quota %d: only %d issues on day %d: the app is left without a token", quota, asked, day)
				}
			}
		})
	}
}
