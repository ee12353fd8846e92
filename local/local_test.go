package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/local"
	"github.com/hufu-project/hufu/wxsim"
)

// TestMain lets many tests run at a time: they mostly wait.
func TestMain(m *testing.M) {
	if os.Getenv(storeVariable) != "" {
		program()
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const (
	shop   = "wx0123456789abcdef"
	secret = "canary-appsecret-of-the-shop"
)

// world is a WeChat and a folder; what is opened in it is in the same bubble.
type world struct {
	t      *testing.T
	sim    *wxsim.Sim
	dir    string
	log    *buffer
	wechat atomic.Pointer[roundTrip] // in the simulator's place; nil: the simulator
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip reaches WeChat, or what the test has put there.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if other := w.wechat.Load(); other != nil {
		return (*other)(r)
	}
	return w.sim.Transport().RoundTrip(r)
}

// between puts something in WeChat's place; nil: nothing.
func (w *world) between(other roundTrip) {
	if other == nil {
		w.wechat.Store(nil)
		return
	}
	w.wechat.Store(&other)
}

// hang does not answer.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// buffer is a log that several write and the test reads.
type buffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, sim: wxsim.New(wxsim.Options{Quirks: wxsim.NoQuirks}), log: &buffer{}}
	w.must(w.sim.AddApp(wxsim.App{ID: shop, Secret: secret}))
	// Where there is a place that is never written to a disk: files are not
	// what is tested here.
	var err error
	if w.dir, err = os.MkdirTemp("/dev/shm", "hufu-test-"); err != nil {
		w.dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(w.dir) })
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) options() local.Options {
	return local.Over(w, local.Options{
		Store: "bolt:" + filepath.Join(w.dir, "hufu.db"),
		Apps:  []local.App{{AppID: shop, Secret: secret}},
		Log:   slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

func (w *world) open() *local.Keeper {
	w.t.Helper()
	k, err := local.Open(w.t.Context(), w.options())
	w.must(err)
	w.t.Cleanup(func() { _ = k.Close() })
	return k
}

func (w *world) token(k *local.Keeper) string {
	w.t.Helper()
	token, err := k.Token(w.t.Context(), shop)
	w.must(err)
	if !w.sim.Valid(shop, token) {
		w.t.Fatal("a dead token was given")
	}
	return token
}

// For a day a read waits for nobody and is given nothing dead, and WeChat is
// asked as seldom as by a server.
func TestAReadWaitsForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := w.open()
		w.token(k)
		for range 24 * 60 {
			began := time.Now()
			w.token(k)
			if waited := time.Since(began); waited > 0 {
				t.Fatalf("a read waited %v", waited)
			}
			time.Sleep(time.Minute)
		}
		if n := w.sim.Issues(shop); n > 13 {
			t.Errorf("%d issues in a day", n)
		}
		for _, v := range w.sim.Violations() {
			t.Errorf("WeChat would mind: %v", v)
		}
	})
}

// What the last process left is taken up: no issue, and a renewal in time.
func TestTheNextProcessGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := w.open()
		first := w.token(k)
		for range 5 {
			time.Sleep(10 * time.Minute)
			w.must(k.Close())
			time.Sleep(5 * time.Minute)
			k = w.open()
			if w.token(k) != first {
				t.Error("another token after a restart")
			}
		}
		if n := w.sim.Issues(shop); n != 1 {
			t.Errorf("%d issues", n)
		}
		time.Sleep(time.Hour)
		if w.token(k) == first {
			t.Error("the token was not renewed")
		}
	})
}

// WeChat ends a token before its time: the first report brings another, however
// many report, and who follows has it at once.
func TestAReportHealsForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := w.open()
		first, source := w.token(k), k.Source(shop)
		time.Sleep(10 * time.Minute)
		w.must(w.sim.Revoke(shop))
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				next, err := k.Report(t.Context(), shop, first, 40001)
				if err != nil || next == first || !w.sim.Valid(shop, next) {
					t.Errorf("a report was answered with %v, the same: %v", err, next == first)
				}
			})
		}
		all.Wait()
		if next, err := source.Token(); err != nil || !w.sim.Valid(shop, next) {
			t.Errorf("the source: %v", err)
		}
		if n := w.sim.Issues(shop); n != 2 {
			t.Errorf("%d issues", n)
		}
	})
}

