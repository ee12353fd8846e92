package keeper

import (
	"context"
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// Twenty forced issues are spent; the dead value ends by itself within a life.
func TestWithNoForcedIssueLeftAnOrdinaryOneComesAtTheEnd(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "stable"})
		n := w.node()
		w.get(n)
		for range 24 {
			time.Sleep(10 * time.Minute)
			_ = w.sim.Revoke(testApp)
			if c, err := n.Get(t.Context(), testKey); err == nil {
				_, _ = n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
			}
		}
		begin := time.Now()
		for {
			c, err := n.Get(t.Context(), testKey)
			if err == nil && w.sim.Valid(testApp, c.Value.Reveal()) {
				break
			}
			time.Sleep(time.Minute)
			if time.Since(begin) > 25*time.Hour {
				break
			}
		}
		if d := time.Since(begin); d > 2*time.Hour {
			t.Errorf("nothing live for %v after the last revocation; a normal ask brings a new value within one life", d)
		}
	})
}

// 45009 to a forced issue says nothing about normal ones.
func TestTheQuotaOfForcedIssuesIsTheirOwn(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "stable"})
		n := w.node()
		w.get(n)
		time.Sleep(10 * time.Minute)
		w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/stable_token", Mode: wxsim.Errcode, Errcode: 45009, Count: 1})
		_, err := n.Renew(t.Context(), testKey, false)
		t.Log(err)
		fails := 0
		for range 12 * 60 {
			e, _ := n.entry(testKey)
			if !e.view.Load().live(time.Now()) {
				fails++
			}
			time.Sleep(time.Minute)
		}
		if fails > 0 {
			t.Errorf("%d minutes of twelve hours without a value", fails)
		}
	})
}

// Reports after Run began to end.
func TestReportsMayComeWhileTheKeeperStops(t *testing.T) {
	t.Parallel()
	for range 50 {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node()
		c := w.get(n)
		go n.stop()
		for range 20 {
			go func() { _, _ = n.Report(context.Background(), testKey, Claim{Value: c.Value, Errcode: 40001}) }()
		}
		n.stop()
		n.entries[testKey].mu.Lock()
		p := n.entries[testKey].probe
		n.entries[testKey].mu.Unlock()
		if p != nil {
			select {
			case <-p.done:
			default:
				t.Fatal("Run has returned and a probe is under way")
			}
		}
	}
}
