package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
)

const value = "91_the-token-itself-which-must-never-be-seen-AJAZJB"

var (
	shop    = credential.Key{App: "wx0123456789abcdef", Kind: credential.AccessToken}
	foreign = credential.Key{App: "wxother0000000000", Kind: credential.AccessToken}
	home    = netip.MustParseAddr("10.0.0.7")
)

// gate is a guard with its registry, its clients' keys and its audit file.
type gate struct {
	*Guard
	t    testing.TB
	reg  *registry.Registry
	keys map[string]string
	file string
	log  *bytes.Buffer
}

func newGate(t testing.TB, path string, required bool) *gate {
	t.Helper()
	g := &gate{t: t, reg: registry.New(nil, nil), keys: map[string]string{}, file: path, log: &bytes.Buffer{}}
	if path == "" {
		g.file = filepath.Join(t.TempDir(), "audit.jsonl")
	}
	client := func(name, tokens string, app credential.App, allow ...config.Action) config.Client {
		key, sum := NewKey()
		g.keys[name] = key.Reveal()
		return config.Client{Name: name, KeySHA256: []config.KeyHash{sum}, Apps: []credential.App{app}, Allow: allow, Tokens: tokens}
	}
	away := client("away", config.Real, shop.App, config.Token)
	away.From = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	g.reg.Declare(nil, []config.Client{
		client("real", config.Real, shop.App, config.Token, config.Ticket),
		client("neighbour", config.Real, shop.App, config.Token),
		client("phantom", config.Phantom, shop.App, config.Token, config.Ticket),
		client("caller", config.Real, shop.App, config.Call),
		client("operator", config.Phantom, config.AllApps, config.Admin),
		client("manager", config.Phantom, shop.App, config.Admin),
		away,
	})
	g.Guard = New(g.reg, openAudit(t, g.file, required), "n1", slog.New(slog.NewTextHandler(g.log, nil)))
	return g
}

// caller lets a client in, from home.
func (g *gate) caller(name string) Caller {
	g.t.Helper()
	c, err := g.Authenticate(g.keys[name], home, Request{Count: 7})
	if err != nil {
		g.t.Fatalf("%s is not let in: %v", name, err)
	}
	return c
}

