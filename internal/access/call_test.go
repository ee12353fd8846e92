package access

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

// called is a gate with apps, and clients that call WeChat's API for them.
type called struct {
	*gate
	phantoms *Phantoms
	configs  map[string]config.Client
}

func newCalled(t testing.TB) *called {
	t.Helper()
	w := &called{gate: newGate(t, "", false), configs: map[string]config.Client{}}
	add := func(name string, apps []credential.App, paths []string, allow ...config.Action) {
		key, sum := NewKey()
		w.keys[name] = key.Reveal()
		w.configs[name] = config.Client{
			Name: name, KeySHA256: []config.KeyHash{sum}, Apps: apps, Paths: paths, Allow: allow, Tokens: config.Phantom,
		}
	}
	one, both := []credential.App{shop.App}, []credential.App{shop.App, foreign.App}
	add("one", one, nil, config.Token, config.Call)
	add("two", both, nil, config.Token, config.Call)
	add("every", []credential.App{config.AllApps}, nil, config.Call)
	add("narrow", one, []string{"/cgi-bin/user/*", "/cgi-bin/message/template/send", "/CGI-BIN/*"}, config.Call)
	add("wide", one, []string{"/*"}, config.Call)
	add("token", one, nil, config.Token)
	w.declare()
	w.phantoms = NewPhantoms(w.reg, life, [][]byte{newKey})
	return w
}

func (w *called) declare() {
	var all []config.Client
	for _, c := range w.configs {
		all = append(all, c)
	}
	w.reg.Declare([]config.App{{AppID: shop.App}, {AppID: foreign.App}}, all)
}

func (w *called) mint(client string, typ PhantomType, end time.Duration) string {
	sum := w.configs[client].KeySHA256[0]
	return w.phantoms.Mint(Phantom{Type: typ, App: shop.App, Client: client, KeyID: KeyID(sum[:4]), End: time.Now().Add(end)}).Reveal()
}

func TestWhoCallsIsFoundByKeyOrPhantomToken(t *testing.T) {
	t.Parallel()
	w := newCalled(t)
	phantom := w.mint("one", AppPhantom, time.Hour)
	for _, c := range []struct {
		name   string
		shown  Shown
		client string
		app    credential.App
		err    error
	}{
		{"a key of a client with one app", Shown{Key: w.keys["one"]}, "one", shop.App, nil},
		{"a key and any token", Shown{Key: w.keys["one"], Token: value}, "one", shop.App, nil},
		{"a key and the app", Shown{Key: w.keys["two"], App: foreign.App}, "two", foreign.App, nil},
		{"a key of a client with two apps", Shown{Key: w.keys["two"]}, "", "", credential.ErrNotFound},
		{"a key of a client with every app", Shown{Key: w.keys["every"]}, "", "", credential.ErrNotFound},
		{"an app that is not the client's", Shown{Key: w.keys["one"], App: foreign.App}, "", "", credential.ErrNotFound},
		{"an app that is not there", Shown{Key: w.keys["every"], App: "wxnothing"}, "", "", credential.ErrNotFound},
		{"a wrong key and a right token", Shown{Key: w.keys["one"] + "x", Token: phantom}, "", "", ErrUnauthorized},
		{"nothing", Shown{App: shop.App}, "", "", ErrMissing},
		{"a phantom token", Shown{Token: phantom}, "one", shop.App, nil},
		{"a phantom token and its app", Shown{Token: phantom, App: shop.App}, "one", shop.App, nil},
		{"a phantom token and another app", Shown{Token: w.mint("two", AppPhantom, time.Hour), App: foreign.App}, "", "", credential.ErrNotFound},
		{"an old phantom token", Shown{Token: w.mint("one", AppPhantom, -overlap)}, "", "", ErrExpired},
		{"a user's", Shown{Token: w.mint("one", UserPhantom, time.Hour)}, "", "", ErrForged},
		{"a real token alone", Shown{Token: value}, "", "", ErrForged},
		{"one that is cut", Shown{Token: phantom[:len(phantom)-1]}, "", "", ErrForged},
	} {
		got, app, err := w.Identify(Caller{IP: home}, w.phantoms, c.shown)
		if !errors.Is(err, c.err) || c.err == nil && (err != nil || got.Client.Name != c.client || app != c.app) {
			t.Errorf("%s: %v for %s, %v, want %v", c.name, got.Client, app, err, c.err)
		}
	}
	w.configs["one"] = config.Client{Name: "one", KeySHA256: w.configs["two"].KeySHA256, Apps: []credential.App{shop.App}, Allow: config.Actions{config.Token, config.Call}}
	delete(w.configs, "two")
	w.declare()
	if _, _, err := w.Identify(Caller{IP: home}, w.phantoms, Shown{Token: phantom}); !errors.Is(err, ErrForged) {
		t.Errorf("a phantom token outlives the client key it was minted with: %v", err)
	}
}

