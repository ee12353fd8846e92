package access

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/registry"
)

func TestRequestsInASecondAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPaces()
		client := func(name string, rate int) *registry.Client {
			return &registry.Client{Client: config.Client{Name: name, Limits: config.Limits{Rate: rate}}}
		}
		count := func(c *registry.Client) (n int) {
			for n < 100 && p.take(c) == nil {
				n++
			}
			return n
		}
		five := client("five", 5)
		if n := count(five); n != 5 {
			t.Errorf("%d at once, want 5", n)
		}
		r, ok := errors.AsType[*Refusal](p.take(five))
		if !ok || !errors.Is(r, ErrLimited) || r.RetryAfter <= 0 || r.RetryAfter > 200*time.Millisecond {
			t.Errorf("above the pace: %+v", r)
		}
		if n := count(client("unbounded", 0)); n != 100 {
			t.Errorf("%d of a client without a limit", n)
		}
		if n := count(client("seven", 7)); n != 7 {
			t.Errorf("%d of another client, want 7", n)
		}
		time.Sleep(200 * time.Millisecond)
		if n := count(five); n != 1 {
			t.Errorf("%d after a fifth of a second, want 1", n)
		}
		time.Sleep(time.Hour)
		if n := count(five); n != 5 {
			t.Errorf("%d after a rest, want 5", n)
		}
	})
}

// A key that is right and asks too often is told apart from a wrong one: the
// caller says who it is.
func TestAClientThatAsksTooOftenIsKnown(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	key, sum := NewKey()
	g.reg.Declare(nil, []config.Client{{Name: "often", KeySHA256: []config.KeyHash{sum}, Limits: config.Limits{Rate: 1}}})
	for i := range 2 {
		caller, err := g.Authenticate(key.Reveal(), home, Request{})
		if caller.Client == nil || caller.Client.Name != "often" {
			t.Errorf("request %d: the caller is %+v", i, caller)
		}
		if limited := errors.Is(err, ErrLimited); limited != (i == 1) {
			t.Errorf("request %d: %v", i, err)
		}
	}
}
