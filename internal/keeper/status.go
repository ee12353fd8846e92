package keeper

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/wechat"
)

// Renew issues a new value because an operator wants it, and waits up to five
// seconds for it. Pauses after failures do not hold it up; quota, spacing and
// the budget do, and then it returns *credential.Unavailable with what is in
// the way. With leak, the old value has leaked: two new ones are issued, as
// far apart as WeChat wants, after which the old one is dead for good.
func (k *Keeper) Renew(ctx context.Context, key credential.Key, leak bool) (credential.Credential, error) {
	e, ok := k.asked(key)
	p, _, known := k.policyOf(key)
	if !ok || !known {
		return credential.Credential{}, credential.ErrNotFound
	}
	if e.onDemand && !k.meetFirst(ctx, e) {
		return credential.Credential{}, k.unavailable(e)
	}
	e.mu.Lock()
	if s := e.spoiled; s != nil && s.version != "" { // else another node reads it well
		// Begin anew, one generation later than any that was seen here.
		e.rec = record{Generation: e.rec.Generation}
		e.version, e.clock, e.known, e.spoiled = s.version, s.clock, true, nil
	}
	rec, now := e.current(), e.clock.store(time.Now())
	e.mu.Unlock()
	orders := 1
	if leak {
		orders = 2
	}
	n := p.plan(rec.order(orders), now)
	if wait := n.At.Sub(now); wait > reportWait {
		return credential.Credential{}, &credential.Unavailable{
			Key: key, RetryAfter: wait,
			Reason: "WeChat's limits or the day's budget allow no new value before " + n.At.UTC().Format(time.RFC3339),
		}
	}
	if err := k.change(e, k.term, func(r record, _ time.Time) (record, bool) { return r.order(orders), true }); err != nil {
		return credential.Credential{}, &credential.Unavailable{Key: key, RetryAfter: k.beat, Reason: "the order cannot be stored: " + err.Error()}
	}
	k.kick(e)
	ctx, cancel := context.WithTimeout(ctx, reportWait)
	defer cancel()
	c, err := k.Wait(ctx, key, rec.Generation)
	if !errors.Is(err, credential.ErrUnchanged) {
		return c, err
	}
	u := k.unavailable(e)
	e.mu.Lock()
	failed := e.rec.Failure != nil
	e.mu.Unlock()
	if !failed && !u.Blocked {
		u.Reason = "no new value came within " + reportWait.String() + "; the one in hand is still served"
	}
	return c, u
}

// Status is everything about a credential but its value; ok is false where it
// is not kept. One that is kept on demand is so while somebody wants it, and to
// the end of its value.
func (k *Keeper) Status(key credential.Key) (Status, bool) {
	e, ok := k.find(key)
	if !ok && slices.Contains(wechat.Kept(), key.Kind) {
		e, ok = k.entry(key)
	}
	if !ok {
		return Status{}, false
	}
	return k.status(e)
}

// All yields the status of every credential, by app.
func (k *Keeper) All() iter.Seq[Status] {
	return func(yield func(Status) bool) {
		all := k.all()
		slices.SortFunc(all, func(a, b *entry) int { return strings.Compare(a.key.String(), b.key.String()) })
		for _, e := range all {
			if s, ok := k.status(e); ok && !yield(s) {
				return
			}
		}
	}
}

func (k *Keeper) status(e *entry) (Status, bool) {
	p, _, ok := k.policyOf(e.key)
	if !ok {
		return Status{}, false
	}
	now := time.Now()
	v := e.view.Load()
	e.mu.Lock()
	defer e.mu.Unlock()
	r, at := e.current(), e.clock.store(now)
	var n plan
	if e.known {
		n = p.plan(r, at)
	}
	s := Status{
		Key: e.key, Live: v.live(now), InDoubt: k.cutOff.Load() || v != nil && v.inDoubt(now),
		Source: r.Source, Generation: r.Generation, IssuedAt: r.Asked, ExpiresAt: r.Expires, NextAt: n.At,
		BudgetLeft: int(p.left(r.Bucket, at)), Reads: e.reads.Load(),
		Issues: map[string]uint64{}, Reports: map[string]uint64{},
	}
	if s.Source == "" {
		s.Source = p.line.Source
	}
	for i, n := range e.issues {
		s.Issues[result(i).String()] = n
	}
	for i, n := range e.reports {
		s.Reports[verdict(i).String()] = n
	}
	if f := r.Failure; f != nil && !p.newSecret(r) {
		s.Failure = &Failure{Class: f.Class, Code: f.Code, Text: f.Text, IP: f.IP, At: f.At, Count: f.Count}
	}
	switch {
	case s.Live && p.need(r, at).At.After(at):
		s.State = Fresh
	case s.Failure != nil && s.Failure.Class == errcode.Block:
		s.State = Blocked
	case s.Live:
		s.State = Due
	case r.Value == "":
		s.State = Absent
	default:
		s.State = Expired
	}
	return s, true
}