func TestOnlyListedPathsMayBeCalled(t *testing.T) {
	t.Parallel()
	w := newCalled(t)
	got := func() (credential.Credential, error) {
		return credential.Credential{Key: shop, Value: credential.NewSecret(value), Generation: 7, Tag: "7-aaaaaaaa"}, nil
	}
	for _, c := range []struct{ client, path, pattern string }{
		{"one", "/cgi-bin/user/info", "/cgi-bin/user/*"},
		{"one", "/cgi-bin/getcallbackip", "/cgi-bin/*"},
		{"one", "/wxa/business/getuserphonenumber", "/wxa/business/*"},
		{"one", "/cgi-bin/openapi/quota/get", "/cgi-bin/openapi/*"},
		{"one", "/unheard/of", ""},
		{"one", "/CGI-BIN/user/info", ""},
		{"narrow", "/cgi-bin/user/info", "/cgi-bin/user/*"},
		{"narrow", "/cgi-bin/message/template/send", "/cgi-bin/message/template/send"},
		{"narrow", "/cgi-bin/message/template/sendX", ""},
		{"narrow", "/cgi-bin/message/template/send/x", ""},
		{"narrow", "/cgi-bin/user", ""},
		{"narrow", "/cgi-bin/userinfo", ""},
		{"wide", "/unheard/of", "/*"},
		{"wide", "/cgi-bin/token", ""},
		{"narrow", "/CGI-BIN/Token", ""},
		{"wide", "/cgi-bin/token/x", ""},
		{"wide", "/cgi-bin/tokens", "/*"},
		{"wide", "/cgi-bin/stable_token", ""},
		{"wide", "/cgi-bin/clear_quota", ""},
		{"wide", "/cgi-bin/Clear_Quota_v3", ""},
		{"wide", "/cgi-bin/clear_quota/v2", ""},
		{"wide", "/cgi-bin/component/api_component_token", ""},
		{"wide", "/cgi-bin/openapi/quota/clear", ""},
		{"wide", "/cgi-bin/openapi/rid/get", ""},
		{"wide", "/cgi-bin/ticket/getticket", ""},
		{"wide", "/sns/userinfo", ""},
		{"wide", "/cgi-bin/user/", ""},
		{"wide", "/cgi-bin//token", ""},
		{"wide", "/cgi-bin/./token", ""},
		{"wide", "/" + strings.Repeat("a/", 200) + "a", ""},
		{"token", "/cgi-bin/user/info", ""},
	} {
		before := len(w.records())
		v, pattern, err := w.Call(w.caller(c.client), shop.App, c.path, got)
		switch {
		case pattern != c.pattern:
			t.Errorf("%s %s: pattern %q, want %q", c.client, c.path, pattern, c.pattern)
		case c.pattern != "" && (err != nil || v.Value.Reveal() != value):
			t.Errorf("%s %s: %v", c.client, c.path, err)
		case c.pattern == "" && (!errors.Is(err, ErrForbidden) || !v.Value.Empty()):
			t.Errorf("%s %s: %v, want a refusal", c.client, c.path, err)
		case c.pattern == "" && len(w.records()) != before+1:
			t.Errorf("%s %s: the refusal is not recorded once", c.client, c.path)
		}
	}
	_, _, err := w.Call(w.caller("narrow"), shop.App, "/cgi-bin/menu/get", got)
	if r, ok := errors.AsType[*Refusal](err); !ok || !strings.Contains(r.Reason, "narrow") || !strings.Contains(r.Reason, "/cgi-bin/menu/get") ||
		!strings.Contains(r.Hint, "- /cgi-bin/menu/get") {
		t.Errorf("the refusal does not name client, path and the line to add: %+v", err)
	}
	_, _, err = w.Call(w.caller("wide"), shop.App, "/cgi-bin/user/"+w.keys["wide"], func() (credential.Credential, error) { return credential.Credential{}, credential.ErrNotFound })
	if !errors.Is(err, credential.ErrNotFound) {
		t.Error(err)
	}
	for _, r := range w.records() {
		if strings.Contains(r.Path, w.keys["wide"]) {
			t.Error("a key stands in the audit record")
		}
	}
}

