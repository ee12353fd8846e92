package keeper

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
)

// kick has an entry looked at as soon as may be.
func (k *Keeper) kick(e *entry) {
	e.mu.Lock()
	if e.acting {
		e.again = true
	} else {
		k.queue.put(e, time.Now())
	}
	e.mu.Unlock()
}

// act does what the plan says now, one action per entry at a time, and puts
// the entry back into the queue for the next.
func (k *Keeper) act(ctx context.Context, e *entry) {
	e.mu.Lock()
	if e.acting || e.gone {
		e.again = e.again || e.acting
		e.mu.Unlock()
		return
	}
	e.acting = true
	e.mu.Unlock()
	next := k.step(ctx, e)
	e.mu.Lock()
	e.acting = false
	if e.again {
		e.again, next = false, time.Now()
	}
	// Under the lock, or a kick in between is put off until next.
	if !e.gone {
		k.queue.put(e, next)
	}
	e.mu.Unlock()
}

// step takes at most one step of the protocol, and returns when to look again;
// zero means when something changes.
func (k *Keeper) step(ctx context.Context, e *entry) time.Time {
	if ctx.Err() != nil {
		return time.Time{}
	}
	k.solo(e)
	if k.hasUnsaved(e) {
		return k.save(e)
	}
	p, app, ok := k.policyOf(e.key)
	if !ok {
		return time.Time{}
	}
	if e.onDemand && !k.meetFirst(ctx, e) {
		return time.Now().Add(k.beat)
	}
	e.mu.Lock()
	rec, version, behind, known, clk, buried := e.current(), e.version, e.behind, e.known && e.spoiled == nil, e.clock, e.buried
	e.mu.Unlock()
	if !known || clk.took > k.guard {
		return time.Time{} // follow will read it, and kick
	}
	if p.idle(rec, clk.store(time.Now())) {
		return k.rest(e, p)
	}
	if rec.Value != "" && !rec.Dead && rec.Value == buried {
		// The store was away when the value was found dead.
		if k.change(e, k.term, func(r record, _ time.Time) (record, bool) { return r.refuse(buried), r.Value == buried }) != nil {
			return time.Now().Add(k.beat)
		}
		return time.Now()
	}
	if (version == "" || behind) && rec.Format > 0 {
		if behind {
			k.forgot(e.key)
		}
		if k.change(e, k.term, func(r record, _ time.Time) (record, bool) {
			e.mu.Lock()
			defer e.mu.Unlock()
			return r, e.version == "" || e.behind // nobody else was faster
		}) != nil {
			return time.Now().Add(k.beat)
		}
		return time.Now()
	}
	now := time.Now()
	n := p.plan(rec, clk.store(now))
	if n.At.IsZero() {
		return time.Time{}
	}
	if at := clk.local(n.At); at.After(now) {
		if end := clk.local(rec.Expires); rec.live(clk.store(now)) && end.Before(at) {
			return end // with nothing live in hand, less stands in the way
		}
		return at
	}
	if a, ok := rec.intent(); ok && n.Reason == heal && clk.store(now).Sub(a.At) > k.overlap && k.outlived(e) {
		return time.Now() // plan anew: it is known to be dead
	}
	return k.attempt(e, p, app, n)
}

// forgot says that the store has lost writes, once a minute for all apps.
func (k *Keeper) forgot(key credential.Key) {
	now := time.Now().Unix()
	if last := k.saidForgot.Load(); now-last >= 60 && k.saidForgot.CompareAndSwap(last, now) {
		k.Log.Warn("the store has lost its last writes; what this node knows goes back there", "app", key.App, "kind", key.Kind)
	}
}

// outlived asks WeChat about a value that an unresolved attempt may have ended
// more than an overlap ago, as after a restart: should the healing fail, a dead
// value must not go on being served. It reports whether the value is dead.
func (k *Keeper) outlived(e *entry) bool {
	v := e.view.Load()
	if !v.live(time.Now()) {
		return false
	}
	p := k.ask(e, v, k.believe)
	if p == nil {
		return false
	}
	<-p.done
	return p.verdict == proven
}

