package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

const (
	testApp    = "wx0123456789abcdef"
	testSecret = "0123456789abcdef0123456789abcdef"
)

var testKey = credential.Key{App: testApp, Kind: credential.AccessToken}

// The lines that tests run over: the two of the token, by their source, and a
// ticket as it may be: the same until WeChat's own clock turns, or a new one each
// time that ends the one before.
const (
	sameTicket = "ticket"
	newTicket  = "new ticket"
)

var (
	bothSources = []string{"stable", "classic"}
	// ending are those on which a new value ends the old one.
	ending    = []string{"classic", newTicket}
	everyLine = []string{"stable", "classic", sameTicket, newTicket}
)

var ticketKey = credential.Key{App: testApp, Kind: "jsapi_ticket"}

// world is a WeChat, a store and any number of nodes, in one bubble of fake
// time: the simulator, a real bbolt file and real keepers, no network.
type world struct {
	t    *testing.T
	key  credential.Key
	life time.Duration
	sim  *wxsim.Sim
	st   store.Store
	open func() store.Store
	apps []config.App
	keep []*node
}

// node is one process: it can be cut off and killed.
type node struct {
	*Keeper
	stop func() // as SIGTERM does
	link *link
}

// link is a node's way to its store and to WeChat.
type link struct {
	store.Store
	rt      http.RoundTripper
	cut     atomic.Bool // the store cannot be reached
	dead    atomic.Bool // the process is: nothing goes out any more
	at      func(step string) (die bool)
	ghost   bool
	blocked chan struct{}
}

var errCut = errors.New("the store cannot be reached")

// step is passed at each place where a process can be killed. A killed one
// hangs there for good, as far as anybody else can see.
func (l *link) step(ctx context.Context, name string) error {
	if l.at != nil && l.at(name) {
		l.dead.Store(true)
	}
	if l.dead.Load() {
		<-l.blocked
		return errors.New("killed")
	}
	return ctx.Err()
}

func (l *link) Get(ctx context.Context, key string) (store.Record, error) {
	if err := l.step(ctx, "get"); err != nil {
		return store.Record{}, err
	}
	if l.cut.Load() {
		return store.Record{}, errCut
	}
	return l.Store.Get(ctx, key)
}

func (l *link) Put(ctx context.Context, r store.Record) (store.Record, error) {
	if err := l.step(ctx, "before put"); err != nil {
		return store.Record{}, err
	}
	if l.cut.Load() {
		return store.Record{}, errCut
	}
	got, err := l.Store.Put(ctx, r)
	if err := l.step(ctx, "after put"); err != nil {
		return store.Record{}, err
	}
	return got, err
}

func (l *link) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.ghost {
		// The kernel delivers what was written before the process stopped,
		// and the answer is there when it wakes, whatever the time-out was.
		r = r.WithContext(context.WithoutCancel(r.Context()))
	}
	name := "issue"
	if r.URL.Path == "/cgi-bin/get_api_domain_ip" {
		name = "probe"
	}
	if err := l.step(r.Context(), "before "+name); err != nil {
		return nil, err
	}
	resp, err := l.rt.RoundTrip(r)
	if err := l.step(r.Context(), "after "+name); err != nil {
		if resp != nil {
			resp.Body.Close()
		}
		return nil, err
	}
	return resp, err
}

type worldOptions struct {
	life   time.Duration
	source string // or one of everyLine
	quirks wxsim.Quirk
	seed   uint64
	app    func(*config.App)
	// open opens one more store on what all nodes share; nil: they share one
	// embedded store.
	open func() store.Store
}

func newWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	if o.life == 0 {
		o.life = 2 * time.Hour
	}
	if o.quirks == 0 {
		o.quirks = wxsim.NoQuirks
	}
	if o.source == "" {
		o.source = config.Stable
	}
	w := &world{t: t, life: o.life, key: testKey}
	if o.source == sameTicket || o.source == newTicket {
		w.key = ticketKey
		if o.source == newTicket {
			o.quirks |= wxsim.NewTickets
		}
		o.source = config.Stable
	}
	w.sim = wxsim.New(wxsim.Options{Life: o.life, Quirks: o.quirks, Seed: max(o.seed, 1)})
	if err := w.sim.AddApp(wxsim.App{ID: testApp, Secret: testSecret}); err != nil {
		t.Fatal(err)
	}
	app := config.App{AppID: testApp, Name: "shop", Secrets: []credential.Secret{credential.NewSecret(testSecret)}, Source: o.source, Type: config.OfficialAccount, DailyQuota: 2000}
	if o.app != nil {
		o.app(&app)
	}
	w.apps = []config.App{app}
	if w.open = o.open; o.open != nil {
		t.Cleanup(w.stopAll)
		return w
	}
	st, err := bolt.Open(filepath.Join(memoryDir(t), "hufu.db"))
	if err != nil {
		t.Fatal(err)
	}
	w.st = st
	t.Cleanup(func() {
		w.stopAll()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// memoryDir is a folder whose files are never written to a disk, where there
// is such a place: thousands of synced writes are the price of a fake year.
// What a disk adds is tested in store/bolt.
func memoryDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "hufu-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// node starts one more node on the store.
func (w *world) node(edit ...func(*Options, *link)) *node {
	w.t.Helper()
	st := w.st
	if w.open != nil {
		st = w.open()
	}
	l := &link{Store: st, rt: w.sim.Transport(), blocked: make(chan struct{})}
	reg := registry.New(st, nil)
	reg.Declare(w.apps, nil)
	o := Options{Store: l, Registry: reg, Life: w.life, TagKey: []byte("test"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, e := range edit {
		e(&o, l)
	}
	up, err := wechat.New(wechat.Options{APIURL: "https://api.weixin.qq.com", Timeout: timesOf(w.life).timeout, Transport: l})
	if err != nil {
		w.t.Fatal(err)
	}
	o.Upstream = up
	n := &node{Keeper: New(o), link: l}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = n.Run(ctx)
	}()
	n.stop = sync.OnceFunc(func() {
		cancel()
		close(l.blocked)
		<-done
	})
	w.keep = append(w.keep, n)
	return n
}

// record is what the node knows of the store.
func (n *node) record() record {
	e, _ := n.entry(testKey)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rec
}

func (w *world) stopAll() {
	for _, n := range w.keep {
		n.stop()
	}
}

// get reads and checks that what was read works, and goes on working as long
// as was promised; promises are checked by watch.
func (w *world) get(n *node) credential.Credential {
	w.t.Helper()
	c, err := n.Get(w.t.Context(), w.key)
	if err != nil {
		w.t.Fatalf("%v: %v", time.Now(), err)
	}
	if !w.valid(c.Value.Reveal()) {
		w.t.Fatalf("%v: generation %d was handed out dead", time.Now(), c.Generation)
	}
	return c
}

// valid reports whether WeChat accepts a value.
func (w *world) valid(value string) bool {
	if w.key == ticketKey {
		return w.sim.ValidTicket(testApp, wxsim.JSAPI, value)
	}
	return w.sim.Valid(testApp, value)
}

// issues counts the values that WeChat made, asked the requests for one.
func (w *world) issues() int {
	if w.key == ticketKey {
		return w.sim.TicketsIssued(testApp, wxsim.JSAPI)
	}
	return w.sim.Issues(testApp)
}

func (w *world) asked() int {
	if w.key == ticketKey {
		return w.sim.TicketsAsked(testApp, wxsim.JSAPI)
	}
	return w.sim.Asked(testApp, wxsim.Classic) + w.sim.Asked(testApp, wxsim.Stable)
}

// promise is that a value works until then.
type promise struct {
	value      string
	generation uint64
	until      time.Time
}

// reader reads at a node again and again and holds it to its promises:
// max_age, and what is certain (expires_in on WeChat's own paths).
type reader struct {
	w        *world
	promises []promise
	reads    int
	failures int
	seen     map[uint64]string
	caches   bool   // hold it to max_age alone
	excused  uint64 // values up to this generation were ended by an outsider: excepted
}

func (w *world) reader() *reader { return &reader{w: w, seen: map[uint64]string{}} }

// check reads once at a node, and checks every promise that is not yet over.
func (r *reader) check(n *node) error {
	now := time.Now()
	kept := r.promises[:0]
	for _, p := range r.promises {
		if now.Before(p.until) {
			if p.generation > r.excused && !r.w.valid(p.value) {
				return fmt.Errorf("generation %d was promised until %v and is dead at %v", p.generation, p.until, now)
			}
			kept = append(kept, p)
		}
	}
	r.promises = kept
	r.reads++
	c, err := n.Get(context.Background(), r.w.key)
	if err != nil {
		r.failures++
		return nil
	}
	if other, ok := r.seen[c.Generation]; ok && c.Generation > 0 && other != c.Value.Reveal() {
		return fmt.Errorf("two values of generation %d", c.Generation)
	}
	r.seen[c.Generation] = c.Value.Reveal()
	now = time.Now()
	if c.MaxAge > c.Certain {
		return fmt.Errorf("max_age %v is more than is certain, %v", c.MaxAge, c.Certain)
	}
	until := now.Add(c.Certain)
	if r.caches {
		until = now.Add(c.MaxAge)
	}
	for i := range r.promises {
		if p := &r.promises[i]; p.value == c.Value.Reveal() {
			p.until = later(p.until, until)
			return nil
		}
	}
	r.promises = append(r.promises, promise{c.Value.Reveal(), c.Generation, until})
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// during runs a reader at every node each step for so long.
func (r *reader) during(d, step time.Duration, nodes ...*node) {
	r.w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(step) {
		for _, n := range nodes {
			if err := r.check(n); err != nil {
				r.w.t.Fatal(err)
			}
		}
	}
}

// quiet fails if the simulator saw its caller misbehave.
func (w *world) quiet() {
	w.t.Helper()
	for _, v := range w.sim.Violations() {
		w.t.Errorf("violation: %+v", v)
	}
}

// bubble runs a test in fake time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func dice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
