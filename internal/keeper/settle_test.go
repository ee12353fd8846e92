package keeper

import (
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/wxsim"
)

// Some of WeChat's machines hear of a new token late: that is no death of it.
func TestANewValueSettlesWithoutASecondIssue(t *testing.T) {
	t.Parallel()
	const probePath = "/cgi-bin/get_api_domain_ip"
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		n := w.node()
		c := w.get(n)
		w.sim.Fail(wxsim.Fault{Path: probePath, Mode: wxsim.Errcode, Errcode: 40001, Count: 1})
		settle := func(c credential.Credential, want time.Duration) {
			t.Helper()
			began := time.Now()
			n.Settle(t.Context(), c)
			if took := time.Since(began); took != want {
				t.Errorf("it took %v, want %v", took, want)
			}
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { settle(c, n.spread) })
		}
		all.Wait()
		probes := 0
		for _, times := range w.sim.Counts()[probePath] {
			probes += times
		}
		if probes != 2 || w.issues() != 1 {
			t.Errorf("%d probes, %d issues; want 2 and 1", probes, w.issues())
		}

		// What was so a moment ago is held against nobody who saw it refused.
		settle(c, 0)
		if err := w.sim.Revoke(testApp); err != nil {
			t.Fatal(err)
		}
		if next, err := n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001, Seen: true}); err != nil || next.Value.Equal(c.Value) {
			t.Errorf("the dead value is still in hand: %v", err)
		}

		// Of what is not in hand there is nothing to learn.
		c.Value = credential.NewSecret("another")
		settle(c, 0)
		c.App = "wxother0000000000"
		settle(c, 0)
	})
}
