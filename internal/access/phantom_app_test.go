package access

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
)

// phantomOf gives a credential that is a phantom token.
func phantomOf(p *Phantoms, c Caller) func() (credential.Credential, error) {
	return func() (credential.Credential, error) { return p.Current(c, shop.App), nil }
}

// ofClient is a caller with the first key of a client that there is.
func ofClient(t testing.TB, reg *registry.Registry, name string) Caller {
	t.Helper()
	c, ok := reg.Client(name)
	if !ok {
		t.Fatal("no client", name)
	}
	return Caller{Client: c, KeyID: KeyID(c.KeySHA256[0][:4]), IP: home}
}

// TestOnlyPhantomTokensLeaveForPhantomClients, whatever is brought, and the
// other way round.
func TestOnlyPhantomTokensLeaveForPhantomClients(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", true)
	p := NewPhantoms(g.reg, life, [][]byte{newKey})
	for client, brings := range map[string]func() (credential.Credential, error){
		"phantom": giving(generation(7)),
		"real":    phantomOf(p, g.caller("real")),
	} {
		v, _, err := g.Hand(g.caller(client), shop, brings)
		if !errors.Is(err, credential.ErrUnavailable) || !v.Value.Empty() {
			t.Errorf("%s: %+v, %v", client, v, err)
		}
	}
	if b := g.records(); len(b) != 0 {
		t.Errorf("recorded %+v", b)
	}
	c := g.caller("phantom")
	if v, _, err := g.Hand(c, shop, phantomOf(p, c)); err != nil || v.Value.Empty() {
		t.Error(err)
	}
	// A client whose tokens nobody has set is given phantoms.
	c.Client = &registry.Client{Client: config.Client{}}
	if !GivenPhantoms(c, shop) || GivenPhantoms(c, credential.Key{App: shop.App, Kind: "jsapi_ticket"}) {
		t.Error("who is given phantom tokens")
	}
}

// TestARealTokenThatWasWaitedForIsNotGivenToAPhantomClient: what the client is
// at the end of the wait counts, and the wait ends with what it was.
func TestARealTokenThatWasWaitedForIsNotGivenToAPhantomClient(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	old, _ := g.reg.Client("real")
	apps := []config.App{{AppID: shop.App}}
	g.reg.Declare(apps, []config.Client{old.Client})
	c := g.caller("real")
	v, _, err := g.Hand(c, shop, func() (credential.Credential, error) {
		now := old.Client
		now.Tokens = config.Phantom
		g.reg.Declare(apps, []config.Client{now})
		return generation(2), nil
	})
	if u, ok := errors.AsType[*credential.Unavailable](err); !ok || u.RetryAfter == 0 || !v.Value.Empty() {
		t.Errorf("%+v, %v", v, err)
	}
	if g.Still(c, shop) {
		t.Error("it may go on waiting for a real token")
	}
}

// TestPhantomHandOutsAreRecordedOncePerGeneration, whichever of its tokens is
// handed out.
func TestPhantomHandOutsAreRecordedOncePerGeneration(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", true)
	p := NewPhantoms(g.reg, life, [][]byte{newKey})
	c := g.caller("phantom")
	generations := map[uint64]bool{} // one, but for a test that runs on the hour
	var last credential.Credential
	for i := range 100 {
		var err error
		last, _, err = g.Hand(c, shop, func() (credential.Credential, error) {
			if i%2 == 0 {
				return p.Current(c, shop.App), nil
			}
			return p.Fresh(c, shop.App), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		generations[last.Generation] = true
	}
	if n := len(g.records()); n != len(generations) {
		t.Errorf("%d records, want %d", n, len(generations))
	}
	if r := g.last(); r.Tokens != config.Phantom || r.Tag != last.Tag || r.Generation != last.Generation || r.Decision != allowed {
		t.Errorf("recorded %+v", r)
	}
}

func TestUnrecordablePhantomTokensAreNotHandedOutWhereRecordsAreRequired(t *testing.T) {
	t.Parallel()
	g := newGate(t, "/dev/full", true)
	p := NewPhantoms(g.reg, life, [][]byte{newKey})
	c := g.caller("phantom")
	for range 2 {
		if v, _, err := g.Hand(c, shop, phantomOf(p, c)); !errors.Is(err, ErrUnrecorded) || !v.Value.Empty() {
			t.Errorf("%+v, %v", v, err)
		}
	}
}

// TestNodesOfOneMasterKeyGiveTheSamePhantomToken, and others another.
func TestNodesOfOneMasterKeyGiveTheSamePhantomToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, p, all, _ := mint(t)
		c := ofClient(t, reg, all[AppPhantom].Client)
		v := p.Current(c, shop.App)
		same := func(o credential.Credential) bool { return o.Value.Equal(v.Value) && o.Tag == v.Tag }
		if o := NewPhantoms(reg, life, [][]byte{newKey}).Current(c, shop.App); o != v {
			t.Errorf("another node gives %+v, not %+v", o, v)
		}
		if same(NewPhantoms(reg, life, [][]byte{oldKey, newKey}).Current(c, shop.App)) {
			t.Error("the master key makes no difference")
		}
		for what, other := range map[string]Caller{
			"key":    {Client: c.Client, KeyID: KeyID{9}},
			"client": {Client: &registry.Client{Client: config.Client{Name: "another"}}, KeyID: c.KeyID},
		} {
			if same(p.Current(other, shop.App)) {
				t.Errorf("the %s makes no difference", what)
			}
		}
		if same(p.Current(c, foreign.App)) {
			t.Error("the app makes no difference")
		}
		// Where it was asked from makes none.
		if !same(p.Current(Caller{Client: c.Client, KeyID: c.KeyID, IP: netip.MustParseAddr("10.9.9.9"), Request: Request{Count: 9}}, shop.App)) {
			t.Error("the address makes a difference")
		}
	})
}

