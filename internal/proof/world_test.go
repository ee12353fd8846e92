package proof

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/wxsim"
)

// world is one run: nodes, one store, one WeChat, what befalls them, and the
// judge.
type world struct {
	t     *testing.T
	dice  dice
	shape shape
	begin time.Time
	sim   *wxsim.Sim
	store *register
	judge *judge
	apps  []config.App
	slots []*slot
	procs sync.WaitGroup

	calm    atomic.Bool // nothing goes wrong now
	over    atomic.Bool
	stopped chan struct{}

	mu       sync.Mutex
	outage   time.Time // WeChat cannot be reached until then
	busy     time.Time // and answers -1
	refusing time.Time // and refuses to issue
	refusal  int
	ordered  time.Time // when an operator last wanted a new value
	breach   string
	course   uint64   // sums up all that happened
	lines    []string // the last of it, in words
	loud     bool
}

const secret = "0123456789abcdef0123456789abcdef"

func newWorld(t *testing.T, seed uint64, s shape, loud bool) *world {
	w := &world{t: t, dice: dice(0).of(seed), shape: s, begin: time.Now(), loud: loud, stopped: make(chan struct{})}
	w.sim = wxsim.New(wxsim.Options{Life: life, Quirks: s.quirks, Seed: seed + 1, History: 1})
	w.store = newRegister(w)
	w.store.ahead = w.dice.of(word("clock")).span(-3*time.Hour, 3*time.Hour)
	w.judge = newJudge(w)
	for i := range s.apps {
		id := fmt.Sprintf("wx%016d", i+1)
		if err := w.sim.AddApp(wxsim.App{ID: id, Secret: secret, DailyQuota: s.quota}); err != nil {
			t.Fatal(err)
		}
		w.apps = append(w.apps, config.App{
			AppID: credential.App(id), Name: id, Secrets: []credential.Secret{credential.NewSecret(secret)},
			Source: s.source, Fallback: s.fallback, Type: config.OfficialAccount, DailyQuota: s.quota,
		})
	}
	for i := range s.nodes {
		w.slots = append(w.slots, &slot{w: w, number: uint64(i + 1)})
	}
	return w
}

func (w *world) running() bool { return !w.over.Load() }

// faults is what goes wrong now, and how often.
func (w *world) faults() faults {
	if w.calm.Load() {
		return faults{}
	}
	return w.shape.faults
}

// fail ends the run: one breach is enough.
func (w *world) fail(rule, what string) {
	w.note("BREACH %s: %s", rule, what)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.breach == "" {
		w.breach = rule + ": " + what
	}
	if w.over.CompareAndSwap(false, true) {
		close(w.stopped)
	}
}

