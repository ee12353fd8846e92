package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/api"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

const (
	shop    = "wx0123456789abcdef"
	other   = "wxother0000000000"
	secret  = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	wrongly = "hufu_0000000000000000000000000000000000000000000" // no checksum
)

// world is a whole Hufu on a loopback port, with the simulator as its WeChat:
// two apps, and a client for each thing that a client may be.
type world struct {
	t       testing.TB
	sim     *wxsim.Sim
	reg     *registry.Registry
	keeper  *keeper.Keeper
	surface *web.Surface
	store   *bolt.Store
	audit   *access.Audit
	file    string // the audit file
	guard   *access.Guard
	mint    *access.Phantoms
	server  *http.Server
	url     string
	keys    map[string]string // of clients, by name
	drain   context.CancelFunc
	log     *buffer
}

type options struct {
	required bool
	path     string // of the audit sink
	source   string
	life     time.Duration
	phantoms time.Duration          // the life of phantom tokens, where it is another
	first    func(*wxsim.Sim) error // done to WeChat before anybody asks it
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, keys: map[string]string{}, log: &buffer{}, file: o.path}
	if w.file == "" {
		w.file = filepath.Join(dir, "audit.jsonl")
	}
	if o.source == "" {
		o.source = config.Stable
	}
	if o.life == 0 {
		o.life = 2 * time.Hour
	}
	if o.phantoms == 0 {
		o.phantoms = o.life
	}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(w.log, t.Output()), nil))

	w.sim = wxsim.New(wxsim.Options{Quirks: wxsim.NoQuirks, Life: o.life})
	for _, id := range []string{shop, other} {
		must(t, w.sim.AddApp(wxsim.App{ID: id, Secret: secret}))
	}
	if o.first != nil {
		must(t, o.first(w.sim))
	}
	st, err := bolt.Open(filepath.Join(dir, "hufu.db"))
	must(t, err)
	w.store = st
	t.Cleanup(func() { _ = st.Close() })

	w.reg = registry.New(st, nil)
	upstream, err := wechat.New(wechat.Options{APIURL: "https://api.weixin.qq.com", Transport: w.sim.Transport(), Timeout: 5 * time.Second})
	must(t, err)
	w.keeper = keeper.New(keeper.Options{
		Store: st, Registry: w.reg, Upstream: upstream, Life: o.life,
		TagKey: []byte("a key for tags"), Alone: true, Node: "n1", Log: log,
	})
	w.reg.Declare([]config.App{w.app(shop, o.source), w.app(other, o.source)}, []config.Client{
		w.client("real", config.Real, shop, config.Token),
		w.client("phantom", config.Phantom, shop, config.Token),
		w.client("caller", config.Real, shop, config.Call),
		w.client("operator", config.Real, "*", config.Token, config.Admin),
		w.client("wide", config.Phantom, "*", config.Token, config.Ticket, config.Call, config.Login, config.Admin),
		w.client("manager", config.Phantom, shop, config.Admin),
		w.client("signer", config.Phantom, shop, config.Ticket),
		w.client("narrow", config.Phantom, shop, config.Ticket),
		w.client("away", config.Real, shop, config.Token),
		w.client("slow", config.Phantom, shop, config.Token, config.Ticket),
	})
	w.audit, err = access.OpenAudit(w.file, o.required)
	must(t, err)
	w.guard = access.New(w.reg, w.audit, "n1", log)
	w.mint = access.NewPhantoms(w.reg, o.phantoms, [][]byte{[]byte("0123456789abcdef0123456789abcdef")})

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.reg.Run(ctx) })
	running.Go(func() { _ = w.keeper.Run(ctx) })
	<-w.reg.Loaded()

	draining, drain := context.WithCancel(context.Background())
	w.drain = drain
	w.surface = api.New(api.Options{Registry: w.reg, Keeper: w.keeper, Guard: w.guard, Phantoms: w.mint, Draining: draining, Log: log})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w.server = web.NewServer(context.Background(), w.surface, nil, log)
	w.url = "http://" + ln.Addr().String()
	running.Go(func() { _ = w.server.Serve(ln) })
	t.Cleanup(func() {
		drain()
		_ = w.server.Close()
		cancel()
		running.Wait()
		_ = w.audit.Close()
	})
	return w
}

func (w *world) app(id, source string) config.App {
	return config.App{
		AppID: credential.App(id), Name: id, Secrets: []credential.Secret{credential.NewSecret(secret)},
		Source: source, Type: config.OfficialAccount, DailyQuota: 2000,
	}
}

// client makes a client with a key of its own.
func (w *world) client(name, tokens, app string, allow ...config.Action) config.Client {
	key, sum := access.NewKey()
	w.keys[name] = key.Reveal()
	c := config.Client{
		Name: name, KeySHA256: []config.KeyHash{sum}, Apps: []credential.App{credential.App(app)}, Allow: allow,
		Tokens: tokens, Code: config.HufuCode, Snapshot: config.SnapshotAllow,
	}
	if name == "narrow" {
		c.JSHosts = []string{"shop.example", "*.m.example"}
	}
	if name == "slow" {
		c.Limits.Rate = 1
	}
	if name == "away" {
		c.From = prefixes("203.0.113.0/24")
	}
	return c
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// json reads the body.
func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%q: %v", a.body, err)
	}
	return m
}

// ask makes a request as a client; headers come in pairs.
func (w *world) ask(method, path, client, body string, headers ...string) answer {
	w.t.Helper()
	return w.askContext(context.Background(), method, path, client, body, headers...)
}

func (w *world) askContext(ctx context.Context, method, path, client, body string, headers ...string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, w.url+path, strings.NewReader(body))
	must(w.t, err)
	if key := w.keys[client]; key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Errorf("%s %s: %v", method, path, err)
		return answer{}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(w.t, err)
	all := fmt.Sprint(resp.Header, string(b))
	for client, key := range w.keys {
		if strings.Contains(all, key) || strings.Contains(all, secret) {
			w.t.Errorf("%s %s: the key of %s, or the AppSecret, is in %s", method, path, client, all)
		}
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// records is the audit file, line by line.
func (w *world) records() []map[string]any {
	w.t.Helper()
	b, err := os.ReadFile(w.file)
	must(w.t, err)
	var all []map[string]any
	for line := range bytes.Lines(b) {
		var r map[string]any
		if err := json.Unmarshal(line, &r); err != nil {
			w.t.Fatalf("audit line %q: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// recorded counts the audit lines that have these values; they come in pairs.
func (w *world) recorded(pairs ...any) (n int) {
	w.t.Helper()
next:
	for _, r := range w.records() {
		for i := 0; i < len(pairs); i += 2 {
			if r[pairs[i].(string)] != pairs[i+1] {
				continue next
			}
		}
		n++
	}
	return n
}

// path is the path of a credential.
func path(app string) string { return "/v1/apps/" + app + "/credentials/access_token" }

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

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func prefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// asked counts what WeChat was asked, once each app has its first token.
func (w *world) asked() int {
	w.t.Helper()
	for _, id := range []credential.App{shop, other} {
		_, err := w.keeper.Get(w.t.Context(), credential.Key{App: id, Kind: credential.AccessToken})
		must(w.t, err)
	}
	return len(w.sim.History())
}

// value reads the shop's token as a client that may have it.
func (w *world) value(client string) string {
	w.t.Helper()
	a := w.ask("GET", path(shop), client, "")
	if a.status != http.StatusOK {
		w.t.Fatalf("%s is not given the token: %d %s", client, a.status, a.body)
	}
	return a.json(w.t)["value"].(string)
}
