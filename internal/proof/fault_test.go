package proof

import (
	"context"
	"fmt"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/wxsim"
)

// faults is how often what goes wrong with one operation.
type faults struct {
	requestLost, answerLost float64 // at the store
	slow                    float64
	noticeLost, noticeTwice float64
	killed, paused          float64 // at each of the two ways of an operation
	ill                     float64 // at WeChat
	quota                   float64
}

// shape is what a run is made of.
type shape struct {
	profile          string
	nodes, apps      int
	source, fallback string
	ticket           bool
	quota            int
	quirks           wxsim.Quirk
	faults           faults
	events           []event
	every            time.Duration // from one event to the next, on average
	loose            bool          // expires_in may be cut short: operators, pauses
}

func (s shape) String() string {
	more := ""
	if s.fallback != "" {
		more += " with fallback"
	}
	if s.ticket {
		more += ", a ticket"
	}
	if s.quirks&wxsim.ThreeTokens != 0 {
		more += ", three tokens live"
	}
	return fmt.Sprintf("%s: %d nodes, %d apps, %s%s, quota %d", s.profile, s.nodes, s.apps, s.source, more, s.quota)
}

var profiles = []string{"calm", "upstream", "infra", "pause", "outsider", "all", "outage", "clock", "store", "person"}

// shapeOf is the shape that a seed has.
func shapeOf(seed uint64) shape {
	d := dice(0).of(seed, word("shape"))
	s := shape{
		profile: profiles[seed%uint64(len(profiles))],
		nodes:   []int{3, 2, 5, 1}[(seed+seed/uint64(len(profiles)))%4],
		source:  pick(d.of(1), "classic", "classic", "classic", "stable"),
		apps:    pick(d.of(2), 1, 1, 1, 1, 1, 1, 1, 3),
		ticket:  d.of(3).chance(0.15),
		quota:   2000,
		quirks:  wxsim.NoQuirks | wxsim.MixedTokenCodes,
	}
	if s.source == "stable" && d.of(4).chance(0.3) {
		s.fallback = "classic"
	}
	if d.of(5).chance(0.3) {
		s.quirks |= wxsim.ThreeTokens
	}
	if d.of(6).chance(0.3) {
		s.quirks |= wxsim.ShortLives
	}
	if d.of(7).chance(0.3) {
		s.quirks |= wxsim.NewTickets
	}
	if d.of(8).chance(0.5) {
		s.quirks |= wxsim.LateTokens
	}
	s.set()
	s.ticket = s.ticket || s.profile == "upstream" && d.of(10).chance(0.4)
	if s.profile == "upstream" && d.of(9).chance(0.3) {
		s.quota = 200
		s.events = append(s.events, busyLong)
	}
	return s
}

// set gives a shape the faults of its profile.
func (s *shape) set() {
	messages := faults{requestLost: 0.01, answerLost: 0.02, slow: 0.03, noticeLost: 0.1, noticeTwice: 0.05}
	switch s.profile {
	case "upstream":
		s.faults.ill, s.every = 0.3, 3*time.Hour
		s.events = []event{outage, busy, outage}
	case "infra":
		s.faults = messages
		s.faults.killed, s.every = 0.01, 90*time.Minute
		s.events = []event{kill, restart, cut, storeDown, kill}
	case "store":
		s.faults = messages
		s.faults.killed, s.every = 0.002, 40*time.Minute
		s.events = []event{failover, failover, wipe, restore, storeDown, cut}
	case "pause":
		s.faults.paused, s.faults.killed, s.every = 0.03, 0.001, 2*time.Hour
		s.faults.ill = 0.05
		s.loose = true
		s.events = []event{hold}
	case "outsider":
		s.every = 40 * time.Minute
		s.events = []event{outsider, revoke, expire}
		if s.source == "stable" {
			s.every = 2 * time.Hour
			s.events = append(s.events, twice)
		} else if s.nodes == 3 || s.nodes == 1 {
			s.every, s.quota = 3*time.Minute, 200 // a flood
		}
	case "all":
		s.faults = messages
		s.faults.killed, s.faults.paused, s.faults.ill, s.every = 0.004, 0.004, 0.15, 30*time.Minute
		s.loose = true
		s.events = []event{outage, busy, kill, restart, cut, storeDown, failover, wipe, restore, outsider, revoke, hold, order, refuse}
	case "outage":
		s.every = 4 * time.Hour
		s.events = []event{short}
	case "clock":
		s.faults.ill, s.faults.killed, s.every = 0.1, 0.002, time.Hour
		s.loose = true
		s.events = []event{clockStep, clockStep, cut, kill}
	case "person":
		s.faults.ill, s.faults.quota, s.every = 0.05, 0.01, 3*time.Hour
		s.loose = true
		s.events = []event{refuse, order, refuse}
	}
}

