package keeper

import (
	"context"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// reask has WeChat asked for a value again of which a client says that it does
// not work, once for all who say so.
func (k *Keeper) reask(ctx context.Context, e *entry, v *view) (credential.Credential, error) {
	value := v.cred.Value.Reveal()
	err := k.change(e, k.term, func(r record, _ time.Time) (record, bool) {
		first := r.Value == value && !r.Suspect
		r.Suspect = r.Suspect || first
		return r, first
	})
	if err == nil {
		k.kick(e)
	}
	for err == nil {
		changed := e.wait()
		if !k.asking(e, value) {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	e.mu.Lock()
	rec := e.rec
	e.mu.Unlock()
	switch {
	case err == nil && rec.Value != value:
		e.reported(proven)
	case err == nil && !rec.Suspect && rec.Failure == nil:
		e.reported(alive)
	default:
		e.reported(unproven)
	}
	return k.await(ctx, e, reportWait, func(*view) bool { return true })
}

// asking reports whether an answer about a suspect value is to be expected
// while a report waits.
func (k *Keeper) asking(e *entry, value string) bool {
	p, _, ok := k.policyOf(e.key)
	e.mu.Lock()
	defer e.mu.Unlock()
	r, now := e.current(), e.clock.store(time.Now())
	if !ok || !r.Suspect || r.Value != value {
		return false
	}
	at := p.plan(r, now).At
	return e.acting || !p.leaseEnd(r, now).IsZero() || !at.IsZero() && at.Sub(now) < reportWait
}

// accuse takes it that WeChat refused a value which this keeper itself has
// shown. It does not block.
func (k *Keeper) accuse(key credential.Key, value credential.Secret) {
	e, ok := k.find(key)
	if !ok {
		return
	}
	v := e.view.Load()
	switch {
	case !v.live(time.Now()):
		return
	case !v.cred.Value.Equal(value):
		e.reported(notCurrent)
		return
	}
	if p := k.ask(e, v, k.believe); p != nil {
		k.actions.Go(func() {
			<-p.done
			e.reported(p.verdict)
		})
	}
}
