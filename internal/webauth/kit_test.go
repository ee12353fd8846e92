package webauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/store/sealed"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

const (
	shop    = "wx0123456789abcdef"
	website = "wxaaaaaaaaaaaaaaaa"
	mini    = "wxbbbbbbbbbbbbbbbb"
	// appsToken is what the world takes for the token of an app.
	appsToken = "91_theAppsOwnToken"
	secret    = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	webURL    = "https://auth.example.com"
	site      = "https://app.example.com/cb"
	phoneUA   = "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.50"
)

// world is web authorization with the simulator as its WeChat, and a client of
// each sort.
type world struct {
	t       testing.TB
	sim     *wxsim.Sim
	auth    *Auth
	api     *web.Surface
	reg     *registry.Registry
	store   *sealed.Store
	raw     *bolt.Store
	conf    *config.Config
	keys    map[string]string
	apps    []config.App
	clients []config.Client
	log     *buffer
	// second makes another node on the same store.
	second func() *Auth
	flaky  *flaky
}

// flaky is a store that can be made to fail.
type flaky struct {
	store.Store
	mu  sync.Mutex
	put func(do func() (store.Record, error)) (store.Record, error) // nil: as it is
	// gone: it answers no question either.
	gone bool
}

func (f *flaky) Put(ctx context.Context, r store.Record) (store.Record, error) {
	f.mu.Lock()
	put := f.put
	f.mu.Unlock()
	if put == nil {
		return f.Store.Put(ctx, r)
	}
	return put(func() (store.Record, error) { return f.Store.Put(ctx, r) })
}

// errAway is a store that cannot be reached.
var errAway = errors.New("the store is away")

func (f *flaky) Get(ctx context.Context, key string) (store.Record, error) {
	f.mu.Lock()
	gone := f.gone
	f.mu.Unlock()
	if gone {
		return store.Record{}, errAway
	}
	return f.Store.Get(ctx, key)
}

