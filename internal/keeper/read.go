package keeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
)

// Get returns the credential to use now. While a live value is in memory it
// returns at once, without the store and without WeChat. Otherwise it waits up
// to three seconds for one. Errors: credential.ErrNotFound, and
// *credential.Unavailable with the reason.
func (k *Keeper) Get(ctx context.Context, key credential.Key) (credential.Credential, error) {
	e, ok := k.asked(key)
	if !ok {
		return credential.Credential{}, credential.ErrNotFound
	}
	e.reads.Add(1)
	now := time.Now()
	if v := e.view.Load(); v.live(now) {
		return v.read(k.times, now, k.cutOff.Load()), nil
	}
	return k.await(ctx, e, readWait, func(*view) bool { return true })
}

// Wait blocks until a generation later than after is in hand, and returns it.
// If ctx ends first it returns what is in hand with credential.ErrUnchanged,
// or, with nothing live in hand, *credential.Unavailable. A generation before
// after is of another history: the store was put back to an older copy. It is
// returned, too, two seconds later, since so long a node may be behind the one
// that told of after.
func (k *Keeper) Wait(ctx context.Context, key credential.Key, after uint64) (credential.Credential, error) {
	e, ok := k.asked(key)
	if !ok {
		return credential.Credential{}, credential.ErrNotFound
	}
	e.reads.Add(1)
	early, cancel := context.WithTimeout(ctx, k.beat)
	c, err := k.await(early, e, 0, func(v *view) bool { return v.cred.Generation > after })
	cancel()
	if err != nil && ctx.Err() == nil {
		c, err = k.await(ctx, e, 0, func(v *view) bool { return !k.unchanged(v, after) })
	}
	if errors.Is(err, credential.ErrUnavailable) {
		if now, v := time.Now(), e.view.Load(); v.live(now) {
			c, err = v.read(k.times, now, k.cutOff.Load()), nil
			if k.unchanged(v, after) {
				err = credential.ErrUnchanged
			}
		}
	}
	return c, err
}

// unchanged reports whether who has that generation has the value of the view,
// or, as far as a node that is cut off can know, a newer one.
func (k *Keeper) unchanged(v *view, after uint64) bool {
	g := v.cred.Generation
	return g == after || g != 0 && g < after && k.cutOff.Load()
}

// await waits for a live view that is good, until ctx ends or the limit (0:
// none) is over.
func (k *Keeper) await(ctx context.Context, e *entry, limit time.Duration, good func(*view) bool) (credential.Credential, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	for {
		changed := e.wait()
		now := time.Now()
		v := e.view.Load()
		if v.live(now) && good(v) {
			return v.read(k.times, now, k.cutOff.Load()), nil
		}
		if limit > 0 && k.hopeless(e, limit) {
			return credential.Credential{}, k.unavailable(e)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return credential.Credential{}, k.unavailable(e)
		}
	}
}

// hopeless reports whether nothing can come within the limit: nobody is
// issuing, and nobody will.
func (k *Keeper) hopeless(e *entry, limit time.Duration) bool {
	p, _, ok := k.policyOf(e.key)
	if !ok {
		return true
	}
	if with, ok := k.lacking(e, p); ok {
		return k.hopeless(with, limit)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.spoiled != nil {
		return true
	}
	if !e.known || e.acting || e.view.Load().live(time.Now()) {
		return false
	}
	now := e.clock.store(time.Now())
	return p.leaseEnd(e.rec, now).IsZero() && p.plan(e.current(), now).At.Sub(now) > limit
}

// lacking is the credential that this one is issued with, if that is not in
// hand.
func (k *Keeper) lacking(e *entry, p policy) (*entry, bool) {
	if !p.lacks() {
		return nil, false
	}
	return k.entry(credential.Key{App: e.key.App, Kind: p.line.With})
}

// unavailable says why nothing live is in hand, and when to come back.
func (k *Keeper) unavailable(e *entry) *credential.Unavailable {
	p, _, ok := k.policyOf(e.key)
	if with, ok := k.lacking(e, p); ok {
		u := k.unavailable(with)
		u.Key, u.Reason = e.key, fmt.Sprintf("it is issued with the app's %s: %s", with.key.Kind, u.Reason)
		return u
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	u := &credential.Unavailable{Key: e.key, Reason: "no value has been issued yet", RetryAfter: k.beat}
	switch {
	case e.spoiled != nil:
		u.Blocked = true
		u.Reason = "the record in the store cannot be read; an operator's renewal replaces it"
		return u
	case !ok || !e.known:
		u.Reason = "the store cannot be read yet"
		return u
	}
	now := e.clock.store(time.Now())
	if f := e.rec.Failure; f != nil {
		u.Code, u.IP, u.Blocked = f.Code, f.IP, f.Class == errcode.Block
		u.Reason = f.Text
		if entry, known := errcode.Lookup(f.Code); known && f.Code != 0 {
			u.Reason = fmt.Sprintf("WeChat answered %d: %s", f.Code, entry.EN.Meaning)
		}
	} else if e.rec.Dead {
		u.Reason = "WeChat refused the value in hand; a new one is being issued"
	}
	if k.cutOff.Load() {
		u.Reason = "the store cannot be reached, and without it nothing is issued"
	}
	if at := p.plan(e.current(), now).At; at.After(now) {
		u.RetryAfter = max(time.Second, at.Sub(now))
	}
	return u
}