// records is the audit file.
func (g *gate) records() (all []record) {
	g.t.Helper()
	b, err := os.ReadFile(g.file)
	if err != nil {
		g.t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			g.t.Fatalf("%q: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// last is the newest record.
func (g *gate) last() record {
	g.t.Helper()
	all := g.records()
	if len(all) == 0 {
		g.t.Fatal("nothing is recorded")
	}
	return all[len(all)-1]
}

func generation(n uint64) credential.Credential {
	return credential.Credential{Key: shop, Value: credential.NewSecret(value), Generation: n, Tag: fmt.Sprintf("%d-9f3c51d2", n)}
}

// giving is a get that brings a credential.
func giving(v credential.Credential) func() (credential.Credential, error) {
	return func() (credential.Credential, error) { return v, nil }
}

// never is a get that must not be called.
func (g *gate) never() (credential.Credential, error) {
	g.t.Error("a value was fetched for somebody who may not have it")
	return generation(1), nil
}

// nothing is an act that works.
func nothing() error { return nil }

func TestHandOutIsRecordedBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", true)
	c := g.caller("real")
	v, again, err := g.Hand(c, shop, giving(generation(7)))
	if err != nil || again || v.Value.Reveal() != value {
		t.Fatalf("Hand: again %v, %v", again, err)
	}
	r := g.last()
	want := record{
		Time: r.Time, Node: "n1", Request: Request{Count: 7}.String(), Client: "real", Key: c.KeyID.String(), IP: "10.0.0.7",
		Action: "token", App: shop.App, Kind: shop.Kind, Generation: 7, Tag: "7-9f3c51d2", Decision: "allowed",
	}
	if r != want {
		t.Errorf("recorded %+v, want %+v", r, want)
	}
	if age := time.Since(r.Time); age < 0 || age > time.Minute || r.Time.Location() != time.UTC {
		t.Errorf("recorded at %v", r.Time)
	}
}

func TestHandOutIsRecordedOncePerClientAndGeneration(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	hand := func(client string, v credential.Credential, wantAgain bool) {
		t.Helper()
		if _, again, err := g.Hand(g.caller(client), shop, giving(v)); err != nil || again != wantAgain {
			t.Errorf("%s, generation %d: again %v, %v", client, v.Generation, again, err)
		}
	}
	hand("real", generation(1), false)
	hand("real", generation(1), true)
	hand("neighbour", generation(1), false)
	hand("real", generation(2), false)
	hand("real", generation(2), true)
	hand("neighbour", generation(1), true)
	if n := len(g.records()); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
}

// TestUnsavedValuesAreToldApart: they have no generation.
func TestUnsavedValuesAreToldApart(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	one, two := generation(0), generation(0)
	two.Tag = "0-00000002"
	for _, v := range []credential.Credential{one, one, two, two} {
		if _, _, err := g.Hand(g.caller("real"), shop, giving(v)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(g.records()); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

func TestFirstHandOutsAtOnceAreOneRecord(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", true)
	c := g.caller("real")
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			if _, _, err := g.Hand(c, shop, giving(generation(1))); err != nil {
				t.Error(err)
			}
			if b, _ := os.ReadFile(g.file); !bytes.Contains(b, []byte("9f3c51d2")) {
				t.Error("handed out before it was recorded")
			}
		})
	}
	wg.Wait()
	if n := len(g.records()); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

func TestRepeatsAllocateNothing(t *testing.T) {
	g := newGate(t, "", true)
	get := giving(generation(1))
	key := g.keys["real"]
	if n := testing.AllocsPerRun(1000, func() {
		c, err := g.Authenticate(key, home, Request{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := g.Hand(c, shop, get); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestUnrecordableHandOutIsRefusedWhereRecordsAreRequired(t *testing.T) {
	t.Parallel()
	g := newGate(t, "/dev/full", true)
	for range 2 {
		if v, _, err := g.Hand(g.caller("real"), shop, giving(generation(1))); !errors.Is(err, ErrUnrecorded) || !v.Value.Empty() {
			t.Errorf("Hand: %v", err)
		}
	}
	if err := g.Do(g.caller("operator"), Act{Name: "renew", Key: shop}, nil, nothing); !errors.Is(err, ErrUnrecorded) {
		t.Errorf("Do: %v", err)
	}
	if n := g.Counts().Unrecorded; n != 3 {
		t.Errorf("%d records counted as lost, want 3", n)
	}
}

func TestUnrecordableHandOutIsServedWhereRecordsAreNotRequired(t *testing.T) {
	t.Parallel()
	g := newGate(t, "/dev/full", false)
	for i := range 5 {
		if _, again, err := g.Hand(g.caller("real"), shop, giving(generation(1))); err != nil || again != (i > 0) {
			t.Errorf("Hand: again %v, %v", again, err)
		}
	}
	if err := g.Do(g.caller("operator"), Act{Name: "renew", Key: shop}, nil, nothing); err != nil {
		t.Errorf("Do: %v", err)
	}
	if n := g.Counts().Unrecorded; n != 2 {
		t.Errorf("%d records counted as lost, want 2: one per value, one per act", n)
	}
	if !strings.Contains(g.log.String(), "an audit record is lost") {
		t.Error("nobody is told")
	}
}

func TestDenialStaysADenialWhateverTheSinkDoes(t *testing.T) {
	t.Parallel()
	for _, required := range []bool{false, true} {
		g := newGate(t, "/dev/full", required)
		if _, _, err := g.Hand(g.caller("real"), foreign, g.never); !errors.Is(err, credential.ErrNotFound) {
			t.Errorf("required %v: %v", required, err)
		}
		if _, err := g.Authenticate("hufu_x", home, Request{}); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("required %v: %v", required, err)
		}
	}
}

func TestNotGrantedLooksLikeNotThere(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	_, _, notGranted := g.Hand(g.caller("real"), foreign, g.never)
	_, _, notThere := g.Hand(g.caller("real"), shop, func() (credential.Credential, error) {
		return credential.Credential{}, fmt.Errorf("look: %w", credential.ErrNotFound)
	})
	if notGranted != notThere || !errors.Is(notThere, credential.ErrNotFound) {
		t.Errorf("not granted: %v, not there: %v", notGranted, notThere)
	}
	all := g.records()
	if len(all) != 2 || all[0].Reason != all[1].Reason || all[0].Decision != denied || all[1].Decision != denied {
		t.Errorf("recorded %+v", all)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	ticket := credential.Key{App: shop.App, Kind: "jsapi_ticket"}
	for _, test := range []struct {
		client string
		key    credential.Key
		want   error
		reason string
	}{
		{"real", shop, nil, ""},
		{"real", ticket, nil, ""},
		{"real", foreign, credential.ErrNotFound, "not granted, or not there"},
		{"phantom", ticket, nil, ""},
		{"phantom", foreign, credential.ErrNotFound, "not granted, or not there"},
		{"neighbour", ticket, ErrForbidden, "not on the allow list: ticket"},
		{"caller", shop, ErrForbidden, "not on the allow list: token"},
		{"operator", shop, ErrForbidden, "not on the allow list: token"},
	} {
		g := newGate(t, "", false)
		c := g.caller(test.client)
		get := g.never
		if test.want == nil {
			get = giving(generation(1))
		}
		_, _, err := g.Hand(c, test.key, get)
		if !errors.Is(err, test.want) {
			t.Errorf("%s, %v: %v, want %v", test.client, test.key, err, test.want)
		}
		if May(c, test.key) != (test.want == nil) {
			t.Errorf("%s, %v: May says otherwise", test.client, test.key)
		}
		if r := g.last(); r.Reason != test.reason || (r.Decision == allowed) != (test.want == nil) {
			t.Errorf("%s, %v: recorded %+v", test.client, test.key, r)
		}
		if r, ok := errors.AsType[*Refusal](err); ok && r.Hint == "" {
			t.Errorf("%s, %v: no hint", test.client, test.key)
		}
	}
}

func TestOperatorsActs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		client string
		act    Act
		want   error
	}{
		{"operator", Act{Name: "renew", Key: shop}, nil},
		{"operator", Act{Name: "put_app", Key: credential.Key{App: "wx9"}}, nil},
		{"operator", Act{Name: "put_client", Client: "x", Apps: []credential.App{config.AllApps}}, nil},
		{"manager", Act{Name: "renew", Key: shop}, nil},
		{"manager", Act{Name: "renew", Key: foreign}, credential.ErrNotFound},
		{"manager", Act{Name: "put_client", Client: "x", Apps: []credential.App{shop.App}}, nil},
		{"manager", Act{Name: "put_client", Client: "x", Apps: []credential.App{shop.App, foreign.App}}, ErrForbidden},
		{"manager", Act{Name: "put_client", Client: "x", Apps: []credential.App{config.AllApps}}, ErrForbidden},
		{"real", Act{Name: "renew", Key: shop}, ErrForbidden},
		{"real", Act{Name: "renew", Key: foreign}, ErrForbidden},
		{"real", Act{Name: "delete_client", Client: "x"}, ErrForbidden},
	} {
		g := newGate(t, "", false)
		for range 2 {
			if err := g.Do(g.caller(test.client), test.act, nil, nothing); !errors.Is(err, test.want) {
				t.Errorf("%s, %+v: %v, want %v", test.client, test.act, err, test.want)
			}
		}
		if all := g.records(); len(all) != 2 || all[1].Action != test.act.Name || all[1].Target != test.act.Client ||
			(all[1].Decision == allowed) != (test.want == nil) {
			t.Errorf("%s, %+v: recorded %+v, want it each time", test.client, test.act, all)
		}
		if told := strings.Contains(g.log.String(), "operator's act"); told != (test.want == nil) {
			t.Errorf("%s, %+v: the log says %q", test.client, test.act, g.log)
		}
	}
}

func TestWhereAClientMayCallFrom(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	for ip, ok := range map[string]bool{"203.0.113.9": true, "2001:db8::1": true, "203.0.114.1": false, "::1": false, "10.0.0.7": false} {
		_, err := g.Authenticate(g.keys["away"], netip.MustParseAddr(ip), Request{})
		if ok != (err == nil) {
			t.Errorf("from %s: %v", ip, err)
		}
		if !ok {
			r, is := errors.AsType[*Refusal](err)
			if !is || !errors.Is(err, ErrForbidden) || r.IP.String() != ip || !strings.Contains(r.Reason, ip) {
				t.Errorf("from %s: %v", ip, err)
			}
			if last := g.last(); last.Client != "away" || last.Decision != denied || last.IP != ip {
				t.Errorf("from %s: recorded %+v", ip, last)
			}
		}
	}
	if _, err := g.Authenticate(g.keys["away"], netip.Addr{}, Request{}); !errors.Is(err, ErrForbidden) {
		t.Errorf("from nowhere: %v", err)
	}
}

func TestWrongKeys(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	key := g.keys["real"]
	unknown, _ := NewKey()
	for what, wrong := range map[string]string{
		"none": "", "a word": "hufu_", "cut": key[:len(key)-1], "longer": key + "x", "another case": strings.ToUpper(key),
		"a space": " " + key, "unknown": unknown.Reveal(), "long": "hufu_" + strings.Repeat("a", 1<<16),
	} {
		if _, err := g.Authenticate(wrong, home, Request{}); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("%s: %v", what, err)
		}
		if r := g.last(); r.Decision != denied || r.Action != "authenticate" || r.Client != "" {
			t.Errorf("%s: recorded %+v", what, r)
		}
	}
}

// TestRevokedKeyIsRefusedAtOnce on the node that is told; the registry's tests
// show that the others follow within five seconds.
func TestRevokedKeyIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	g.caller("real")
	g.reg.Declare(nil, nil)
	if _, err := g.Authenticate(g.keys["real"], home, Request{}); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("a revoked key: %v", err)
	}
}

// TestFloodOfWrongKeys: above the pace there is neither an answer worth having
// nor a line in the audit file, and a right key is let in all the same.
func TestFloodOfWrongKeys(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	limited := 0
	for range 10_000 {
		_, err := g.Authenticate("hufu_guess", home, Request{})
		if errors.Is(err, ErrLimited) {
			limited++
			if r, ok := errors.AsType[*Refusal](err); !ok || r.RetryAfter <= 0 {
				t.Fatalf("%v does not say when to come back", err)
			}
		} else if !errors.Is(err, ErrUnauthorized) {
			t.Fatal(err)
		}
	}
	counts := g.Counts()
	if limited < 9000 || counts.Limited != uint64(limited) || counts.Denied != uint64(10_000-limited) {
		t.Errorf("%d of 10000 were held up; counted %+v", limited, counts)
	}
	if n := len(g.records()); n != 10_000-limited {
		t.Errorf("%d records", n)
	}
	g.caller("real")
}

func TestNothingSecretIsRecordedOrLogged(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	key := g.keys["real"]
	appSecret := "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	c, o := g.caller("real"), g.caller("operator")
	for _, misplaced := range []string{key, appSecret, strings.ToUpper(appSecret), value + strings.Repeat("x", 100), "x" + key} {
		k := credential.Key{App: credential.App(misplaced), Kind: credential.Kind(misplaced)}
		_, _, _ = g.Hand(c, k, g.never)
		_, _, _ = g.Hand(c, credential.Key{App: shop.App, Kind: credential.Kind(misplaced)}, func() (credential.Credential, error) {
			return credential.Credential{}, credential.ErrNotFound
		})
		_ = g.Do(c, Act{Name: "put_client", Client: misplaced, Key: k}, nil, nothing)
		_ = g.Do(o, Act{Name: "put_client", Client: misplaced, Key: k}, nil, nothing)
		_, _ = g.Authenticate(misplaced, home, Request{})
	}
	_, _, _ = g.Hand(c, shop, giving(generation(1)))
	file, err := os.ReadFile(g.file)
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{string(file), g.log.String()} {
		for _, s := range []string{key, appSecret, strings.ToUpper(appSecret), value} {
			if strings.Contains(place, s) {
				t.Errorf("a secret stands in %q", place)
			}
		}
	}
}

func BenchmarkHandAgain(b *testing.B) {
	g := newGate(b, "", true)
	c, get := g.caller("real"), giving(generation(1))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := g.Hand(c, shop, get); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandFirst is what a hand-out costs that has to be recorded, by many
// clients at once: they share the syncs.
func BenchmarkHandFirst(b *testing.B) {
	g := newGate(b, "", true)
	c := g.caller("real")
	var n atomic.Uint64
	b.SetParallelism(64)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, _, err := g.Hand(c, shop, giving(generation(n.Add(1)))); err != nil {
				b.Fatal(err)
			}
		}
	})
}