// note adds to the course of the run. The sum is the same whatever the order of
// what happens at one instant.
func (w *world) note(format string, args ...any) {
	at := time.Since(w.begin)
	line := fmt.Sprintf("%v "+format, slices.Concat([]any{at}, args)...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over.Load() {
		return
	}
	w.course += mix(word(line))
	if w.loud {
		w.lines = append(w.lines, line)
	}
}

// log takes what a keeper says, for who reads a course.
func (w *world) log(p *process) slog.Handler {
	if !w.loud {
		return slog.DiscardHandler
	}
	return slog.NewTextHandler(writer(func(b []byte) {
		line := fmt.Sprintf("%v   %s says %s", time.Since(w.begin), p.name, strings.TrimSpace(string(b)))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines = append(w.lines, line)
	}), &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

type writer func([]byte)

func (f writer) Write(b []byte) (int, error) { f(b); return len(b), nil }

// keys are the credentials that clients ask for.
func (w *world) keys() (all []credential.Key) {
	for _, app := range w.apps {
		all = append(all, credential.Key{App: app.AppID, Kind: credential.AccessToken})
		if w.shape.ticket {
			all = append(all, credential.Key{App: app.AppID, Kind: "jsapi_ticket"})
		}
	}
	return all
}

// sleep reports whether the run goes on.
func (w *world) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return w.running()
	case <-w.stopped:
		return false
	}
}

// run lets so many days pass.
func (w *world) run(days float64) {
	for _, s := range w.slots {
		w.procs.Go(func() {
			d := w.dice.of(word("start"), s.number)
			if w.sleep(d.span(0, 2*time.Second)) {
				s.begin()
			}
			for n := uint64(1); w.sleep(d.of(n).span(time.Minute, 30*time.Minute)); n++ {
				for i, key := range w.keys() {
					x := d.of(n, uint64(i))
					time.AfterFunc(x.span(0, time.Second), func() { w.visit(s, key, x) })
				}
			}
		})
	}
	w.procs.Go(w.direct)
	w.sleep(time.Duration(days * float64(24*time.Hour)))
	if w.over.CompareAndSwap(false, true) {
		close(w.stopped)
	}
	for _, s := range w.slots {
		if p := s.process(); p != nil {
			p.kill()
		}
	}
	w.procs.Wait()
	time.Sleep(30 * time.Minute) // what was under way comes to its end
}

// visit is a client that reads at a node, and reports what WeChat refuses.
func (w *world) visit(s *slot, key credential.Key, d dice) {
	p := s.process()
	if p == nil || !p.up() || !w.running() || !p.unpausedFor(staleness+reading) {
		return // who comes out of a pause knows for a moment what it knew before
	}
	ctx, asked := context.Background(), time.Now()
	c, err := p.Keeper.Get(ctx, key)
	if !p.up() || p.wasPaused(asked) || !w.running() {
		return // who was killed or held up has told nobody
	}
	if err != nil {
		w.judge.failed(p, key, asked, err)
		return
	}
	w.judge.handed(p, key, c, asked)
	alive := w.valid(string(key.App), string(key.Kind), c.Value.Reveal())
	switch {
	case !alive && d.of(50).chance(0.9):
		w.report(p, key, c)
	case alive && d.of(51).chance(0.08):
		// Somebody is wrong.
		_, _ = p.Report(ctx, key, keeper.Claim{Value: c.Value, Errcode: pick(d.of(52), 40001, 42001, 48001, 0)})
	case alive && d.of(53).chance(0.1):
		w.reportOld(p, key, c)
	}
}

// report is what a client does whose call was answered 40001.
func (w *world) report(p *process, key credential.Key, c credential.Credential) {
	asked := time.Now()
	prompt := w.judge.prompt(p, key, c)
	got, err := p.Report(context.Background(), key, keeper.Claim{Value: c.Value, Errcode: 40001})
	if !p.up() || p.wasPaused(asked) || !w.running() {
		return
	}
	w.note("%s was told that generation %d is dead; it gives %d, %v", p.name, c.Generation, got.Generation, err)
	if prompt && (err != nil || !w.valid(string(key.App), string(key.Kind), got.Value.Reveal())) {
		w.fail("R1 the first report heals", fmt.Sprintf("%s was told that generation %d of %s is dead: %v later it gives generation %d, %v", p.name, c.Generation, key, time.Since(asked), got.Generation, err))
	}
}

// reportOld says of an old value that it does not work, which is no news.
func (w *world) reportOld(p *process, key credential.Key, c credential.Credential) {
	old := w.judge.before(key, c.Value)
	if old.Empty() {
		return
	}
	asked, probes := time.Now(), p.count(pathProbe, string(key.App))
	got, err := p.Report(context.Background(), key, keeper.Claim{Value: old, Errcode: 40001})
	if !p.up() || p.wasPaused(asked) || !w.running() {
		return
	}
	if took := time.Since(asked); took > 0 || p.count(pathProbe, string(key.App)) != probes || err != nil || got.Value == old {
		w.fail("R2 a report of an old value costs nothing", fmt.Sprintf("%s, %s: %v, %v", p.name, key, took, err))
	}
}

// course is what became of a run.
type course struct {
	seed            uint64
	shape           shape
	days            float64
	breach          string
	sum             uint64
	lines           []string
	reads, failures int
	asked           int
}

// prove makes one run.
func prove(t *testing.T, seed uint64, s shape, days float64, loud bool) (c course) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed, s, loud)
		w.run(days)
		c = course{seed: seed, shape: s, days: days, breach: w.breach, sum: w.course, lines: w.lines}
		for _, a := range w.judge.accounts {
			c.reads += a.reads
			c.failures += a.failures
		}
		for _, app := range w.apps {
			c.asked += w.sim.Asked(string(app.AppID), wxsim.Classic) + w.sim.Asked(string(app.AppID), wxsim.Stable)
		}
	})
	return c
}
