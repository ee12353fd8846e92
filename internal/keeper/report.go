package keeper

import (
	"context"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/wechat"
)

// Claim is what a client says about a value: that it does not work. Value or
// Generation names it; Errcode is what WeChat answered, 0 if unknown. Seen says
// that Hufu itself saw WeChat refuse it: a probe that found it alive is then
// believed for a second instead of ten.
type Claim struct {
	Value      credential.Secret
	Generation uint64
	Errcode    int
	Seen       bool
}

// about reports whether the claim is about this credential's current value.
func (c Claim) about(v *view) bool {
	if c.Value.Empty() {
		return c.Generation == v.cred.Generation
	}
	return c.Value.Equal(v.cred.Value)
}

// verdict is what a report came to.
type verdict int

const (
	notCurrent verdict = iota // another value is in hand already
	notToken                  // the errcode says nothing about the token
	alive
	proven // dead
	unproven
	verdicts
)

func (v verdict) String() string {
	return [...]string{"not_current", "not_token", "alive", "dead", "unknown"}[v]
}

// probe is one question to WeChat whether a value works, shared by all who
// want to know.
type probe struct {
	generation uint64
	value      credential.Secret
	settles    bool // asked before the value was used: no answer to who has seen it refused
	done       chan struct{}
	verdict    verdict   // valid once done is closed
	ended      time.Time // likewise
}

// Report takes a claim that a value does not work and returns the credential
// to use now. A claim about another value than the current one costs nothing.
// One about the current value is checked with WeChat, once for all who claim
// it; only if WeChat refuses it is a new one issued. Where no call can check it,
// WeChat is asked for it again, as far as spacing and budget allow, and what
// comes is the answer. It waits up to five seconds for that. Errors as of Get.
func (k *Keeper) Report(ctx context.Context, key credential.Key, c Claim) (credential.Credential, error) {
	e, ok := k.asked(key)
	if !ok {
		return credential.Credential{}, credential.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, reportWait)
	defer cancel()
	v := e.view.Load()
	switch {
	case !v.live(time.Now()):
		return k.await(ctx, e, reportWait, func(*view) bool { return true })
	case !c.about(v):
		e.reported(notCurrent)
		return k.Get(ctx, key)
	case c.Errcode != 0 && !errcode.DeadToken(c.Errcode):
		e.reported(notToken)
		return k.Get(ctx, key)
	}
	if _, ok := k.probeLine(e); !ok {
		return k.reask(ctx, e, v)
	}
	believe := k.believe
	if c.Seen {
		believe /= 10
	}
	p := k.ask(e, v, believe)
	if p == nil {
		e.reported(unproven)
		return k.Get(ctx, key)
	}
	select {
	case <-p.done:
		e.reported(p.verdict)
	case <-ctx.Done():
		e.reported(unproven)
	}
	return k.await(ctx, e, reportWait, func(*view) bool { return true })
}

// Doubt is a weak hint that the value may not work: somebody asks again for
// what it already has. At most once in a max_age it leads to a probe in the
// background. It does not block.
func (k *Keeper) Doubt(key credential.Key) {
	e, ok := k.entry(key)
	if !ok {
		return
	}
	v, now := e.view.Load(), time.Now()
	if !v.live(now) {
		return
	}
	e.mu.Lock()
	idle := e.hinted.IsZero() || now.Sub(e.hinted) >= k.maxAge
	if idle {
		e.hinted = now
	}
	e.mu.Unlock()
	if idle {
		k.ask(e, v, k.maxAge)
	}
}

// Settle waits until a new value was seen to work, or to be dead. All who wait
// share one probe, which says nothing to who reports the value afterwards. It
// takes five seconds at most and ends with ctx; for a value that is not the
// current one it returns at once.
func (k *Keeper) Settle(ctx context.Context, c credential.Credential) {
	e, ok := k.entry(c.Key)
	if !ok {
		return
	}
	v := e.view.Load()
	if !v.live(time.Now()) || !v.cred.Value.Equal(c.Value) {
		return
	}
	p := k.ask(e, v, 0)
	if p == nil {
		return
	}
	e.mu.Lock()
	p.settles = true
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, reportWait)
	defer cancel()
	select {
	case <-p.done:
	case <-ctx.Done():
	}
}

func (e *entry) reported(v verdict) {
	e.mu.Lock()
	e.reports[v]++
	e.mu.Unlock()
}

// ask starts a probe of the value, or joins the one that is under way or that
// ended not long ago. It is nil where there is no way to probe,
// or not any more.
func (k *Keeper) ask(e *entry, v *view, believe time.Duration) *probe {
	line, ok := k.probeLine(e)
	if !ok {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.probe; p != nil && p.value.Equal(v.cred.Value) {
		select {
		case <-p.done:
			if time.Since(p.ended) < believe && !p.settles {
				return p
			}
		default:
			return p
		}
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.stopped {
		return nil
	}
	p := &probe{generation: v.cred.Generation, value: v.cred.Value, done: make(chan struct{})}
	e.probe = p
	k.actions.Go(func() { k.probe(e, line, v, p) })
	return p
}

// probe asks WeChat, and writes a death down before anyone hears of it.
func (k *Keeper) probe(e *entry, line wechat.Line, v *view, p *probe) {
	p.verdict = k.examine(line, v)
	if p.verdict == proven {
		err := k.change(e, k.term, func(r record, _ time.Time) (record, bool) {
			next := r.refuse(p.value.Reveal())
			return next, next.Dead != r.Dead
		})
		e.mu.Lock()
		u := e.unsaved
		e.mu.Unlock()
		if err != nil || u != nil && u.outcome.Issued.Value.Equal(p.value) {
			k.mourn(e, p.value)
		}
		k.Log.Warn("WeChat refuses the value in hand", "app", e.key.App, "kind", e.key.Kind, "generation", p.generation)
		k.kick(e)
	}
	p.ended = time.Now()
	close(p.done)
}

// examine probes a value. A very young one may be refused because it has not
// yet reached every machine of WeChat's: it counts as dead only if it is
// refused again a little later.
func (k *Keeper) examine(line wechat.Line, v *view) verdict {
	ask := func() verdict {
		switch got, err := k.Upstream.Probe(context.Background(), line, v.cred.Value); got {
		case wechat.Alive:
			return alive
		case wechat.Dead:
			return proven
		default:
			k.Log.Info("a probe found nothing out", "app", v.cred.App, "kind", v.cred.Kind, "err", err)
			return unproven
		}
	}
	born := v.until.Add(-v.cred.ExpiresAt.Sub(v.cred.IssuedAt))
	young := time.Since(born) < k.maxAge // now, however long the answer takes
	first := ask()
	if first == proven && young {
		time.Sleep(k.spread)
		return ask()
	}
	return first
}

// mourn stops serving a value that is dead although the store cannot be told.
func (k *Keeper) mourn(e *entry, value credential.Secret) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buried = value.Reveal()
	if v := e.view.Load(); v != nil && v.cred.Value.Equal(value) {
		e.view.Store(nil)
	}
}
