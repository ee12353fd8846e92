package access

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
)

const (
	life    = 2 * time.Hour
	overlap = life / 24
)

var (
	newKey = []byte("0123456789abcdef0123456789abcdef")
	oldKey = []byte("fedcba9876543210fedcba9876543210")
)

// mint is a registry of one client, and a token of each type for it.
func mint(t testing.TB) (*registry.Registry, *Phantoms, map[PhantomType]Phantom, config.Client) {
	t.Helper()
	_, sum := NewKey()
	c := config.Client{
		Name: "shop-backend", KeySHA256: []config.KeyHash{sum}, Apps: []credential.App{shop.App},
		Allow: config.Actions{config.Token, config.Login}, Tokens: config.Phantom,
	}
	reg := registry.New(nil, nil)
	reg.Declare([]config.App{{AppID: shop.App}}, []config.Client{c})
	all := map[PhantomType]Phantom{}
	for _, typ := range []PhantomType{AppPhantom, UserPhantom, RefreshPhantom} {
		all[typ] = Phantom{
			Type: typ, App: shop.App, Client: c.Name, KeyID: KeyID(sum[:4]), Session: [16]byte{1, 2, 3},
			End: time.Now().Add(2 * time.Hour).Truncate(time.Second),
		}
	}
	return reg, NewPhantoms(reg, life, [][]byte{newKey, oldKey}), all, c
}

func TestPhantomTokensSayWhatTheyWereMintedFor(t *testing.T) {
	t.Parallel()
	reg, p, all, _ := mint(t)
	older := NewPhantoms(reg, life, [][]byte{oldKey})
	form := regexp.MustCompile(`^\d\d_[A-Za-z0-9_-]{60,509}$`)
	for typ, f := range all {
		token := p.Mint(f).Reveal()
		if !form.MatchString(token) {
			t.Errorf("%q does not look like a token of WeChat's", token)
		}
		if got, err := p.Parse(token); err != nil || got != f {
			t.Errorf("type %d: %+v, %v, want %+v", typ, got, err, f)
		}
		if token == p.Mint(f).Reveal() {
			t.Error("two tokens are the same")
		}
		// Minted before the master key was changed.
		if got, err := p.Parse(older.Mint(f).Reveal()); err != nil || got != f {
			t.Errorf("under the older key: %+v, %v", got, err)
		}
		if _, err := older.Parse(token); !errors.Is(err, ErrForged) {
			t.Errorf("another key opens it: %v", err)
		}
	}
}

// TestTheLongestPhantomTokenFits where WeChat's own have to fit, with names as
// long as the configuration takes them.
func TestTheLongestPhantomTokenFits(t *testing.T) {
	t.Parallel()
	_, p, all, c := mint(t)
	f := all[UserPhantom]
	app := config.App{Secrets: []credential.Secret{credential.NewSecret("0123456789abcdef0123456789abcdef")}, Source: config.Stable, Type: config.OfficialAccount, DailyQuota: 2000}
	c.Code, c.Snapshot = config.HufuCode, config.SnapshotAllow
	for n := 1; n <= 1000; n++ {
		name := strings.Repeat("Z", n)
		app.AppID, app.Name, c.Name = credential.App(name), "shop", name
		if app.Check() == nil {
			f.App = app.AppID
		}
		if c.Check() == nil {
			f.Client = name
		}
	}
	token := p.Mint(f).Reveal()
	if len(f.App) < 64 || len(f.Client) < 64 || len(token) > maxPhantom {
		t.Errorf("an appid of %d letters and a client's name of %d make a token of %d", len(f.App), len(f.Client), len(token))
	}
	if got, ok := p.open(token); !ok || got != f {
		t.Errorf("it says %+v", got)
	}
}

func TestAlteredPhantomTokensAreForged(t *testing.T) {
	t.Parallel()
	_, p, all, _ := mint(t)
	token := p.Mint(all[UserPhantom]).Reveal()
	for i := range token {
		for _, c := range []byte("A0_-=%\n") {
			altered := token[:i] + string(c) + token[i+1:]
			if altered == token {
				continue
			}
			if _, err := p.Parse(altered); !errors.Is(err, ErrForged) {
				t.Fatalf("byte %d replaced by %q: %v", i, c, err)
			}
		}
	}
	// The decoder skips line ends, wherever they stand.
	for i := len(phantomPrefix); i <= len(token); i++ {
		for _, c := range []string{"\n", "\r", "\r\n", "\n\n\n\n"} {
			if _, err := p.Parse(token[:i] + c + token[i:]); !errors.Is(err, ErrForged) {
				t.Fatalf("a second text of the token, with %q before byte %d: %v", c, i, err)
			}
		}
	}
	for _, text := range []string{"", "10_", "10", token[:len(token)-1], token + "A", token + "=", " " + token, strings.Repeat("10_", 500)} {
		if _, err := p.Parse(text); !errors.Is(err, ErrForged) {
			t.Errorf("%q: %v", text, err)
		}
	}
	// What the last letter has too many of bits makes no second text.
	raw, err := base64.RawURLEncoding.DecodeString(token[3:])
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != token[3:] {
		t.Error(err)
	}
}