// WeChat is away for half an hour: who reads does not notice. Away for longer
// than a token lives, the error says so, and afterwards all is well by itself.
func TestWeChatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := w.open()
		w.token(k)
		time.Sleep(80 * time.Minute)
		w.between(func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED })
		for range 30 {
			time.Sleep(time.Minute)
			w.token(k)
		}
		time.Sleep(30 * time.Minute)
		_, err := k.Token(t.Context(), shop)
		e, ok := errors.AsType[*hufu.Error](err)
		if !errors.Is(err, hufu.ErrUnavailable) || !ok || !strings.Contains(e.Detail, "api.weixin.qq.com") || e.Hint == "" || e.RetryAfter == 0 {
			t.Errorf("with nothing live: %v", err)
		}
		w.between(nil)
		time.Sleep(2 * time.Minute)
		w.token(k)
	})
}

// Apps come and go while the program runs.
func TestDeclareReplacesTheApps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const other = "wxfedcba9876543210"
		w := newWorld(t)
		w.must(w.sim.AddApp(wxsim.App{ID: other, Secret: secret}))
		k := w.open()
		first := w.token(k)
		if _, err := k.Token(t.Context(), other); !errors.Is(err, hufu.ErrNotFound) {
			t.Errorf("an app that is not declared: %v", err)
		}
		err := k.Declare(local.App{AppID: other, Secret: secret, Source: "stabel"})
		if err == nil || !strings.Contains(err.Error(), `apps[0].source: must be stable or classic (did you mean "stable"?)`) {
			t.Errorf("an app that does not pass: %v", err)
		}
		if w.token(k) != first {
			t.Error("a declaration that does not pass has changed something")
		}
		w.must(k.Declare(local.App{AppID: shop, Secret: secret, OldSecret: "an-old-one"}, local.App{AppID: other, Secret: secret}))
		time.Sleep(10 * time.Second)
		if token, err := k.Token(t.Context(), other); err != nil || !w.sim.Valid(other, token) {
			t.Errorf("an app that was declared: %v", err)
		}
		if w.token(k) != first || w.sim.Issues(shop) != 1 {
			t.Error("an app that stayed was issued anew")
		}
		w.must(k.Declare(local.App{AppID: other, Secret: secret}))
		time.Sleep(2 * time.Minute)
		if _, err := k.Token(t.Context(), shop); !errors.Is(err, hufu.ErrNotFound) {
			t.Errorf("an app that is declared no more: %v", err)
		}
	})
}

// An AppSecret is changed without a gap: the new one is given beside the old one
// before WeChat knows it, and after that the old one is in nobody's way.
func TestAnAppSecretIsChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const next = "canary-next-appsecret-of-the-shop"
		w := newWorld(t)
		o := w.options()
		o.Apps[0].Secret, o.Apps[0].OldSecret = next, secret
		k, err := local.Open(t.Context(), o)
		w.must(err)
		defer k.Close()
		first := w.token(k)
		w.must(w.sim.ResetSecret(shop, next))
		for range 4 * 60 {
			time.Sleep(time.Minute)
			w.token(k)
		}
		if w.token(k) == first {
			t.Error("nothing was renewed with the new AppSecret")
		}
	})
}

// Close ends who waits, and waits itself; nothing runs afterwards.
func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.between(hang)
		k := w.open()
		ended := make(chan error)
		go func() { _, err := k.Source(shop).Token(); ended <- err }()
		time.Sleep(time.Second)
		again := make(chan error)
		go func() { again <- k.Close() }()
		w.must(k.Close())
		w.must(<-again)
		if err := <-ended; !errors.Is(err, hufu.ErrClosed) {
			t.Errorf("a read that Close ended: %v", err)
		}
		for _, call := range []func() error{
			func() error { _, err := k.Token(t.Context(), shop); return err },
			func() error { _, err := k.Report(t.Context(), shop, "x", 40001); return err },
			func() error { _, err := k.Sign(t.Context(), shop, "https://shop.example.com/"); return err },
		} {
			if err := call(); !errors.Is(err, hufu.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
		w.must(k.Close())
	})
}

// A wait ends with its context, and so does Open.
func TestAContextEndsAWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.between(hang)
		k := w.open()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := k.Token(ctx, shop)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 100*time.Millisecond {
			t.Errorf("after %v: %v", took, err)
		}
		_, err = k.Sign(ctx, shop, "https://shop.example.com/")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("sign: %v", err)
		}
		w.must(k.Close())
		if _, err := local.Open(ctx, w.options()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("open: %v", err)
		}
		w.open()
	})
}

