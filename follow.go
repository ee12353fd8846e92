package hufu

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	longWait   = 30 * time.Second // one call that waits for a new value
	firstPause = 100 * time.Millisecond
	longPause  = 15 * time.Second // between two calls while the server is away
	hurryPause = 5 * time.Second  // the same with nothing in hand
)

// round is what the goroutine of a follower remembers from one call to the next.
type round struct {
	look     bool          // ask what there is, instead of waiting for a later generation
	bad      int           // calls in a row that failed, or ended before their time
	patience time.Duration // how long to wait in one call
	idle     time.Time     // since when nobody has asked
}

// run follows the server until nobody has asked for the life of a value. With
// nothing to give it ends as soon as nobody asks.
func (f *follower) run() {
	// Generations start anew when a server is restored, or another sort of
	// token is given. So the first call, and each after trouble, goes by the
	// value's tag.
	r := &round{look: true}
	for f.next(r) {
		f.sleep(f.turn(r))
	}
}

// next begins a round, or ends the follower and reports false.
func (f *follower) next(r *round) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hot.Store(nil)
	now := time.Now()
	var life time.Duration
	if f.held.live(now) {
		life = f.held.ExpiresAt.Sub(f.held.IssuedAt)
	}
	asked := f.asked
	if asked {
		f.asked, r.idle = false, now
	}
	if f.c.ctx.Err() != nil || !asked && now.Sub(r.idle) >= life {
		f.running = false
		f.cut(time.Time{}) // by the time somebody asks again it may be over
		f.c.forget(f)
		f.announce()
		return false
	}
	f.pausing = false
	return true
}

// turn makes one call to the server, and returns how long to pause after it.
func (f *follower) turn(r *round) (pause time.Duration) {
	began := time.Now()
	f.mu.Lock()
	v, ends := f.held, began.Add(longWait+2*answerTime)
	if !v.live(began) {
		v, r.look = nil, true
	} else if v.until.Before(ends) {
		ends = v.until
	}
	f.mu.Unlock()

	waited, patience := !r.look, r.patience
	a, err := f.ask(waited, patience, v, ends)

	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if err != nil && v != nil && !now.Before(ends) && f.c.ctx.Err() == nil {
		r.look = true // what was in hand is over: who reads goes on waiting while we ask anew
		return 0
	}
	defer f.announce()
	f.first = time.Time{}
	if err != nil {
		f.err, f.pausing = err, true
		if refused(err) {
			f.cut(f.keep) // for so long the server had let us keep it
		}
		r.look = true
		r.bad++
		return f.pause(r.bad, now, retryAfter(err))
	}
	r.patience = min(max(a.maxAge, time.Second), longWait)
	fresh := f.accept(a, v, now)
	// The tag of a 304 tells when there is another value with a generation
	// that is no later.
	r.look = waited && a.value == nil && a.tag != "" && v == f.held && a.tag != v.tag
	switch early := now.Sub(began) < patience/2; {
	case fresh || waited && !early:
		r.bad = 0
		return 0
	case !waited:
		return 0
	}
	r.bad++ // the server, or what stands between, does not know how to wait
	return f.pause(r.bad, now, 0)
}

// ask makes the call itself. v is what is in hand, until ends.
func (f *follower) ask(wait bool, patience time.Duration, v *value, ends time.Time) (answer, error) {
	allowed := answerTime
	if wait {
		allowed += patience
	}
	ctx, cancel := context.WithDeadline(f.c.ctx, ends)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, allowed)
	defer cancel()
	if wait {
		return f.c.wait(ctx, f.key, v.Generation, patience)
	}
	if v != nil {
		return f.c.look(ctx, f.key, v.tag)
	}
	a, err := f.c.look(ctx, f.key, "")
	if err == nil && a.value == nil {
		err = strange(f.key.String(), http.StatusNotModified)
	}
	return a, err
}

// accept takes over what was answered; v is what was in hand when it was asked.
// It reports whether there is a new value.
func (f *follower) accept(a answer, v *value, now time.Time) (fresh bool) {
	switch {
	case a.value == nil:
		f.err = nil
		if f.held == v {
			f.keep = now.Add(a.maxAge)
		}
	case f.held.live(now) && a.value.older(f.held):
		// From a node that is behind, or has lost its store.
		f.err = nil
	default:
		fresh = f.held == nil || f.held.tag != a.value.tag
		f.take(a.value, a.maxAge)
	}
	return fresh
}

// pause is how long to leave the server alone after n bad calls in a row: less
// with nothing in hand, and never so that all come back at once.
func (f *follower) pause(n int, now time.Time, asked time.Duration) time.Duration {
	longest := longPause
	if !f.held.live(now) {
		longest = hurryPause
	}
	d := min(max(firstPause<<min(n-1, 10), asked), longest)
	return d/2 + rand.N(d/2+1)
}

// sleep pauses, but not past the end of what is in hand.
func (f *follower) sleep(d time.Duration) {
	if d == 0 {
		return
	}
	f.mu.Lock()
	if now := time.Now(); f.held.live(now) {
		d = min(d, f.held.until.Sub(now))
	}
	f.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.c.ctx.Done():
	}
}
