package hufu_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/api"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/pipenet"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

// The client library is held to the real thing: keeper, guard and API of the
// server, with the simulator as WeChat, over connections in memory. So a test
// about hours runs in a bubble of fake time.

// hufuAddr is where the server listens.
const hufuAddr = "127.0.0.1:8700"

// world is a WeChat, and one Hufu that can be stopped and started.
type world struct {
	t     *testing.T
	dir   string
	sim   *wxsim.Sim
	asked atomic.Int64                                    // requests that reached the server
	net   pipenet.Network                                 // between the clients and it
	spoil atomic.Pointer[func(http.Handler) http.Handler] // stands between, where set
	stop  func()

	declared []config.Client
	keys     map[string]string // by the client's name
	tagKey   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, sim: newSim(t), keys: map[string]string{}, tagKey: "a key for tags"}
	// Where there is a place that is never written to a disk: files are not
	// what is tested here.
	var err error
	if w.dir, err = os.MkdirTemp("/dev/shm", "hufu-test-"); err != nil {
		w.dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(w.dir) })
	w.client("shop", config.Real, config.Token)
	w.client("operator", config.Real, config.Token, config.Admin)
	w.client("phantom", config.Phantom, config.Token, config.Call)
	w.client("stranger", config.Real, config.Call)
	w.client("elsewhere", config.Real, config.Token)
	w.declared[len(w.declared)-1].From = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	w.start()
	return w
}

// client declares a client with a key of its own.
func (w *world) client(name, tokens string, allow ...config.Action) {
	key, sum := access.NewKey()
	w.keys[name] = key.Reveal()
	w.declared = append(w.declared, config.Client{
		Name: name, KeySHA256: []config.KeyHash{sum}, Apps: []credential.App{appID}, Allow: allow,
		Tokens: tokens, Code: config.HufuCode, Snapshot: config.SnapshotAllow,
	})
}

// start starts the server, on what the last one left.
func (w *world) start() {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	st, err := bolt.Open(filepath.Join(w.dir, "hufu.db"))
	w.must(err)
	reg := registry.New(st, nil)
	upstream, err := wechat.New(wechat.Options{APIURL: "https://api.weixin.qq.com", Transport: w.sim.Transport(), Timeout: 5 * time.Second})
	w.must(err)
	k := keeper.New(keeper.Options{
		Store: st, Registry: reg, Upstream: upstream, Life: 2 * time.Hour,
		TagKey: []byte(w.tagKey), Alone: true, Node: "n1", Log: log,
	})
	reg.Declare([]config.App{{
		AppID: appID, Name: "shop", Secrets: []credential.Secret{credential.NewSecret(appSecret)},
		Source: config.Stable, Type: config.OfficialAccount, DailyQuota: 2000,
	}}, w.declared)
	audit, err := access.OpenAudit(filepath.Join(w.dir, "audit.jsonl"), false)
	w.must(err)

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = reg.Run(ctx) })
	running.Go(func() { _ = k.Run(ctx) })
	<-reg.Loaded()
	draining, drain := context.WithCancel(context.Background())
	surface := api.New(api.Options{
		Registry: reg, Keeper: k, Guard: access.New(reg, audit, "n1", log), Draining: draining, Log: log,
		Phantoms: access.NewPhantoms(reg, 2*time.Hour, [][]byte{[]byte("0123456789abcdef0123456789abcdef")}),
	})
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		if between := w.spoil.Load(); between != nil {
			(*between)(surface).ServeHTTP(rw, r)
			return
		}
		surface.ServeHTTP(rw, r)
	})
	server := web.NewServer(draining, handler, nil, log)
	ln, err := w.net.Listen("tcp", hufuAddr)
	w.must(err)
	running.Go(func() { _ = server.Serve(ln) })
	w.stop = sync.OnceFunc(func() {
		_ = ln.Close()
		drain()
		_ = server.Close()
		cancel()
		running.Wait()
		_ = audit.Close()
		w.must(st.Close())
	})
	w.t.Cleanup(w.stop)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// transport reaches the server, or finds nobody there.
func (w *world) transport() *http.Transport {
	t := &http.Transport{DialContext: w.net.Dial}
	w.t.Cleanup(t.CloseIdleConnections)
	return t
}

// connect makes a client of the library with the key of a client of the server.
func (w *world) connect(name string, options ...hufu.Option) *hufu.Client {
	w.t.Helper()
	c, err := hufu.New("http://"+hufuAddr, w.keys[name], append([]hufu.Option{hufu.WithTransport(w.transport())}, options...)...)
	w.must(err)
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// token reads the app's token, which must work.
func (w *world) token(c *hufu.Client) string {
	w.t.Helper()
	token, err := c.Token(w.t.Context(), appID)
	w.must(err)
	return token
}

// renew has an operator renew the app's token.
func (w *world) renew() {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "POST", "http://"+hufuAddr+"/v1/apps/"+appID+"/credentials/access_token/renew", nil)
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+w.keys["operator"])
	resp, err := w.transport().RoundTrip(r)
	w.must(err)
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		w.t.Fatalf("renew: %d %s", resp.StatusCode, body)
	}
}

// between puts something between the clients and the server; nil: nothing.
func (w *world) between(what func(http.Handler) http.Handler) {
	if what == nil {
		w.spoil.Store(nil)
		return
	}
	w.spoil.Store(&what)
}

// wipe takes away all that the server has kept, which must be stopped.
func (w *world) wipe() { w.must(os.Remove(filepath.Join(w.dir, "hufu.db"))) }
