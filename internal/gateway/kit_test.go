package gateway

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

func TestMain(m *testing.M) {
	// net/http holds a connection for half a second after a 431, whatever we do.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const (
	shop   = "wx0123456789abcdef"
	other  = "wxother0000000000"
	secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

	userGet  = "/cgi-bin/user/info?openid=oFOLLOWER0000000000000000000"
	sendPath = "/cgi-bin/message/template/send"
)

// world is a gateway on a loopback port, in front of the simulator on another.
type world struct {
	t        testing.TB
	sim      *wxsim.Sim
	reg      *registry.Registry
	keeper   *keeper.Keeper
	guard    *access.Guard
	phantoms *access.Phantoms
	upstream *wechat.Client
	gateway  *Gateway
	surface  *web.Surface
	url      string // Hufu's
	wechat   string // WeChat's
	keys     map[string]string
	clients  map[string]config.Client
	config   config.Config
	log      *buffer
	file     string // the audit record
	client   *http.Client
	root     *x509.Certificate // of WeChat's, where it speaks TLS

	mu   sync.Mutex
	odd  map[string]http.HandlerFunc // what stands in WeChat's place on some paths
	hits map[string]int              // calls that reached WeChat, by path
}

type options struct {
	source string
	life   time.Duration
	quirks wxsim.Quirk
	proxy  string
	config config.Gateway
	first  func(w *world)
	tls    bool // WeChat speaks it
	quiet  bool // the log is written, and nobody keeps it
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	w := &world{t: t, keys: map[string]string{}, clients: map[string]config.Client{}, log: &buffer{}, odd: map[string]http.HandlerFunc{}, hits: map[string]int{}}
	dir := t.TempDir()
	w.file = filepath.Join(dir, "audit.jsonl")
	if o.source == "" {
		o.source = config.Stable
	}
	if o.life == 0 {
		o.life = 2 * time.Hour
	}
	if o.quirks == 0 {
		o.quirks = wxsim.NoQuirks
	}
	w.config.Gateway = config.Gateway{MaxBody: 20 << 20, Timeout: 10 * time.Second, Concurrency: 1000}
	if o.config != (config.Gateway{}) {
		w.config.Gateway = o.config
	}
	var out io.Writer = w.log
	if o.quiet {
		out = io.Discard
	}
	log := slog.New(slog.NewTextHandler(out, nil))
	w.sim = wxsim.New(wxsim.Options{Quirks: o.quirks, Life: o.life})
	for _, id := range []string{shop, other} {
		must(t, w.sim.AddApp(wxsim.App{ID: id, Secret: secret, Followers: []string{"oFOLLOWER0000000000000000000"}}))
	}
	front := httptest.NewUnstartedServer(http.HandlerFunc(w.front))
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	if o.tls {
		front.StartTLS()
		w.root = front.Certificate()
	} else {
		front.Start()
	}
	w.wechat = front.URL

	st, err := bolt.Open(filepath.Join(dir, "hufu.db"))
	must(t, err)
	w.reg = registry.New(st, nil)
	w.upstream, err = wechat.New(wechat.Options{APIURL: w.wechat, Timeout: 5 * time.Second, ProxyURL: o.proxy})
	must(t, err)
	if w.root != nil {
		trust(t, w.root)
	}
	w.keeper = keeper.New(keeper.Options{
		Store: st, Registry: w.reg, Upstream: w.upstream, Life: o.life,
		TagKey: []byte("a key for tags"), Alone: true, Node: "n1", Log: log,
	})
	all := config.Actions{config.Token, config.Call, config.Login}
	w.add("one", config.Client{Apps: []credential.App{shop}, Allow: all})
	w.add("two", config.Client{Apps: []credential.App{shop, other}, Allow: all})
	w.add("narrow", config.Client{Apps: []credential.App{shop}, Allow: all, Paths: []string{"/cgi-bin/user/get", sendPath}})
	w.add("wide", config.Client{Apps: []credential.App{shop}, Allow: all, Paths: []string{"/*"}})
	w.add("token", config.Client{Apps: []credential.App{shop}, Allow: config.Actions{config.Token}})
	w.add("limited", config.Client{Apps: []credential.App{shop}, Allow: all, Limits: config.Limits{Concurrency: 2}})
	w.add("slow", config.Client{Apps: []credential.App{shop}, Allow: all, Limits: config.Limits{Rate: 3}})
	apps := []config.App{w.app(shop, o.source), w.app(other, o.source)}
	w.declare(apps...)
	audit, err := access.OpenAudit(w.file, false)
	must(t, err)
	w.guard = access.New(w.reg, audit, "n1", log)
	w.phantoms = access.NewPhantoms(w.reg, o.life, [][]byte{bytes.Repeat([]byte{7}, 32)})
	if o.first != nil {
		o.first(w)
	}

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.reg.Run(ctx) })
	running.Go(func() { _ = w.keeper.Run(ctx) })
	<-w.reg.Loaded()

	w.surface = web.NewSurface(log)
	w.surface.Handle("GET", "/v1/apps", func(w http.ResponseWriter, _ *http.Request, _ access.Request) error { return nil })
	w.gateway = New(Options{
		Keeper: w.keeper, Guard: w.guard, Phantoms: w.phantoms, Upstream: w.upstream,
		Config: func() *config.Config { return &w.config }, Log: log,
	})
	w.gateway.Mount(w.surface)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := web.NewServer(context.Background(), w.surface, nil, log)
	w.url = "http://" + ln.Addr().String()
	running.Go(func() { _ = server.Serve(ln) })
	w.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		_ = server.Close()
		front.CloseClientConnections()
		cancel()
		running.Wait()
		w.upstream.CloseIdle()
		front.Close()
		_ = audit.Close()
		_ = st.Close()
		w.noSecretOut()
	})
	return w
}

