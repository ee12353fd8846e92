package access

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

// TestWhatIsWithdrawnDuringAWaitIsNotHandedOut: a new request would not get it
// either, and is told the same.
func TestWhatIsWithdrawnDuringAWaitIsNotHandedOut(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		change func(*config.Client)
		want   error
	}{
		"nothing":     {func(*config.Client) {}, nil},
		"the client":  {func(c *config.Client) { c.Name = "another" }, ErrUnauthorized},
		"the key":     {func(c *config.Client) { c.KeySHA256 = []config.KeyHash{{7}} }, ErrUnauthorized},
		"the app":     {func(c *config.Client) { c.Apps = []credential.App{foreign.App} }, credential.ErrNotFound},
		"the action":  {func(c *config.Client) { c.Allow = config.Actions{config.Ticket} }, ErrForbidden},
		"the place":   {func(c *config.Client) { c.From = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")} }, ErrForbidden},
		"another key": {func(c *config.Client) { c.KeySHA256 = append([]config.KeyHash{{7}}, c.KeySHA256...) }, nil},
		"another app": {func(c *config.Client) { c.Apps = append(c.Apps, foreign.App) }, nil},
	} {
		g := newGate(t, "", false)
		old, _ := g.reg.Client("real")
		apps := []config.App{{AppID: shop.App}}
		g.reg.Declare(apps, []config.Client{old.Client})
		c := g.caller("real")
		if !g.Still(c, shop) {
			t.Errorf("%s: it may not wait", what)
		}
		for _, brings := range []error{nil, credential.ErrUnchanged} {
			v, _, err := g.Hand(c, shop, func() (credential.Credential, error) {
				changed := old.Client
				test.change(&changed)
				g.reg.Declare(apps, []config.Client{changed})
				return generation(2), brings
			})
			want := test.want
			if want == nil {
				want = brings
			}
			if !errors.Is(err, want) || err != nil && !v.Value.Empty() {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
			if test.want != nil {
				if last := g.last(); last.Decision != denied || last.Client != "real" {
					t.Errorf("%s: recorded %+v", what, last)
				}
			}
			if g.Still(c, shop) != (test.want == nil) {
				t.Errorf("%s: it may go on waiting: %v", what, g.Still(c, shop))
			}
			g.reg.Declare(apps, []config.Client{old.Client})
		}
		g.reg.Declare(nil, []config.Client{old.Client})
		if g.Still(c, shop) {
			t.Error("it may wait for an app that is gone")
		}
	}
}

// TestHandOutIsRecordedOncePerKey: behind another key there may be another
// program, whatever the name.
func TestHandOutIsRecordedOncePerKey(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	old, _ := g.reg.Client("real")
	declare := func(sums ...config.KeyHash) {
		c := old.Client
		c.KeySHA256 = sums
		g.reg.Declare(nil, []config.Client{c})
	}
	second, sum := NewKey()
	third, again := NewKey()
	hand := func(key string, want bool) {
		t.Helper()
		c, err := g.Authenticate(key, home, Request{})
		if err != nil {
			t.Fatal(err)
		}
		if _, repeated, err := g.Hand(c, shop, giving(generation(1))); err != nil || repeated == want {
			t.Errorf("recorded: %v, %v", !repeated, err)
		}
		if want && g.last().Key != c.KeyID.String() {
			t.Errorf("recorded %+v", g.last())
		}
	}
	declare(old.KeySHA256[0], sum)
	hand(g.keys["real"], true)
	hand(second.Reveal(), true)
	hand(second.Reveal(), false)
	g.reg.Declare(nil, nil)
	declare(again)
	hand(third.Reveal(), true)
	hand(third.Reveal(), false)
}

func TestHandOutsThatCannotComeAgainAreForgotten(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	old, _ := g.reg.Client("real")
	var kept []config.Client
	for i := range 20 * minSweep {
		key, sum := NewKey()
		c := old.Client
		c.Name, c.KeySHA256 = fmt.Sprintf("c%d", i), []config.KeyHash{sum}
		if i < minSweep/2 {
			kept = append(kept, c)
		}
		g.reg.Declare([]config.App{{AppID: shop.App}}, append(slices.Clone(kept), c))
		g.keys[c.Name] = key.Reveal()
		if _, again, err := g.Hand(g.caller(c.Name), shop, giving(generation(1))); again || err != nil {
			t.Fatal(again, err)
		}
		if n := len(g.hands); n > minSweep {
			t.Fatalf("%d hand-outs are remembered of %d clients", n, len(kept)+1)
		}
	}
	for _, c := range kept {
		if _, again, err := g.Hand(g.caller(c.Name), shop, giving(generation(1))); !again || err != nil {
			t.Errorf("the hand-out to %s was forgotten: %v", c.Name, err)
		}
	}
}

func TestActIsRecordedWithWhatItGrants(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	granted := &config.Client{
		Name: "x", Apps: []credential.App{shop.App}, Allow: config.Actions{config.Token, config.Admin}, Tokens: config.Real,
		From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, KeySHA256: []config.KeyHash{{0x5e, 0x88, 0x48, 0x98, 0xda}},
	}
	done := false
	if err := g.Do(g.caller("operator"), Act{Name: "put_client", Client: "x", Granted: granted}, nil, func() error {
		done = true
		if r := g.last(); r.Decision != allowed || r.Target != "x" || fmt.Sprint(*r.Granted) != "{[wx0123456789abcdef] [token admin] real [10.0.0.0/8] [5e884898]}" {
			t.Errorf("when it begins %+v is recorded", r)
		}
		return nil
	}); err != nil || !done {
		t.Errorf("done: %v, %v", done, err)
	}
	if n := len(g.records()); n != 1 {
		t.Errorf("%d records", n)
	}
}

func TestActThatFailsIsRecordedAsFailed(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	gone := errors.New("the store is gone")
	if err := g.Do(g.caller("operator"), Act{Name: "put_client", Client: "x"}, nil, func() error { return gone }); !errors.Is(err, gone) {
		t.Error(err)
	}
	if all := g.records(); len(all) != 2 || all[0].Decision != allowed || all[1].Decision != broken || all[1].Reason != gone.Error() || all[1].Target != "x" {
		t.Errorf("recorded %+v", all)
	}
}

// TestActThatIsNotDoneIsNotCalledAllowed: neither in the record nor in the log.
func TestActThatIsNotDoneIsNotCalledAllowed(t *testing.T) {
	t.Parallel()
	never := func() error {
		t.Error("it is done")
		return nil
	}
	g := newGate(t, "", true)
	wrong := errors.New("makes no sense")
	if err := g.Do(g.caller("operator"), Act{Name: "put_client", Client: "x"}, wrong, never); !errors.Is(err, wrong) || len(g.records()) != 0 {
		t.Errorf("%v; recorded %+v", err, g.records())
	}
	if err := g.Do(g.caller("real"), Act{Name: "put_client", Client: "x"}, wrong, never); !errors.Is(err, ErrForbidden) || g.last().Decision != denied {
		t.Errorf("who may not act is told %v", err)
	}
	full := newGate(t, "/dev/full", true)
	if err := full.Do(full.caller("operator"), Act{Name: "put_client", Client: "x"}, nil, never); !errors.Is(err, ErrUnrecorded) {
		t.Error(err)
	}
	for _, log := range []string{g.log.String(), full.log.String()} {
		if strings.Contains(log, "operator's act") {
			t.Errorf("the log says %s", log)
		}
	}
}