// Whoever cannot open is told what to do, and is told no secret.
func TestErrorsOfOpenSayWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keyFile := filepath.Join(w.dir, "other.key")
	w.must(os.WriteFile(keyFile, []byte("hufu-master-key-1 q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=\n"), 0o600))
	for name, row := range map[string]struct {
		change func(*local.Options)
		wants  []string
	}{
		"no secret":        {func(o *local.Options) { o.Apps[0].Secret = os.Getenv("THERE_IS_NO_SUCH_VARIABLE") }, []string{"apps[0].secret[0]: is empty", "is the variable set?"}},
		"a template":       {func(o *local.Options) { o.Apps[0].Secret = "${SHOP_SECRET}" }, []string{"apps[0].secret[0]", "template"}},
		"no appid":         {func(o *local.Options) { o.Apps[0].AppID = "" }, []string{"apps[0].appid: is missing"}},
		"an app twice":     {func(o *local.Options) { o.Apps = append(o.Apps, o.Apps[0]) }, []string{"apps[1].appid"}},
		"no such store":    {func(o *local.Options) { o.Store = "postgre://u:canary-password@db/hufu" }, []string{"store", `did you mean "postgres"?`}},
		"no file":          {func(o *local.Options) { o.Store = "bolt:" }, []string{"store: names no file", "bolt:hufu.db"}},
		"no folder":        {func(o *local.Options) { o.Store = "bolt:" + w.dir + "/none/hufu.db" }, []string{"make the folder"}},
		"another key":      {func(o *local.Options) { o.MasterKeyFile = keyFile }, []string{"is not the master key", "put the file with key"}},
		"no key":           {func(o *local.Options) { o.MasterKeyFile = filepath.Join(w.dir, "none.key") }, []string{"put the key file that belongs to it there"}},
		"nobody answers":   {func(o *local.Options) { o.Store = "redis://:canary-password@127.0.0.1:1" }, []string{"open redis://:xxxxx@127.0.0.1:1", "refused"}},
		"a strange API":    {func(o *local.Options) { o.APIURL = "api.weixin.qq.com" }, []string{"wechat.api_url", "begin it with https://"}},
		"a strange proxy":  {func(o *local.Options) { o.ProxyURL = "canary-password" }, []string{"wechat.proxy_url"}},
		"a strange life":   {func(o *local.Options) { o.Life = time.Second }, []string{"wechat.life", "WeChat promises 2h"}},
		"a negative quota": {func(o *local.Options) { o.Apps[0].DailyQuota = -1 }, []string{"daily_quota"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := w.options()
			o.Store = "bolt:" + filepath.Join(t.TempDir(), "hufu.db") // a file is for one at a time
			k, err := local.Open(t.Context(), o)
			if err == nil {
				err = k.Close() // now there is a store, and its key
			}
			if err != nil {
				t.Fatal(err)
			}
			row.change(&o)
			k, err = local.Open(t.Context(), o)
			if err == nil {
				_ = k.Close()
				t.Fatal("it opens")
			}
			if _, ok := errors.AsType[*hufu.Error](err); !ok {
				t.Errorf("%T is no *hufu.Error", err)
			}
			said := fmt.Sprintf("%v %+v %#v", err, err, err)
			for _, want := range append(row.wants, "hufu: ") {
				if !strings.Contains(said, want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
			if strings.Contains(said, "canary") {
				t.Errorf("a secret is in %v", err)
			}
		})
	}
}

// Nothing prints a secret: not the options, not a keeper, not the log.
func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := w.options()
		o.Apps[0].OldSecret = "canary-old"
		o.ProxyURL = "http://u:canary-password@proxy.test:3128"
		k, err := local.Open(t.Context(), o)
		w.must(err)
		first := w.token(k)
		ticket, err := k.Ticket(t.Context(), shop, hufu.JSAPITicket)
		w.must(err)
		time.Sleep(10 * time.Minute)
		w.must(w.sim.Revoke(shop))
		second, err := k.Report(t.Context(), shop, first, 40001)
		w.must(err)

		other := o
		other.Store = "redis://:canary-password@127.0.0.1:1"
		slog.New(slog.NewTextHandler(w.log, nil)).Info("options", "options", other, "app", o.Apps[0], "keeper", k)
		slog.New(slog.NewJSONHandler(w.log, nil)).Info("options", "options", other, "app", o.Apps[0], "keeper", k)
		text, err := json.Marshal([]any{other, o.Apps[0]})
		w.must(err)
		said := string(text) + fmt.Sprintf("%v %+v %#v %s %q %x", other, other, other, other, other, other) +
			fmt.Sprintf("%v %+v %#v %s %v %+v", o.Apps, o.Apps, o.Apps[0], &o.Apps[0], k, k.Client)
		w.must(k.Close())
		said += w.log.String()
		for _, secret := range []string{"canary", first, second, ticket} {
			if at := strings.Index(said, secret); at >= 0 {
				t.Errorf("a secret is said: …%s…", said[max(0, at-200):min(len(said), at+200)])
			}
		}
		if !strings.Contains(said, shop) || !strings.Contains(said, "hufu in this process, on bolt:") {
			t.Error("nothing is said at all")
		}
	})
}