// TestAPhantomTokenLivesHalfALifeFromAnyMoment on which it is handed out, and
// says so, for every life that can be configured.
func TestAPhantomTokenLivesHalfALifeFromAnyMoment(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{24 * time.Second, 25 * time.Second, 2 * time.Hour, 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			reg, _, all, _ := mint(t)
			p := NewPhantoms(reg, life, [][]byte{newKey})
			c := ofClient(t, reg, all[AppPhantom].Client)
			seen := map[string]uint64{}
			for range 200 {
				now := time.Now()
				v := p.Current(c, shop.App)
				f, err := p.Parse(v.Value.Reveal())
				if err != nil || f.Type != AppPhantom || f.App != shop.App || f.Client != c.Client.Name || f.KeyID != c.KeyID || !f.End.Equal(v.ExpiresAt) {
					t.Fatalf("%+v, %v", f, err)
				}
				// A second is lost where the end is no whole one.
				if left := f.End.Sub(now); v.Left != left || v.Certain != left || left <= life/2-time.Second || left > life {
					t.Fatalf("life %v: %v left, %v said", life, left, v.Left)
				}
				if v.IssuedAt.After(now) || now.Sub(v.IssuedAt) >= life/2 || v.MaxAge != life/120 || !v.Phantom {
					t.Fatalf("%+v at %v", v, now)
				}
				if g, again := seen[v.Tag]; again && g != v.Generation {
					t.Fatal("two generations of one tag")
				}
				seen[v.Tag] = v.Generation

				fresh := p.Fresh(c, shop.App)
				f, err = p.Parse(fresh.Value.Reveal())
				if err != nil || fresh.Certain != life || f.End.Before(now.Add(life-time.Second)) || fresh.Tag != v.Tag || fresh.Generation != v.Generation {
					t.Fatalf("%+v, %v", fresh, err)
				}
				time.Sleep(life / 37)
			}
			if n := len(seen); n < 10 || n > 12 {
				t.Errorf("%d tokens in five lives and a half", n)
			}
		})
	}
}

// TestWhoWaitsForTheNextPhantomTokenIsWokenOnce: no earlier than it is there,
// and not again and again.
func TestWhoWaitsForTheNextPhantomTokenIsWokenOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, p, all, _ := mint(t)
		c := ofClient(t, reg, all[AppPhantom].Client)
		time.Sleep(17*time.Minute + time.Nanosecond)
		v := p.Current(c, shop.App)
		if got, err := p.Wait(t.Context(), c, shop.App, v.Generation-1); err != nil || got != v {
			t.Errorf("%+v, %v", got, err)
		}
		next, err := p.Wait(t.Context(), c, shop.App, v.Generation)
		if err != nil || next.Generation != v.Generation+1 || !time.Now().Equal(v.IssuedAt.Add(life/2)) {
			t.Errorf("%+v, %v at %v", next, err, time.Now())
		}
		if _, err := p.Parse(v.Value.Reveal()); err != nil {
			t.Error("the one before does not work any more:", err)
		}
		// A node whose clock is behind says: nothing later yet.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		got, err := p.Wait(ctx, c, shop.App, next.Generation+1)
		if !errors.Is(err, credential.ErrUnchanged) || got.Tag != next.Tag || time.Since(start) != time.Minute {
			t.Errorf("%+v, %v after %v", got, err, time.Since(start))
		}
	})
}

// TestPhantomTokensOutliveAChangeOfTheMasterKey: the older key still opens
// them, and the new one mints.
func TestPhantomTokensOutliveAChangeOfTheMasterKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, p, all, _ := mint(t)
		c := ofClient(t, reg, all[AppPhantom].Client)
		before := NewPhantoms(reg, life, [][]byte{oldKey}).Fresh(c, shop.App).Value.Reveal()
		time.Sleep(life + overlap - time.Second)
		if _, err := p.Parse(before); err != nil {
			t.Error("inside its life and the overlap:", err)
		}
		time.Sleep(time.Second)
		if _, err := p.Parse(before); !errors.Is(err, ErrExpired) {
			t.Error("after that:", err)
		}
		if _, err := NewPhantoms(reg, life, [][]byte{newKey}).Parse(p.Fresh(c, shop.App).Value.Reveal()); err != nil {
			t.Error("the older key mints:", err)
		}
	})
}
