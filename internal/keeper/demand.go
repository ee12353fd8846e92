package keeper

import (
	"context"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// Credentials that are kept on demand. Who asks for one says that it is wanted:
// in memory, at every node for itself. What a node knows of it goes into the
// record with each renewal, so that after a restart, and on the other nodes, it
// is known well enough, and a read never writes. What nobody has asked for within
// a life is not renewed; it is served to its end, then the node forgets it, and
// its record expires in the store.

// asked finds a credential that somebody asks for.
func (k *Keeper) asked(key credential.Key) (*entry, bool) {
	for {
		e, ok := k.entry(key)
		if !ok || !e.onDemand || k.want(e) {
			return e, ok
		}
		k.unlist(e) // its last step has begun; there will be another
	}
}

// want notes that an entry is wanted. It is false for one that is out of use.
func (k *Keeper) want(e *entry) bool {
	if last := e.wanted.Load(); last != nil && time.Since(*last) < k.beat {
		return true
	}
	e.mu.Lock()
	gone := e.gone
	if !gone {
		now := time.Now()
		e.wanted.Store(&now)
	}
	e.mu.Unlock()
	if !gone {
		k.kick(e)
	}
	return !gone
}

// current is the record with the demand that this node has seen. The caller
// holds e.mu.
func (e *entry) current() record {
	r := e.rec
	if at := e.wanted.Load(); at != nil && e.known {
		r.Wanted = latest(r.Wanted, e.clock.store(*at))
	}
	return r
}

// keep is how long a record stays that nobody writes any more. One that is kept
// on demand has then nothing to say about limits either.
func (k *Keeper) keep(e *entry) time.Duration {
	if e.onDemand {
		return 2 * k.day
	}
	return keepFor
}

// rest lets a credential be that nobody wants, and forgets it after its end.
func (k *Keeper) rest(e *entry, p policy) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	r, at := e.current(), e.clock.store(now)
	switch {
	case !p.idle(r, at):
		return now // somebody has come
	case r.live(at):
		return e.clock.local(r.Expires)
	}
	e.leave()
	k.unlist(e)
	return time.Time{}
}

// unlist takes an entry out of the map, if it is still there.
func (k *Keeper) unlist(e *entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.entries[e.key] == e {
		delete(k.entries, e.key)
	}
}

// meetFirst reads the record of an entry that somebody asked for before anything
// was known of it. It reports whether the store was there.
func (k *Keeper) meetFirst(ctx context.Context, e *entry) bool {
	e.mu.Lock()
	known := e.known || e.spoiled != nil
	e.mu.Unlock()
	return known || k.load(ctx, e) == nil
}
