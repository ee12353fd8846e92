package keeper

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// queue holds the entries by the moment at which each wants to be looked at.
type queue struct {
	mu      sync.Mutex
	entries byTime
	wake    chan struct{} // one slot: the first entry may have changed
}

func (q *queue) init() { q.wake = make(chan struct{}, 1) }

// put moves an entry to a moment; zero takes it out.
func (q *queue) put(e *entry, at time.Time) {
	q.mu.Lock()
	switch {
	case at.IsZero() && e.index > 0:
		heap.Remove(&q.entries, e.index-1)
	case at.IsZero():
	case e.index > 0:
		e.at = at
		heap.Fix(&q.entries, e.index-1)
	default:
		e.at = at
		heap.Push(&q.entries, e)
	}
	first := len(q.entries) > 0 && q.entries[0] == e
	q.mu.Unlock()
	if first {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// pop takes the first entry if its moment has come; otherwise it tells how
// long that takes, or -1 where nothing waits.
func (q *queue) pop(now time.Time) (*entry, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.entries) == 0 {
		return nil, -1
	}
	if d := q.entries[0].at.Sub(now); d > 0 {
		return nil, d
	}
	return heap.Pop(&q.entries).(*entry), 0
}

// byTime is a heap. An entry knows its place in it, from 1; 0 is outside.
type byTime []*entry

func (b byTime) Len() int           { return len(b) }
func (b byTime) Less(i, j int) bool { return b[i].at.Before(b[j].at) }
func (b byTime) Swap(i, j int) {
	b[i], b[j] = b[j], b[i]
	b[i].index, b[j].index = i+1, j+1
}

func (b *byTime) Push(x any) {
	e := x.(*entry)
	*b = append(*b, e)
	e.index = len(*b)
}

func (b *byTime) Pop() any {
	old := *b
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*b = old[:len(old)-1]
	e.index = 0
	return e
}

// glance is how often the two clocks of this machine are compared at least.
const glance = 30 * time.Second

// schedule starts an action for each entry whose moment has come, until ctx
// ends. One goroutine and one timer serve any number of entries.
func (k *Keeper) schedule(ctx context.Context) {
	timer := time.NewTimer(glance)
	defer timer.Stop()
	last := time.Now()
	for {
		// Ends are held against the monotonic clock, which stands still while a
		// machine sleeps. The store's clock does not: ask it again.
		now := time.Now()
		if slept := now.Round(0).Sub(last.Round(0)) - now.Sub(last); slept.Abs() > time.Second {
			k.Log.Warn("this machine slept, or its clock was set; everything is read anew", "by", slept)
			k.rereadAll()
		}
		last = now
		e, d := k.queue.pop(time.Now())
		if e != nil {
			select {
			case k.slots <- struct{}{}:
				k.actions.Go(func() {
					k.act(ctx, e)
					<-k.slots
				})
			case <-ctx.Done():
				return
			}
			continue
		}
		if d < 0 || d > glance {
			d = glance
		}
		timer.Reset(d)
		select {
		case <-timer.C:
		case <-k.queue.wake:
		case <-ctx.Done():
			return
		}
	}
}