// away makes the store go away, and come back.
func (f *flaky) away(gone bool) {
	f.fail(nil)
	if gone {
		f.fail(func(func() (store.Record, error)) (store.Record, error) { return store.Record{}, errAway })
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = gone
}

func (f *flaky) fail(put func(do func() (store.Record, error)) (store.Record, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put = put
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newWorld(t testing.TB) *world { t.Helper(); return newWorldWith(t, 0) }

// newWorldWith adds quirks of WeChat's.
func newWorldWith(t testing.TB, quirks wxsim.Quirk) *world {
	t.Helper()
	w := &world{t: t, keys: map[string]string{}, log: &buffer{}, conf: &config.Config{
		WebURL:      webURL,
		VerifyFiles: map[string]string{"MP_verify_AbCdEf0123456789.txt": "AbCdEf0123456789"},
		WeChat:      config.WeChat{OpenURL: "https://open.weixin.qq.com", Life: 2 * time.Hour},
	}}
	w.sim = wxsim.New(wxsim.Options{Quirks: wxsim.StrictOrder | wxsim.StrictState | quirks, Seed: 1})
	domain := []string{"auth.example.com"}
	must(t, w.sim.AddApp(wxsim.App{ID: shop, Secret: secret, CallbackDomains: domain, OpenPlatform: "op"}))
	must(t, w.sim.AddApp(wxsim.App{ID: website, Secret: secret, Type: wxsim.Website, CallbackDomains: domain, OpenPlatform: "op"}))
	must(t, w.sim.AddApp(wxsim.App{ID: mini, Secret: secret, Type: wxsim.MiniProgram, OpenPlatform: "op"}))

	var err error
	w.raw, err = bolt.Open(filepath.Join(t.TempDir(), "hufu.db"))
	must(t, err)
	t.Cleanup(func() { _ = w.raw.Close() })
	ring := sealed.NewKeyring(sealed.NewKey())
	w.store, err = sealed.Open(context.Background(), w.raw, ring)
	must(t, err)

	for id, typ := range map[credential.App]string{shop: config.OfficialAccount, website: config.Website, mini: config.MiniProgram} {
		w.apps = append(w.apps, config.App{AppID: id, Name: string(id), Type: typ, Secrets: []credential.Secret{credential.NewSecret(secret)}})
	}
	w.client("phantom", config.Phantom, site, "https://app.example.com/deep/*")
	w.client("real", config.Real, "https://real.example.com/cb")
	w.client("relayed", config.Real, "https://relay.example.com/cb").Code = config.WeChatCode
	w.client("strict", config.Phantom, "https://strict.example.com/cb").Snapshot = config.SnapshotRefuse
	w.client("nologin", config.Phantom, "https://nologin.example.com/cb").Allow = config.Actions{config.Token}
	w.client("dev", config.Phantom, "http://shop.test:8080/cb?x=1").Dev = true
	w.reg = registry.New(w.store, nil)
	w.declare()

	log := slog.New(slog.NewTextHandler(io.MultiWriter(w.log, t.Output()), nil))
	audit, err := access.OpenAudit(filepath.Join(t.TempDir(), "audit.jsonl"), true)
	must(t, err)
	t.Cleanup(func() { _ = audit.Close() })
	w.flaky = &flaky{Store: w.store}
	w.auth = w.node("n1", log, audit, ring)
	w.second = func() *Auth { return w.node("n2", log, audit, ring) }
	w.api = web.NewSurface(log)
	w.auth.Mount(w.api)
	t.Cleanup(func() {
		for _, v := range w.sim.Violations() {
			t.Errorf("WeChat minds: %+v", v)
		}
		for _, hidden := range []string{secret, "hufu_"} {
			if strings.Contains(w.log.String(), hidden) {
				t.Errorf("the log shows %q", hidden)
			}
		}
	})
	return w
}

func (w *world) node(name string, log *slog.Logger, audit *access.Audit, ring *sealed.Keyring) *Auth {
	w.t.Helper()
	upstream, err := wechat.New(wechat.Options{APIURL: "https://api.weixin.qq.com", Transport: w.sim.Transport(), Timeout: 3 * time.Second})
	must(w.t, err)
	return New(Options{
		Store: w.flaky, Registry: w.reg, Guard: access.New(w.reg, audit, name, log),
		Phantoms: access.NewPhantoms(w.reg, 2*time.Hour, ring.DeriveAll(access.PhantomLabel)),
		Upstream: upstream, Config: func() *config.Config { return w.conf },
		HashKeys: ring.DeriveAll(HashLabel), AppsToken: func(token string) bool { return token == appsToken },
		Node: name, Log: log,
	})
}

// client adds a client with a key of its own.
func (w *world) client(name, tokens string, uris ...string) *config.Client {
	key, sum := access.NewKey()
	w.keys[name] = key.Reveal()
	w.clients = append(w.clients, config.Client{
		Name: name, KeySHA256: []config.KeyHash{sum}, Apps: []credential.App{shop, website, mini}, Allow: config.Actions{config.Login},
		Tokens: tokens, RedirectURIs: uris, Code: config.HufuCode, Snapshot: config.SnapshotAllow, HomeURL: "https://home.example.com/" + name,
	})
	return &w.clients[len(w.clients)-1]
}

func (w *world) declare() { w.reg.Declare(w.apps, w.clients) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// phone is a browser with its cookies.
type phone struct {
	w       *world
	user    string
	ua      string
	mu      sync.Mutex
	cookies map[string]*http.Cookie
	deny    bool
	entry   wxsim.Entry
	node    *Auth // that it comes to; nil: the first
}

func (w *world) phone() *phone {
	return &phone{w: w, user: "xiaoming", ua: phoneUA, cookies: map[string]*http.Cookie{}}
}

// get opens an address of Hufu's.
func (p *phone) get(address string, change ...func(*http.Request)) *http.Response {
	p.w.t.Helper()
	r := httptest.NewRequest(http.MethodGet, strings.TrimPrefix(address, webURL), nil)
	r.Header.Set("User-Agent", p.ua)
	p.mu.Lock()
	for _, c := range p.cookies {
		r.AddCookie(c)
	}
	p.mu.Unlock()
	for _, f := range change {
		f(r)
	}
	rec := httptest.NewRecorder()
	node := p.node
	if node == nil {
		node = p.w.auth
	}
	node.Browser().ServeHTTP(rec, r)
	resp := rec.Result()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range resp.Cookies() {
		p.cookies[c.Name] = c
	}
	return resp
}

// authorize is the address by which a site begins a login.
func authorize(app, redirect, scope, state string) string {
	path := authorizePath
	if scope == wechat.ScopeLogin {
		path = qrconnectPath
	}
	return webURL + path + "?appid=" + app + "&redirect_uri=" + url.QueryEscape(redirect) + "&response_type=code&scope=" + scope + "&state=" + url.QueryEscape(state)
}

// begin opens an authorize address and gives where at WeChat it leads.
func (p *phone) begin(address string) string {
	p.w.t.Helper()
	resp := p.get(address)
	to := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "https://open.weixin.qq.com/") {
		p.w.t.Fatalf("%s: status %d, Location %q, %s", address, resp.StatusCode, to, body(resp))
	}
	return to
}

// consent lets WeChat's page send the browser back, and gives the callback.
func (p *phone) consent(address string) string {
	p.w.t.Helper()
	b := &wxsim.Browser{Sim: p.w.sim, User: p.user, UserAgent: p.ua, Deny: p.deny, Entry: p.entry}
	list, err := b.Authorize(p.w.t.Context(), address)
	must(p.w.t, err)
	return list[0]
}

// callback is begin and consent.
func (p *phone) callback(address string) string { p.w.t.Helper(); return p.consent(p.begin(address)) }

// arrive opens a callback that must lead to the site, and gives its parameters.
func (p *phone) arrive(callback string) url.Values {
	p.w.t.Helper()
	return arrived(p.w.t, p.get(callback))
}

func arrived(t testing.TB, resp *http.Response) url.Values {
	t.Helper()
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusSeeOther || strings.HasSuffix(u.Host, "weixin.qq.com") {
		t.Fatalf("status %d, Location %q: %s", resp.StatusCode, resp.Header.Get("Location"), body(resp))
	}
	if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers: %v", resp.Header)
	}
	return u.Query()
}

// code logs in and gives the one-time code of Hufu's.
func (p *phone) code(redirect, scope string) string {
	p.w.t.Helper()
	return p.arrive(p.callback(authorize(shop, redirect, scope, "S"))).Get("code")
}

func body(resp *http.Response) string {
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// sns calls a path of WeChat's as a site does.
func (w *world) sns(path string, query ...string) map[string]any {
	w.t.Helper()
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path+"?"+values.Encode(), nil))
	var answer map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != http.StatusOK {
		w.t.Errorf("%s: status %d, %s", path, rec.Code, rec.Body)
	}
	return answer
}

func (w *world) redeem(client, code string) map[string]any {
	w.t.Helper()
	return w.sns("/sns/oauth2/access_token", "appid", shop, "secret", w.keys[client], "code", code, "grant_type", "authorization_code")
}

// isPage looks whether an answer is a page that shows these words, and sends
// the browser nowhere.
func isPage(t testing.TB, resp *http.Response, status int, words ...string) string {
	t.Helper()
	text := body(resp)
	if resp.StatusCode != status || resp.Header.Get("Location") != "" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("status %d, Location %q, %s; want a page and %d: %s", resp.StatusCode, resp.Header.Get("Location"), resp.Header.Get("Content-Type"), status, text)
	}
	if resp.Header.Get("Cache-Control") != "no-store" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers: %v", resp.Header)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("the page does not say %q:\n%s", word, text)
		}
	}
	return text
}

// exchanges counts what reached WeChat's /sns/oauth2/access_token.
func (w *world) exchanges() (n int) {
	for _, r := range w.sim.History() {
		if r.Path == "/sns/oauth2/access_token" {
			n++
		}
	}
	return n
}

// logins is the records of logins in the store.
func (w *world) logins() (n int) {
	for range w.store.List(context.Background(), "login/") {
		n++
	}
	return n
}
