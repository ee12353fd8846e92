package proof

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// register is the store that all nodes share: one linearizable register per key,
// with versions, its own clock, and the ways in which a store forgets.
type register struct {
	w *world

	mu      sync.Mutex
	ahead   time.Duration // its clock, before true time
	stepped time.Time     // when that was last changed
	records map[string]store.Record
	writes  uint64
	recent  []change // what a failover may forget
	copied  map[string]store.Record
	readers map[*reader]bool
	down    atomic.Int64 // it answers nobody until then, counted from the begin
}

// change is a write that may be forgotten again.
type change struct {
	at     time.Time
	key    string
	before store.Record
	there  bool
}

// forgets is how old a write may be that a failover forgets.
const forgets = 3 * time.Second

// again is how soon a lost notice is made up for by the word to read all anew,
// as the contract of Store.Watch has it, and as the backends do.
const again = 1800 * time.Millisecond

func newRegister(w *world) *register {
	return &register{w: w, records: map[string]store.Record{}, copied: map[string]store.Record{}, readers: map[*reader]bool{}}
}

// now is the store's clock. The caller holds r.mu.
func (r *register) now() time.Time { return time.Now().Add(r.ahead).Round(0).UTC() }

// truth is a moment of the store's in true time, as far as its clock was not set
// in between.
func (r *register) truth(at time.Time) time.Time { return at.Add(-r.ahead) }

func (r *register) get(key string) (store.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec, ok := r.records[key]
	if now := r.now(); !ok || !rec.Expires.IsZero() && !now.Before(rec.Expires) {
		return store.Record{Key: key, Now: now}, store.ErrNotFound
	}
	rec.Now = r.now()
	return rec, nil
}

func (r *register) list(prefix string) (all []store.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for _, key := range slices.Sorted(maps.Keys(r.records)) {
		if rec := r.records[key]; strings.HasPrefix(key, prefix) && (rec.Expires.IsZero() || now.Before(rec.Expires)) {
			rec.Now = now
			all = append(all, rec)
		}
	}
	return all
}

// put is where a write happens, whether its writer hears of it or not.
func (r *register) put(p *process, in store.Record) (store.Record, error) {
	life, err := in.Life()
	if err != nil {
		return store.Record{}, err
	}
	r.mu.Lock()
	old, there := r.records[in.Key]
	if old.Version != in.Version {
		r.mu.Unlock()
		return store.Record{}, fmt.Errorf("put %s: %w", in.Key, store.ErrConflict)
	}
	r.writes++
	out := in
	out.Version = fmt.Sprintf("%016x", r.writes)
	out.Now = r.now()
	out.Written = out.Now
	if life > 0 {
		out.Expires = out.Now.Add(life)
	}
	out.Value = slices.Clone(in.Value)
	r.records[in.Key] = out
	for len(r.recent) > 0 && time.Since(r.recent[0].at) > forgets {
		r.recent = r.recent[1:]
	}
	r.recent = append(r.recent, change{time.Now(), in.Key, old, there})
	d := r.w.dice.of(word("notice"), r.writes)
	r.tell(in.Key, d)
	r.mu.Unlock()
	r.w.judge.written(p, in.Key, old, out)
	return out, nil
}

// tell sends notices of a change on their way. The caller holds r.mu.
func (r *register) tell(key string, d dice) {
	for n := range r.readers {
		d := d.of(n.of.number)
		if n.prefix != "" && !strings.HasPrefix(key, n.prefix) && key != "" {
			continue
		}
		f := r.w.faults()
		if key == "" || d.of(1).chance(f.noticeLost) || n.of.away() {
			time.AfterFunc(d.of(2).span(again/2, again), func() { n.tell("", d) })
			continue
		}
		time.AfterFunc(d.of(3).span(200*time.Microsecond, 20*time.Millisecond), func() { n.tell(key, d) })
		if d.of(4).chance(f.noticeTwice) {
			time.AfterFunc(d.of(5).span(time.Millisecond, 3*time.Second), func() { n.tell(key, d.of(6)) })
		}
	}
}

// forget takes the store back: to what it was a while ago, to the copy, or to
// nothing. It answers nobody for so long.
func (r *register) forget(how string, back, down time.Duration) {
	r.mu.Lock()
	before := maps.Clone(r.records)
	switch how {
	case "failover":
		for i := len(r.recent) - 1; i >= 0 && time.Since(r.recent[i].at) < back; i-- {
			if c := r.recent[i]; c.there {
				r.records[c.key] = c.before
			} else {
				delete(r.records, c.key)
			}
		}
	case "restore":
		r.records = maps.Clone(r.copied)
	case "wipe":
		r.records = map[string]store.Record{}
	}
	r.recent = nil
	r.down.Store(int64(time.Since(r.w.begin) + down))
	r.tell("", r.w.dice.of(word(how), r.writes, uint64(time.Since(r.w.begin))))
	after := maps.Clone(r.records)
	r.mu.Unlock()
	r.w.judge.forgotten(before, after)
}