func (w *world) app(id, source string) config.App {
	return config.App{
		AppID: credential.App(id), Name: id, Secrets: []credential.Secret{credential.NewSecret(secret)},
		Source: source, Type: config.OfficialAccount, DailyQuota: 2000,
	}
}

func (w *world) add(name string, c config.Client) {
	key, sum := access.NewKey()
	w.keys[name] = key.Reveal()
	c.Name, c.KeySHA256, c.Tokens = name, []config.KeyHash{sum}, config.Phantom
	w.clients[name] = c
}

func (w *world) declare(apps ...config.App) {
	var all []config.Client
	for _, c := range w.clients {
		all = append(all, c)
	}
	w.reg.Declare(apps, all)
}

// phantom mints a token for a client.
func (w *world) phantom(client string, typ access.PhantomType, left time.Duration) string {
	sum := w.clients[client].KeySHA256[0]
	return w.phantoms.Mint(access.Phantom{
		Type: typ, App: shop, Client: client, KeyID: access.KeyID(sum[:4]), End: time.Now().Add(left),
	}).Reveal()
}

// front is WeChat's socket: the simulator, or what a test puts in its place.
func (w *world) front(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	if r.URL.Query().Has("access_token") { // or else it is the keeper's
		w.hits[r.URL.Path]++
	}
	h := w.odd[r.URL.Path]
	w.mu.Unlock()
	if h == nil {
		h = w.sim.ServeHTTP
	}
	h(out, r)
}

// instead puts something in WeChat's place on one path.
func (w *world) instead(path string, h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.odd[path] = h
}

// reached counts the requests that reached WeChat on a path.
func (w *world) reached(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hits[path]
}

// token is the app's real token, as the keeper has it.
func (w *world) token() string {
	w.t.Helper()
	v, err := w.keeper.Get(context.Background(), credential.Key{App: shop, Kind: credential.AccessToken})
	must(w.t, err)
	return v.Value.Reveal()
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // what the body broke off with
}

// code is the errcode in it, 0 where there is none.
func (a reply) code() int {
	var e struct {
		Errcode int `json:"errcode"`
	}
	_ = json.Unmarshal([]byte(a.body), &e)
	return e.Errcode
}

// ask calls as a client that shows its key; client "" shows none.
func (w *world) ask(method, target, client, body string, headers ...string) reply {
	w.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	return w.send(context.Background(), method, target, client, in, headers...)
}

func (w *world) send(ctx context.Context, method, target, client string, body io.Reader, headers ...string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, w.url+target, body)
	must(w.t, err)
	if client != "" {
		r.Header.Set("Authorization", "Bearer "+w.keys[client])
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := w.client.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

// noSecretOut looks for keys and tokens where none may stand: G7.
func (w *world) noSecretOut() {
	audit, err := os.ReadFile(w.file)
	if err != nil {
		w.t.Error(err)
	}
	secrets := []string{secret}
	for _, k := range w.keys {
		secrets = append(secrets, k)
	}
	for _, t := range append(w.sim.Tokens(shop), w.sim.Tokens(other)...) {
		secrets = append(secrets, t.Value)
	}
	for place, text := range map[string]string{"the audit record": string(audit), "the log": w.log.String(), "the counters": fmt.Sprint(w.gateway.Counts())} {
		for _, s := range secrets {
			if strings.Contains(text, s) {
				w.t.Errorf("a secret stands in %s", place)
			}
		}
		if strings.Contains(text, "10_") {
			w.t.Errorf("a phantom token stands in %s", place)
		}
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// buffer is a log that can be read while it is written.
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
