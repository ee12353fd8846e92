package keeper

import (
	"context"
	"crypto/rand"
	"time"
)

// solo lets a node that is cut off from its store ask for itself, where asking
// is no harm: on a line that gives the same value to all who ask and ends none.
// It takes the steps of the protocol on a copy of the record of its own, so all
// pauses, quotas and the bucket hold there too; it never forces. What it gets is
// served as a value that waits for the store, and is saved when that is back.
//
// It waits for the end of the value in hand, since the store may be back sooner.
func (k *Keeper) solo(e *entry) {
	if !k.cutOff.Load() {
		return
	}
	p, app, ok := k.policyOf(e.key)
	if !ok {
		return
	}
	e.mu.Lock()
	known, clk, u, r := e.known && e.spoiled == nil, e.clock, e.unsaved, e.current()
	now := clk.store(time.Now())
	switch {
	case e.solo != nil:
		r = *e.solo
	case u != nil:
		r, _ = p.settle(r, u.plan, u.id, u.outcome, now)
	}
	if e.buried != "" {
		r = r.refuse(e.buried)
	}
	e.mu.Unlock()
	n := p.plan(r, now)
	if !known || n.At.IsZero() || n.At.After(now) || n.Force || n.Line.Ends || r.live(now) && r.Expires.Sub(now) > p.overlap/2 {
		return
	}
	g, err := k.grant(e.key, app, n)
	if err != nil {
		return
	}
	id := rand.Text()[:12]
	r = p.open(r, n, id, now)
	g.SendBy = time.Now().Add(k.guard)
	ctx, cancel := context.WithTimeout(context.Background(), k.timeout)
	defer cancel()
	sent := time.Now()
	o := outcome{}
	o.Issued, err = n.Line.Issue(ctx, k.Upstream, g)
	answered := time.Now()
	if err != nil {
		o.Err = wechatError(err)
	}
	o.Sent, o.Answered = clk.store(sent), clk.store(answered)
	drift := answered.Round(0).Sub(sent.Round(0)) - answered.Sub(sent)
	o.Exact = drift.Abs() < time.Second
	r, res := p.settle(r, n, id, o, o.Answered)

	e.mu.Lock()
	defer e.mu.Unlock()
	e.solo = &r
	e.issues[res]++
	if err != nil {
		k.Log.Warn("not issued; the store is away and this node asked for itself", append(say(o.Err), "app", e.key.App, "kind", e.key.Kind)...)
		return
	}
	if u != nil {
		id = u.id // its attempt may stand in the store
	}
	e.unsaved = &unsaved{plan: n, id: id, outcome: o, kept: true}
	k.show(e, p)
	k.Log.Warn("the store is away; this node asked for itself", "app", e.key.App, "kind", e.key.Kind)
}