// save makes the copy that a restore puts back.
func (r *register) save() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.copied = maps.Clone(r.records)
}

// stop takes the store away for so long.
func (r *register) stop(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down.Store(max(r.down.Load(), int64(time.Since(r.w.begin)+d)))
	r.tell("", r.w.dice.of(word("stop"), r.writes, uint64(time.Since(r.w.begin))))
}

// step sets the store's clock.
func (r *register) step(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead += by
	r.stepped = time.Now()
}

func (r *register) isDown() bool { return int64(time.Since(r.w.begin)) < r.down.Load() }

// clock is what the store's says, offset how far that is ahead of the truth.
func (r *register) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now()
}

func (r *register) offset() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ahead
}

// reader is one Watch.
type reader struct {
	of     *process
	prefix string
	keys   chan string
	gone   <-chan struct{}
}

// tell hands a notice over when the reader is there to take it. It does not
// wait in line: then two things could be ready for the reader at one instant,
// and Go would throw dice of its own. While the store is away only that is told.
func (n *reader) tell(key string, d dice) {
	for {
		if n.of.away() && key != "" {
			key = ""
		} else if !n.of.paused() {
			select {
			case n.keys <- key:
				return
			default:
			}
		}
		d = d.of(7)
		select {
		case <-time.After(d.span(time.Millisecond, 9*time.Millisecond) + n.of.rest()):
		case <-n.gone:
			return
		case <-n.of.dead:
			return
		}
	}
}

var (
	errAway   = errors.New("the store cannot be reached")
	errKilled = errors.New("this process was killed")
)

// Get, List, Put, Delete and Watch are the store as one process meets it.
func (p *process) Get(ctx context.Context, key string) (store.Record, error) {
	o := p.op("get", key)
	if err := o.ask(ctx); err != nil {
		return store.Record{}, err
	}
	rec, err := p.w.store.get(key)
	if failed := o.hear(ctx); failed != nil {
		return store.Record{}, failed
	}
	p.w.judge.known(p, rec, err)
	return rec, err
}

func (p *process) List(ctx context.Context, prefix string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		o := p.op("list", prefix)
		err := o.ask(ctx)
		if err == nil {
			all := p.w.store.list(prefix)
			if err = o.hear(ctx); err == nil {
				for _, rec := range all {
					p.w.judge.known(p, rec, nil)
					if !yield(rec, nil) {
						return
					}
				}
				return
			}
		}
		yield(store.Record{}, err)
	}
}

// Put writes. The request may be lost, or come late; so may the answer: the
// writer is then unsure.
func (p *process) Put(ctx context.Context, in store.Record) (store.Record, error) {
	o := p.op("put", in.Key)
	p.w.judge.writing(p, in.Key)
	switch err := o.ask(ctx); {
	case errors.Is(err, errAway), errors.Is(err, errKilled):
		return store.Record{}, err
	case err != nil:
		if o.dice.of(20).chance(0.5) {
			time.AfterFunc(o.dice.of(21).span(time.Millisecond, 3*time.Second), func() { _, _ = p.w.store.put(p, in) })
		}
		return store.Record{}, fmt.Errorf("%w: %w", store.ErrUnsure, err)
	}
	out, err := p.w.store.put(p, in)
	if failed := o.hear(ctx); failed != nil {
		if errors.Is(failed, errKilled) {
			return store.Record{}, failed
		}
		return store.Record{}, fmt.Errorf("%w: %w", store.ErrUnsure, failed)
	}
	if err == nil {
		p.w.judge.known(p, out, nil)
	}
	return out, err
}

func (p *process) Delete(context.Context, string, string) error { panic("the keeper deletes nothing") }

func (p *process) Watch(ctx context.Context, prefix string) <-chan string {
	n := &reader{of: p, prefix: prefix, keys: make(chan string), gone: ctx.Done()}
	r := p.w.store
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readers[n] = true
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.readers, n)
	})
	first := p.dice.of(word("watch"))
	time.AfterFunc(first.span(time.Millisecond, 9*time.Millisecond), func() { n.tell("", first) })
	return n.keys
}

func (p *process) Close() error { return nil }
