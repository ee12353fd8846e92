package proof

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/wechat"
)

// slot is a place where one process runs after another.
type slot struct {
	w      *world
	number uint64

	mu     sync.Mutex
	now    *process // nil while nothing runs there
	starts uint64
}

// process is the one that runs there now, or nil.
func (s *slot) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// process is one life of a node. It is its own way to the store and to WeChat,
// and all that goes over it can be cut, held and killed.
type process struct {
	*keeper.Keeper
	w      *world
	slot   *slot
	number uint64 // of its slot
	name   string
	dice   dice
	born   time.Time
	dead   chan struct{}
	stop   context.CancelFunc
	ended  chan struct{} // Run has returned

	mu     sync.Mutex
	counts map[string]uint64          // of operations, by what they are about
	until  time.Time                  // it is paused
	cut    time.Time                  // the store is not to be reached until then
	over   bool                       // killed, or about to end
	ill    time.Time                  // when an operation on the store last went wrong
	alarm  time.Time                  // when it last came out of a pause
	cutAt  time.Time                  // when the store was cut off
	held   map[credential.Key]holding // what it last handed out
	heard  map[credential.Key]holding // what WeChat last gave it
}

// begin starts a process in the slot.
func (s *slot) begin() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil || !s.w.running() {
		return s.now
	}
	s.starts++
	w := s.w
	p := &process{
		w: w, slot: s, number: s.number, name: fmt.Sprintf("n%d.%d", s.number, s.starts),
		dice: w.dice.of(word("node"), s.number, s.starts), born: time.Now(),
		dead: make(chan struct{}), ended: make(chan struct{}), counts: map[string]uint64{}, held: map[credential.Key]holding{}, heard: map[credential.Key]holding{},
	}
	reg := registry.New(nil, nil)
	reg.Declare(w.apps, nil)
	up, err := wechat.New(wechat.Options{APIURL: "https://api.weixin.qq.com", Timeout: issueTimeout, Transport: p})
	if err != nil {
		w.t.Fatal(err)
	}
	p.Keeper = keeper.New(keeper.Options{
		Store: p, Registry: reg, Upstream: up, Life: life, TagKey: []byte("proof"), Node: p.name,
		Alone: len(w.slots) == 1, Log: slog.New(w.log(p)),
	})
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	w.procs.Go(func() {
		defer close(p.ended)
		_ = p.Run(ctx)
	})
	s.now = p
	w.note("%s begins", p.name)
	return p
}

// kill ends the process here and now. What it had under way comes to nothing;
// what had left it goes on. Its slot begins anew a while later.
func (p *process) kill() {
	p.mu.Lock()
	over := p.over
	p.over = true
	p.mu.Unlock()
	if over {
		return
	}
	p.w.note("%s is killed", p.name)
	close(p.dead)
	p.stop()
	d := p.dice.of(word("again"))
	p.slot.vacate(p, pick(d, d.span(200*time.Millisecond, 3*time.Second), d.span(time.Second, 2*time.Minute), d.span(time.Minute, 20*time.Minute)))
}

// vacate begins another process after so long.
func (s *slot) vacate(p *process, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == p {
		s.now = nil
	}
	time.AfterFunc(after, func() { s.begin() })
}

// restart ends the process as SIGTERM does, and begins another.
func (p *process) restart(after time.Duration) {
	p.mu.Lock()
	over := p.over
	p.over = true
	p.mu.Unlock()
	if over {
		return
	}
	p.w.note("%s is told to end", p.name)
	p.stop()
	p.w.procs.Go(func() {
		<-p.ended
		p.slot.vacate(p, after)
	})
}

// up reports whether the process runs and is not paused.
func (p *process) up() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.over && !time.Now().Before(p.until)
}

func (p *process) paused() bool { return p.rest() > 0 }

// rest is how long the pause goes on.
func (p *process) rest() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, time.Until(p.until))
}

func (p *process) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if end := time.Now().Add(d); end.After(p.until) {
		p.until, p.alarm = end, end
	}
	p.w.note("%s is paused for %v", p.name, d)
}

// cutOff takes the store away from this process alone.
func (p *process) cutOff(d time.Duration) {
	p.mu.Lock()
	if now := time.Now(); !now.Before(p.cut) {
		p.cutAt = now
	}
	p.cut = time.Now().Add(d)
	p.mu.Unlock()
	r, x := p.w.store, p.dice.of(word("cut"), uint64(time.Since(p.w.begin)))
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range r.readers {
		if n.of == p {
			time.AfterFunc(x.of(1).span(again/2, again), func() { n.tell("", x) })
			time.AfterFunc(d+x.of(2).span(again/2, again), func() { n.tell("", x.of(1)) })
		}
	}
}

// away reports whether the store cannot be reached from here.
func (p *process) away() bool {
	p.mu.Lock()
	cut := time.Now().Before(p.cut)
	p.mu.Unlock()
	return cut || p.w.store.isDown()
}

// steady reports whether since that moment the process ran without a pause and
// no operation of its on the store went wrong or was slow.
func (p *process) steady(since time.Time) bool {
	away := p.away()
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.over && !away && p.born.Before(since) && p.ill.Before(since) && p.alarm.Before(since) && p.cut.Before(since)
}