// attempt writes an attempt down, sends it once, and takes the outcome in.
// It is not cut short by a shutdown: that would leave an intent behind.
func (k *Keeper) attempt(e *entry, p policy, app *registry.App, n plan) time.Time {
	g, err := k.grant(e.key, app, n)
	if err != nil && n.Line.With != "" {
		return time.Now() // plan anew with the one in hand now, if there is one
	}
	if err != nil {
		k.Log.Warn("cannot issue yet", "app", e.key.App, "kind", e.key.Kind, "err", err)
		return time.Now().Add(k.maxAge)
	}
	id := rand.Text()[:12]
	began, mine := time.Now(), false
	err = k.change(e, k.guard, func(r record, now time.Time) (record, bool) {
		if _, mine = r.own(id); mine {
			return r, false // a conflict with our own unsure write
		}
		// Look again: another node may have been faster.
		if m := p.plan(r, now); m.At.IsZero() || m.At.After(now) || m.Reason != n.Reason || m.Force != n.Force || m.Line.Source != n.Line.Source {
			return r, false
		}
		mine = true
		return p.open(r, n, id, now), true
	})
	if errors.Is(err, store.ErrUnsure) {
		// It may be open. Nothing is sent; it is taken back if it is there.
		_ = k.change(e, k.term, func(r record, now time.Time) (record, bool) {
			_, mine := r.own(id)
			return p.withdraw(r, n, id, now), mine
		})
		return time.Now().Add(k.beat)
	}
	if err != nil {
		return time.Now().Add(k.beat)
	}
	// Not asked of e.rec: a read that overtook the write may have put an older
	// record there for a moment.
	if !mine {
		return time.Now() // plan anew on what is there now
	}

	g.SendBy = began.Add(k.guard)
	ctx, cancel := context.WithTimeout(context.Background(), k.timeout)
	o, wall := outcome{}, time.Now()
	sent := wall
	o.Issued, err = n.Line.Issue(ctx, k.Upstream, g)
	cancel()
	answered := time.Now()
	if err != nil {
		o.Err = wechatError(err)
		if g.With != "" && errcode.DeadToken(o.Err.Code) {
			k.accuse(credential.Key{App: e.key.App, Kind: g.With}, g.Secret)
		}
	}
	e.mu.Lock()
	o.Sent, o.Answered = e.clock.store(sent), e.clock.store(answered)
	e.mu.Unlock()
	// The wall clock and the monotonic one must agree about how long it took:
	// they do not if this machine slept or was set in between.
	drift := answered.Round(0).Sub(wall.Round(0)) - answered.Sub(sent)
	o.Exact = drift.Abs() < time.Second
	e.mu.Lock()
	e.unsaved = &unsaved{plan: n, id: id, outcome: o}
	e.mu.Unlock()
	return k.save(e)
}

func (k *Keeper) hasUnsaved(e *entry) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unsaved != nil
}

// save takes the outcome of an attempt into the record. While the store is
// away it is kept, and readers are served from it once the old value is not
// certain any more.
func (k *Keeper) save(e *entry) time.Time {
	p, _, ok := k.policyOf(e.key)
	e.mu.Lock()
	u, before := e.unsaved, e.rec.Failure
	e.mu.Unlock()
	if !ok {
		k.drop(e, u) // the app is gone; its value goes with it
		return time.Time{}
	}
	limit := k.beat // a store that hangs must not keep a value from readers
	if u.kept {
		limit = k.term
	}
	var res result
	err := k.change(e, limit, func(r record, now time.Time) (record, bool) {
		var next record
		next, res = p.settle(r, u.plan, u.id, u.outcome, now)
		return next, res != orphaned
	})
	if err != nil {
		e.mu.Lock()
		if !u.kept {
			k.Log.Error("the outcome of an issue cannot be stored yet", "app", e.key.App, "kind", e.key.Kind, "err", err)
		}
		u.kept = true
		k.show(e, p)
		certain := time.Time{}
		if v := e.view.Load(); v != nil {
			certain = v.certain
		}
		e.mu.Unlock()
		next := time.Now().Add(k.beat / 4)
		if certain.After(time.Now()) && certain.Before(next) {
			return certain
		}
		return next
	}
	k.drop(e, u)
	e.count(res)
	k.tell(e, u, res, before)
	return time.Now()
}