// sheltered reports whether nothing befalls an app that its readers may notice:
// on a healthy node, at least.
func (w *world) sheltered(app string) bool {
	switch w.shape.profile {
	case "calm", "outage":
		return true
	case "upstream", "outsider", "person":
		return w.healthy(app)
	}
	return false
}

// healthy is the one app of several to which WeChat is kind: what befalls the
// others is none of its business.
func (w *world) healthy(app string) bool {
	return len(w.apps) > 1 && app == string(w.apps[len(w.apps)-1].AppID)
}

// event is something that happens once.
type event func(w *world, d dice)

// direct lets things happen: ten hours and a half of whatever the profile has,
// then an hour and a half in which nothing does, and in which all must be well
// soon.
func (w *world) direct() {
	const storm, calm = 630 * time.Minute, 90 * time.Minute
	d := w.dice.of(word("director"))
	n := uint64(0)
	for cycle := uint64(0); w.running(); cycle++ {
		w.calm.Store(false)
		end := time.Now().Add(storm)
		for {
			n++
			x := d.of(n)
			pause := x.span(w.shape.every/2, w.shape.every*3/2)
			if left := time.Until(end); pause > left || len(w.shape.events) == 0 {
				if !w.sleep(left) {
					return
				}
				break
			}
			if !w.sleep(pause) {
				return
			}
			pick(x.of(1), w.shape.events...)(w, x)
		}
		w.becalm(d.of(word("calm"), cycle))
		if !w.sleep(calm) {
			return
		}
	}
}

// becalm ends all faults, and demands a little later that all be well.
func (w *world) becalm(d dice) {
	w.note("calm")
	w.calm.Store(true)
	now := time.Now()
	w.mu.Lock()
	w.outage, w.busy, w.refusing = now, now, now
	w.mu.Unlock()
	w.store.down.Store(0)
	for i, s := range w.slots {
		x := d.of(uint64(i))
		p := s.process()
		if p != nil && p.paused() {
			p.kill() // somebody does what one does with a program that hangs
			p = nil
		}
		if p == nil {
			time.AfterFunc(x.span(time.Millisecond, time.Second), func() { s.begin() })
			continue
		}
		p.mu.Lock()
		if now.Before(p.cut) {
			p.cut = now
		}
		p.mu.Unlock()
	}
	w.store.mu.Lock()
	w.store.tell("", d.of(word("back")))
	w.store.mu.Unlock()
	for minute := 1; minute < int(heals/time.Minute); minute++ {
		for i, s := range w.slots {
			for k, key := range w.keys() {
				x := d.of(word("visit"), uint64(minute), uint64(i), uint64(k))
				time.AfterFunc(time.Duration(minute)*time.Minute+x.span(0, 20*time.Second), func() { w.visit(s, key, x) })
			}
		}
	}
	time.AfterFunc(heals, w.judge.well)
}

// heals is how long after the last fault all is well again: an overlap, in which
// an attempt without an answer is healed, or the bucket gives one more issue,
// and as much for both.
const heals = 2*overlap + time.Minute

func (w *world) until(what *time.Time, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*what = time.Now().Add(d)
}

// someone is one of the processes, if any runs there.
func (w *world) someone(d dice) *process { return pick(d.of(60), w.slots...).process() }

// someApp is one of the apps, but for the healthy one.
func (w *world) someApp(d dice) string {
	n := len(w.apps)
	if n > 1 {
		n--
	}
	return string(w.apps[d.of(61).below(n)].AppID)
}

func outage(w *world, d dice) {
	x := pick(d.of(2), d.span(5*time.Second, time.Minute), d.span(time.Minute, 10*time.Minute), d.span(10*time.Minute, 100*time.Minute))
	w.note("WeChat is away for %v", x)
	w.until(&w.outage, x)
}

// short is an outage that is shorter than what is left of a value when it is
// due.
func short(w *world, d dice) {
	x := d.of(2).span(time.Minute, 25*time.Minute)
	if w.shape.source == "stable" {
		x = d.of(2).span(10*time.Second, 2*time.Minute)
	}
	w.note("WeChat is away for %v", x)
	w.until(&w.outage, x)
}

func busy(w *world, d dice) {
	x := d.of(2).span(10*time.Second, 15*time.Minute)
	w.note("WeChat is busy for %v", x)
	w.until(&w.busy, x)
}

func busyLong(w *world, d dice) {
	x := d.of(2).span(time.Hour, 8*time.Hour)
	w.note("WeChat is busy for %v", x)
	w.until(&w.busy, x)
}