func TestCallsAreRecordedOncePerPatternAndToken(t *testing.T) {
	w := newCalled(t)
	tag := "7-aaaaaaaa"
	get := func() (credential.Credential, error) { return credential.Credential{Key: shop, Tag: tag}, nil }
	call := func(client, path string) {
		t.Helper()
		if _, _, err := w.Call(w.caller(client), shop.App, path, get); err != nil {
			t.Error(err)
		}
	}
	count := func(want int) {
		t.Helper()
		if got := len(w.records()); got != want {
			t.Errorf("%d records, want %d", got, want)
		}
	}
	for range 5 {
		call("one", "/cgi-bin/user/info")
		call("one", "/cgi-bin/user/get")
	}
	count(1)
	call("one", "/cgi-bin/menu/get")
	call("wide", "/cgi-bin/menu/get")
	count(3)
	if r := w.records()[0]; r.Action != "call" || r.Path != "/cgi-bin/user/*" || r.Tag != tag || r.Decision != allowed {
		t.Errorf("%+v", r)
	}
	tag = "8-bbbbbbbb"
	call("one", "/cgi-bin/user/info")
	count(4)
	c := w.caller("one")
	if n := testing.AllocsPerRun(100, func() { _, _, _ = w.Call(c, shop.App, "/cgi-bin/user/info", get) }); n > 0 {
		t.Errorf("a call that is recorded already costs %v allocations", n)
	}
}

// What is taken away while a call waits for a token is gone when the token comes.
func TestACallWaitsForNothingItMayNoLongerHave(t *testing.T) {
	t.Parallel()
	w := newCalled(t)
	c := w.caller("one")
	_, _, err := w.Call(c, shop.App, "/cgi-bin/user/info", func() (credential.Credential, error) {
		delete(w.configs, "one")
		w.declare()
		return credential.Credential{Key: shop, Value: credential.NewSecret(value), Tag: "7-aaaaaaaa"}, nil
	})
	if !errors.Is(err, ErrUnauthorized) {
		t.Errorf("%v, want %v", err, ErrUnauthorized)
	}
	v, _, err := w.Call(w.caller("wide"), shop.App, "/cgi-bin/user/info", func() (credential.Credential, error) {
		less := w.configs["wide"]
		less.Paths = []string{"/wxa/*"}
		w.configs["wide"] = less
		w.declare()
		return credential.Credential{Key: shop, Value: credential.NewSecret(value), Tag: "7-aaaaaaaa"}, nil
	})
	if !errors.Is(err, ErrForbidden) || !v.Value.Empty() {
		t.Errorf("%v, want %v", err, ErrForbidden)
	}
}

// What SDKs call needs no line in paths.
func TestPathsThatSDKsCallAreOfAFamily(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/cgi-bin/user/info": "/cgi-bin/user/*", "/cgi-bin/callback/check": "/cgi-bin/*", "/cgi-bin/get_api_domain_ip": "/cgi-bin/*",
		"/wxa/business/getuserphonenumber": "/wxa/business/*", "/wxa/servicemarket": "/wxa/*", "/datacube/getusersummary": "/datacube/*",
		"/xpay/query_order": "/xpay/*", "/user-order/orders/shippings": "/user-order/*", "/promoter/getorder": "/promoter/*",
		"/v2/x": "", "/xpay": "", "/wxab/x": "",
	} {
		if got, ok := match(nil, path); got != want || ok != (want != "") {
			t.Errorf("%s is of %q, want %q", path, got, want)
		}
	}
}