func (k *Keeper) drop(e *entry, u *unsaved) {
	p, _, ok := k.policyOf(e.key)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.unsaved == u {
		e.unsaved = nil
	}
	if ok && e.known {
		k.show(e, p)
	}
}

// tell writes the log line of an issue.
func (k *Keeper) tell(e *entry, u *unsaved, res result, before *failure) {
	log := k.Log.With("app", e.key.App, "kind", e.key.Kind, "source", u.plan.Line.Source, "reason", u.plan.Reason, "result", res.String())
	e.mu.Lock()
	rec := e.rec
	e.mu.Unlock()
	if p, _, ok := k.policyOf(e.key); ok && p.left(rec.Bucket, rec.Bucket.At) < 1 {
		log.Warn("the budget of unscheduled issues is used up; the value in hand is served to its end", "one_more_in", p.every)
	}
	switch err := u.outcome.Err; {
	case err == nil && res == repeated && !u.plan.Line.Repeats:
		log.Warn("WeChat gave the old value again where it should make a new one", "generation", rec.Generation)
	case err == nil:
		log.Info("issued", "generation", rec.Generation, "expires", rec.Expires.UTC())
		if odd := u.outcome.Issued.Odd; odd != "" {
			log.Warn("WeChat's answer is odd; the value is taken", "why", odd)
		}
	case before == nil || before.Code != err.Code || before.Count <= 1:
		log.Warn("not issued", append(say(err), "next", latest(rec.NotBefore, rec.dry(u.plan.Line.Source, u.outcome.Answered)).UTC())...)
	default:
		log.Debug("not issued", "errcode", err.Code, "err", err)
	}
	if err := u.outcome.Err; err == nil && u.plan.Reason == dead {
		log.Warn("the value had died before its time: some other program issues for this app, or WeChat revoked it", "generation", rec.Generation)
	}
}

// say is an upstream error for the log, with the way out.
func say(err *wechat.Error) []any {
	attrs := []any{"errcode", err.Code, "err", err}
	if err.IP != "" {
		attrs = append(attrs, "ip", err.IP)
	}
	if w, ok := errcode.Lookup(err.Code); ok && err.Code != 0 {
		attrs = append(attrs, "hint", w.EN.Hint)
	}
	return attrs
}

// change replaces the record by what f makes of it, again and again until no
// other write comes between. f returns false to leave it as it is. The error
// is the store's; on store.ErrUnsure the write may have happened.
func (k *Keeper) change(e *entry, limit time.Duration, f func(r record, now time.Time) (record, bool)) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		e.mu.Lock()
		rec, version, clk, bad := e.current(), e.version, e.clock, e.spoiled
		e.mu.Unlock()
		if bad != nil {
			return bad.err
		}
		if rec.Format > format {
			return store.ErrLater
		}
		next, write := f(rec, clk.store(time.Now()))
		if !write {
			return nil
		}
		value, err := next.encode()
		if err != nil {
			return err
		}
		asked := time.Now()
		said := clk.store(asked)
		got, err := k.Store.Put(ctx, store.Record{
			Key: storeKey(e.key), Version: version, Value: value, Now: said, Expires: said.Add(k.keep(e)),
		})
		switch {
		case err == nil:
			k.wrote(e, next, version, got, asked)
			return nil
		case errors.Is(err, store.ErrConflict):
			if err := k.load(ctx, e); err != nil {
				return err
			}
		case errors.Is(err, store.ErrUnsure):
			k.lost(err)
			_ = k.load(ctx, e)
			return err
		default:
			k.lost(err)
			return err
		}
	}
}

// probeLine is the line whose probe shows whether a value of this entry works.
func (k *Keeper) probeLine(e *entry) (wechat.Line, bool) {
	p, _, ok := k.policyOf(e.key)
	if !ok {
		return wechat.Line{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	l, ok := p.source(e.rec.Source)
	return l, ok && l.Probe != ""
}