func refuse(w *world, d dice) {
	w.mu.Lock()
	w.refusal = pick(d.of(3), needsPerson...)
	w.mu.Unlock()
	x := d.of(2).span(time.Minute, 40*time.Minute)
	w.note("WeChat refuses for %v: %d", x, w.refusal)
	w.until(&w.refusing, x)
}

func kill(w *world, d dice) {
	if p := w.someone(d); p != nil {
		p.kill()
	}
}

func restart(w *world, d dice) {
	if p := w.someone(d); p != nil {
		p.restart(d.of(2).span(10*time.Millisecond, 30*time.Second))
	}
}

func hold(w *world, d dice) {
	if p := w.someone(d); p != nil && p.up() {
		p.pause(d.of(2).span(2*time.Second, 10*time.Minute))
	}
}

func cut(w *world, d dice) {
	if p := w.someone(d); p != nil && w.unordered() {
		x := pick(d.of(2), d.span(2*time.Second, time.Minute), d.span(2*time.Second, time.Minute), d.span(time.Minute, 40*time.Minute))
		w.note("%s is cut off from the store for %v", p.name, x)
		p.cutOff(x)
	}
}

func storeDown(w *world, d dice) {
	x := pick(d.of(2), d.span(time.Second, 30*time.Second), d.span(time.Second, 30*time.Second), d.span(time.Minute, 40*time.Minute))
	w.note("the store is away for %v", x)
	w.store.stop(x)
}

func failover(w *world, d dice) {
	x := d.of(2).span(time.Millisecond, forgets)
	w.note("the store fails over and forgets %v", x)
	w.store.forget("failover", x, d.of(3).span(100*time.Millisecond, 10*time.Second))
}

func wipe(w *world, d dice) {
	w.note("the store is wiped")
	w.store.forget("wipe", 0, d.of(3).span(time.Millisecond, 10*time.Second))
}

// restore puts an older copy back; every other time it only makes one.
func restore(w *world, d dice) {
	if d.of(4).chance(0.5) {
		w.store.save()
		return
	}
	w.note("an older copy of the store is put back")
	w.store.forget("restore", 0, d.of(3).span(time.Millisecond, 10*time.Second))
}

func clockStep(w *world, d dice) {
	x := pick(d.of(2), d.span(-5*time.Second, 5*time.Second), d.span(-3*time.Minute, 3*time.Minute))
	w.note("the store's clock is set by %v", x)
	for _, app := range w.apps {
		w.judge.excuse(string(app.AppID))
	}
	w.store.step(x)
}

func outsider(w *world, d dice) {
	app := w.someApp(d)
	w.note("an outsider issues for %s", app)
	if w.shape.source == "stable" && d.of(2).chance(0.5) {
		_ = w.sim.OutsiderForce(app)
	} else {
		_ = w.sim.Outsider(app)
	}
	w.judge.excuse(app)
}

func revoke(w *world, d dice) {
	app := w.someApp(d)
	w.note("WeChat revokes all of %s", app)
	_ = w.sim.Revoke(app)
	w.judge.excuse(app)
}

// twice revokes what there is, lets it be reported, and revokes what came of it.
func twice(w *world, d dice) {
	app := w.someApp(d)
	for i := range uint64(2) {
		w.note("WeChat revokes all of %s", app)
		_ = w.sim.Revoke(app)
		w.judge.excuse(app)
		for _, s := range w.slots {
			x := d.of(70+i, s.number)
			time.AfterFunc(x.span(0, time.Second), func() { w.visit(s, credential.Key{App: credential.App(app), Kind: credential.AccessToken}, x) })
		}
		if !w.sleep(d.of(80+i).span(4*time.Second, 20*time.Second)) {
			return
		}
	}
}

func expire(w *world, d dice) {
	app := w.someApp(d)
	w.note("WeChat lets all of %s expire", app)
	_ = w.sim.Expire(app)
	w.judge.excuse(app)
}

// unordered reports whether no operator has wanted anything for a while.
func (w *world) unordered() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ordered.IsZero() || time.Since(w.ordered) > 3*overlap
}

// order is an operator who renews.
func order(w *world, d dice) {
	p := w.someone(d)
	if p == nil || !p.up() {
		return
	}
	// A node that is cut off cannot know of an order.
	for _, s := range w.slots {
		if p := s.process(); p != nil && p.troubled() {
			return
		}
	}
	key := credential.Key{App: credential.App(w.someApp(d)), Kind: credential.AccessToken}
	leak := d.of(3).chance(0.3)
	if leak {
		w.judge.excuse(string(key.App))
	}
	w.mu.Lock()
	w.ordered = time.Now()
	w.mu.Unlock()
	w.note("an operator renews %s at %s", key, p.name)
	go func() { _, _ = p.Renew(context.Background(), key, leak) }()
}
