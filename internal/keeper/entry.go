package keeper

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
)

// entry is one credential in this node's memory.
type entry struct {
	key      credential.Key
	onDemand bool
	view     atomic.Pointer[view]
	reads    atomic.Uint64
	wanted   atomic.Pointer[time.Time] // see demand.go

	mu      sync.Mutex // guards what follows; never held across a call
	rec     record
	version string // of the record in the store; empty: none there
	fresh   uint64 // the turn; reads asked for before it may be stale
	clock   clock
	known   bool // the store has been read
	behind  bool // the store has forgotten some of rec, which goes back there
	gone    bool // the app is, or nobody wants it any more
	// changed is closed when readers may see something new; nil while nobody
	// waits.
	changed chan struct{}
	acting  bool // an action is under way
	again   bool // look again when it is done
	unsaved *unsaved
	buried  string // a value found dead while the store was away
	spoiled *spoiled
	solo    *record // what rec would be if the store were there; see solo.go
	probe   *probe
	hinted  time.Time // when a weak hint last led to a probe
	issues  [results]uint64
	reports [verdicts]uint64

	// The queue's.
	at    time.Time
	index int
}

// unsaved is a value that WeChat issued and the store has not yet taken.
type unsaved struct {
	plan    plan
	id      string
	outcome outcome
	kept    bool // the store would not take it; readers may need it
}

// spoiled is a record in the store that cannot be read.
type spoiled struct {
	err     error
	version string
	clock   clock
}

// moment is when the store was asked: by our clock, and by a
// count, since a clock may stand still between two moments.
type moment struct {
	at   time.Time
	turn uint64
}

func (k *Keeper) moment() moment { return moment{time.Now(), k.turn.Add(1)} }

// read takes a record that was read, asked for at that moment of ours, and
// shows it to readers. A read that was asked for before a write of ours was
// answered may be older than that write, and is not taken: it is to be asked
// for again, since the notice that led to it is used up.
func (k *Keeper) read(e *entry, rec record, got store.Record, asked moment) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if asked.turn < e.fresh {
		return false
	}
	e.fresh = asked.turn
	rec, e.behind = rec.regain(e.rec, got.Now)
	k.set(e, rec, got, asked.at)
	if e.clock.took > k.guard {
		k.rereadAll() // we were stopped meanwhile, and know the time no better; see step
	}
	return true
}

// wrote takes a record that this node has written over that version. Where
// another version is known by now, it was read since and is newer, or the same.
func (k *Keeper) wrote(e *entry, rec record, over string, got store.Record, asked time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.version != over {
		return
	}
	e.fresh, e.behind = k.turn.Add(1), false
	k.set(e, rec, got, asked)
}

// set takes a record in and shows it to readers. The caller holds e.mu.
func (k *Keeper) set(e *entry, rec record, got store.Record, asked time.Time) {
	if e.version != got.Version {
		e.solo = nil // a store that can be read and not written changes nothing
	}
	e.rec, e.version, e.known = rec, got.Version, true
	e.clock, e.spoiled = clock{said: got.Now, asked: asked, took: time.Since(asked)}.or(e.clock), nil
	if p, _, ok := k.policyOf(e.key); ok && !e.gone {
		k.show(e, p)
	}
}

// show makes the view anew and wakes who waits. The caller holds e.mu.
func (k *Keeper) show(e *entry, p policy) {
	rec := e.rec
	v := k.look(e.key, p, rec, e.clock)
	if rec.Value != "" && rec.Value == e.buried {
		v = nil
	}
	if u := e.unsaved; u != nil && u.kept && u.outcome.Err == nil {
		v = k.lookUnsaved(e, p, u, v)
	}
	e.view.Store(v)
	e.wake()
	for _, kind := range wechat.IssuedWith(e.key.Kind) {
		if needs, ok := k.find(credential.Key{App: e.key.App, Kind: kind}); ok {
			k.kick(needs)
		}
	}
}

// wake wakes who waits. The caller holds e.mu.
func (e *entry) wake() {
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
}

// leave takes an entry out of use. The caller holds e.mu.
func (e *entry) leave() {
	e.gone = true
	e.view.Store(nil)
	e.wake()
}

// lookUnsaved is the view while a value waits for the store: the old one as
// long as it is certain, then the new one, in doubt and without a generation.
func (k *Keeper) lookUnsaved(e *entry, p policy, u *unsaved, old *view) *view {
	now := time.Now()
	if old != nil && now.Before(old.certain) {
		return old
	}
	if u.outcome.Issued.Value.Reveal() == e.buried {
		return nil
	}
	next, _ := p.commit(record{}, u.plan, u.outcome, u.outcome.Sent)
	v := k.look(e.key, p, next, e.clock)
	if v != nil {
		v.cred.Generation, v.cred.Tag = 0, tag(k.tagKey, 0, next.Value)
		v.doubt = now
	}
	return v
}

// wait is closed when readers may see something new.
func (e *entry) wait() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changed == nil {
		e.changed = make(chan struct{})
	}
	return e.changed
}

func (e *entry) count(r result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.issues[r]++
}