func TestPhantomTokensEndWithWhatTheyStandOn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*config.Client, *[]config.App){
		"the client":     func(c *config.Client, _ *[]config.App) { c.Name = "another" },
		"the app":        func(_ *config.Client, apps *[]config.App) { *apps = nil },
		"the grant":      func(c *config.Client, _ *[]config.App) { c.Apps = []credential.App{foreign.App} },
		"the right":      func(c *config.Client, _ *[]config.App) { c.Allow = config.Actions{config.Call} },
		"the client key": func(c *config.Client, _ *[]config.App) { _, sum := NewKey(); c.KeySHA256 = []config.KeyHash{sum} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, p, all, c := mint(t)
			apps := []config.App{{AppID: shop.App}}
			change(&c, &apps)
			reg.Declare(apps, []config.Client{c})
			for typ, f := range all {
				if got, err := p.Parse(p.Mint(f).Reveal()); !errors.Is(err, ErrForged) || got != (Phantom{}) {
					t.Errorf("type %d: %+v, %v", typ, got, err)
				}
			}
		})
	}
	t.Run("another key beside it changes nothing", func(t *testing.T) {
		t.Parallel()
		reg, p, all, c := mint(t)
		_, sum := NewKey()
		c.KeySHA256 = append([]config.KeyHash{sum}, c.KeySHA256...)
		reg.Declare([]config.App{{AppID: shop.App}}, []config.Client{c})
		if _, err := p.Parse(p.Mint(all[UserPhantom]).Reveal()); err != nil {
			t.Error(err)
		}
	})
}

func TestPhantomTokensOutliveTheirEndByTheOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p, all, _ := mint(t)
		f := all[AppPhantom]
		token := p.Mint(f).Reveal()
		time.Sleep(time.Until(f.End) + overlap - time.Millisecond)
		if _, err := p.Parse(token); err != nil {
			t.Errorf("inside the overlap: %v", err)
		}
		time.Sleep(time.Millisecond)
		if got, err := p.Parse(token); !errors.Is(err, ErrExpired) || got != f {
			t.Errorf("after it: %+v, %v", got, err)
		}
	})
}

// FuzzPhantom: what opens is a token that was minted, letter by letter.
func FuzzPhantom(f *testing.F) {
	_, p, all, _ := mint(f)
	minted := map[string]Phantom{}
	for _, t := range all {
		token := p.Mint(t).Reveal()
		minted[token] = t
		f.Add(token)
		f.Add(token + "\n")
		f.Add(token[:len(token)-1])
	}
	f.Add("10_AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := p.Parse(token)
		if want, ok := minted[token]; ok != (err == nil) || got != want || err != nil && !errors.Is(err, ErrForged) {
			t.Errorf("%q: %+v, %v", token, got, err)
		}
	})
}

// BenchmarkPhantoms is what the app's phantom tokens cost: to be given the one
// of this generation, to be given a new one, and what the gateway does at each
// call. The unit is beside them: letting a client in by its key.
func BenchmarkPhantoms(b *testing.B) {
	g := newGate(b, "", false)
	g.reg.Declare([]config.App{{AppID: shop.App}}, []config.Client{ofClient(b, g.reg, "phantom").Client.Client})
	p := NewPhantoms(g.reg, life, [][]byte{newKey, oldKey})
	c := g.caller("phantom")
	token := p.Fresh(c, shop.App).Value.Reveal()
	older := NewPhantoms(g.reg, life, [][]byte{oldKey}).Fresh(c, shop.App).Value.Reveal()
	for _, bench := range []struct {
		name string
		do   func() error
	}{
		{"authenticate", func() error { _, err := g.Authenticate(g.keys["phantom"], home, Request{}); return err }},
		{"current", func() error { p.Current(c, shop.App); return nil }},
		{"fresh", func() error { p.Fresh(c, shop.App); return nil }},
		{"parse", func() error { _, err := p.Parse(token); return err }},
		{"parse under the older key", func() error { _, err := p.Parse(older); return err }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bench.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestWhatBelongsToUsersIsHandedOutAndRecorded(t *testing.T) {
	t.Parallel()
	g := newGate(t, "", false)
	key, sum := NewKey()
	login := config.Client{Name: "login", KeySHA256: []config.KeyHash{sum}, Apps: []credential.App{shop.App, foreign.App}, Allow: config.Actions{config.Login}}
	none, noneSum := NewKey()
	without := config.Client{Name: "without", KeySHA256: []config.KeyHash{noneSum}, Apps: []credential.App{shop.App}, Allow: config.Actions{config.Token}}
	g.reg.Declare([]config.App{{AppID: shop.App}}, []config.Client{login, without})
	g.keys["login"], g.keys["without"] = key.Reveal(), none.Reveal()

	asked := 0
	get := func() error { asked++; return nil }
	if err := g.HandUser(g.caller("login"), "redeem_code", shop.App, get); err != nil || asked != 1 {
		t.Fatal(err, asked)
	}
	if r := g.last(); r.Action != "redeem_code" || r.Decision != allowed || r.App != shop.App || r.Client != "login" {
		t.Errorf("recorded %+v", r)
	}
	if err := g.HandUser(g.caller("without"), "redeem_code", shop.App, get); !errors.Is(err, ErrForbidden) || asked != 1 {
		t.Error(err, asked)
	}
	if err := g.HandUser(g.caller("login"), "redeem_code", foreign.App, get); !errors.Is(err, credential.ErrNotFound) || asked != 1 {
		t.Error("an app that is not there:", err, asked)
	}
	if r := g.last(); r.Decision != denied || r.Client != "login" {
		t.Errorf("recorded %+v", r)
	}
	// Withdrawn while it was brought.
	err := g.HandUser(g.caller("login"), "redeem_code", shop.App, func() error {
		g.reg.Declare([]config.App{{AppID: shop.App}}, []config.Client{without})
		return nil
	})
	if !errors.Is(err, ErrUnauthorized) {
		t.Error("its key was withdrawn meanwhile:", err)
	}
	g.reg.Declare([]config.App{{AppID: shop.App}}, []config.Client{login, without})
	gone := errors.New("gone")
	before := len(g.records())
	if err := g.HandUser(g.caller("login"), "redeem_code", shop.App, func() error { return gone }); !errors.Is(err, gone) || len(g.records()) != before {
		t.Error("nothing was handed out, and that is recorded:", err)
	}
}