// cutFor is how long the process has not reached its store.
func (p *process) cutFor() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Before(p.cut) && p.born.Before(p.cutAt) && p.alarm.Before(p.cutAt) {
		return now.Sub(p.cutAt)
	}
	return 0
}

// troubled reports whether the process may think that its store is away.
func (p *process) troubled() bool {
	away := p.away()
	p.mu.Lock()
	defer p.mu.Unlock()
	const lately = 30 * time.Second
	return away || time.Since(p.ill) < lately || time.Since(p.cut) < lately || time.Since(p.alarm) < lately
}

func (p *process) heardOf(key credential.Key) holding {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard[key]
}

func (p *process) wasPaused(since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.alarm.Before(since)
}

func (p *process) unpausedFor(d time.Duration) bool { return !p.wasPaused(time.Now().Add(-d)) }

// sick notes that an operation on the store goes wrong, or takes so long.
func (p *process) sick(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if end := time.Now().Add(d); end.After(p.ill) {
		p.ill = end
	}
}

// op is one thing that a process does with the world outside: ask and hear are
// its two ways.
type op struct {
	p    *process
	what string
	dice dice
}

func (p *process) op(what, about string) *op {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := what + " " + about
	p.counts[id]++
	return &op{p: p, what: id, dice: p.dice.of(word(id), p.counts[id])}
}

// ask is the way to the store. An error that is not errAway or errKilled says
// that the request has not arrived and that nobody knows it.
func (o *op) ask(ctx context.Context) error {
	p, f := o.p, o.p.w.faults()
	if p.isDead() {
		return errKilled
	}
	if err := o.point(1, ctx, o.leg(1)); err != nil {
		p.sick(0)
		return err
	}
	if p.away() {
		p.sick(3 * time.Second)
		d := o.dice.of(11)
		if p.w.dice.of(word("hang"), p.number).chance(0.5) {
			_ = p.hold(ctx, d.span(time.Second, 3*time.Second), d)
		} else {
			_ = p.hold(ctx, d.span(time.Millisecond, 20*time.Millisecond), d)
		}
		o.note("away")
		return errAway
	}
	if d := o.dice.of(12); d.chance(f.requestLost) {
		p.sick(3 * time.Second)
		o.note("request lost")
		return o.lost(ctx, d)
	}
	return nil
}

// hear is the way back.
func (o *op) hear(ctx context.Context) error {
	o.note("done")
	if d := o.dice.of(13); d.chance(o.p.w.faults().answerLost) {
		o.p.sick(3 * time.Second)
		o.note("answer lost")
		return o.lost(ctx, d)
	}
	err := o.point(2, ctx, o.leg(2))
	if err != nil {
		o.p.sick(0)
	}
	return err
}

func (o *op) lost(ctx context.Context, d dice) error {
	if err := o.p.hold(ctx, d.of(1).span(time.Second, 3*time.Second), d); err != nil {
		return err
	}
	return fmt.Errorf("%s: no answer", o.what)
}

// leg is how long one way takes.
func (o *op) leg(n uint64) time.Duration {
	d := o.dice.of(14, n)
	if d.of(1).chance(o.p.w.faults().slow) {
		o.p.sick(1400 * time.Millisecond)
		return d.span(20*time.Millisecond, 1400*time.Millisecond)
	}
	return d.span(100*time.Microsecond, 5*time.Millisecond)
}

// point is where a process may be killed or paused, and then lets time pass.
func (o *op) point(n uint64, ctx context.Context, leg time.Duration) error {
	p, f, d := o.p, o.p.w.faults(), o.dice.of(15, n)
	rate := 1.0
	if strings.HasPrefix(o.what, "get ") || strings.HasPrefix(o.what, "list ") {
		rate = 0.1 // most of what happens, and the least of it
	}
	switch {
	case p.doomed():
	case d.of(1).chance(f.killed * rate):
		p.kill()
	case d.of(2).chance(f.paused * rate):
		p.pause(pick(d.of(3), d.span(2*time.Second, 20*time.Second), d.span(5*time.Second, 150*time.Second), d.span(term-time.Second, term+5*time.Second),
			d.span(spacing-time.Second, spacing+8*time.Second), d.span(spacing, spacing+300*time.Millisecond), d.span(30*time.Second, 10*time.Minute)))
	}
	return p.hold(ctx, leg, d)
}

func (p *process) doomed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// hold lets time pass for the process. While that is paused nothing ends; then
// whatever ended first may be seen first.
func (p *process) hold(ctx context.Context, leg time.Duration, d dice) error {
	timer := time.NewTimer(leg)
	defer timer.Stop()
	var err error
	select {
	case <-p.dead:
		return errKilled
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	for p.paused() {
		d = d.of(30)
		select {
		case <-time.After(p.rest() + d.span(0, 5*time.Millisecond)):
		case <-p.dead:
			return errKilled
		}
		if err != nil && d.of(1).chance(0.5) {
			err = nil
		}
	}
	return err
}

func (o *op) note(what string) { o.p.w.note("%s %s %s", o.p.name, o.what, what) }
