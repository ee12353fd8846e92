package keeper

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// held is a store whose answers a paused process hears late: the request waits.
type held struct {
	store.Store
	wait atomic.Int64
}

// hold lets each answer wait for so long from now on.
func (h *held) hold(wait time.Duration) *held {
	h.wait.Store(int64(wait))
	return h
}

func (h *held) Get(ctx context.Context, key string) (store.Record, error) {
	time.Sleep(time.Duration(h.wait.Load()))
	return h.Store.Get(ctx, key)
}

// A process that is stopped in the middle of a read does not believe afterwards
// that the store is so much ahead: what it writes down next has the right time.
func TestAPauseDoesNotPutTheClockAhead(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		var h *held
		n := w.node(func(_ *Options, l *link) { h = &held{Store: l.Store}; l.Store = h })
		w.get(n)
		time.Sleep(time.Hour)
		h.hold(47 * time.Second)
		rec, err := w.st.Get(t.Context(), storeKey(testKey))
		if err == nil {
			_, err = w.st.Put(t.Context(), rec) // a notice
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		e, _ := n.entry(testKey)
		e.mu.Lock()
		defer e.mu.Unlock()
		now := time.Now()
		if off := e.clock.store(now).Sub(now); off.Abs() > time.Second {
			t.Errorf("the store's time is wrong by %v", off)
		}
	})
}

// One that begins so knows no better, and asks again.
func TestAClockThatIsNoGoodIsAskedForAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		w.get(w.node())
		h := (&held{Store: w.st}).hold(time.Minute)
		n := w.node(func(_ *Options, l *link) { l.Store = slowList{h} })
		time.Sleep(90 * time.Second)
		h.hold(0)
		time.Sleep(2 * time.Minute)
		e, _ := n.entry(testKey)
		e.mu.Lock()
		defer e.mu.Unlock()
		now := time.Now()
		if off := e.clock.store(now).Sub(now); !e.known || off.Abs() > time.Second {
			t.Errorf("known %v, the store's time is wrong by %v", e.known, off)
		}
	})
}

// Until then nothing is begun by it.
func TestNothingIsBegunByABadClock(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		first := w.node()
		w.get(first)
		synctest.Wait()
		s, _ := first.Status(testKey)
		first.stop()
		time.Sleep(time.Until(s.NextAt) - 90*time.Second)
		h := (&held{Store: w.st}).hold(time.Minute)
		n := w.node(func(_ *Options, l *link) { l.Store = slowList{h} })
		time.AfterFunc(59*time.Second, func() { h.hold(0) })
		time.Sleep(75 * time.Second)
		if asked := w.asked(); asked != 1 {
			t.Errorf("%d issues fifteen seconds before one is due", asked)
		}
		time.Sleep(30 * time.Second)
		if c := w.get(n); c.Generation != 2 {
			t.Errorf("generation %d after it was due", c.Generation)
		}
	})
}

type slowList struct{ *held }

func (s slowList) List(ctx context.Context, prefix string) iter.Seq2[store.Record, error] {
	time.Sleep(time.Duration(s.wait.Load()))
	return s.held.List(ctx, prefix)
}

// The store's clock may be set; a good answer is believed.
func TestAClockThatWasSetIsBelieved(t *testing.T) {
	t.Parallel()
	old := clock{said: at(0), asked: at(0), took: time.Millisecond}
	set := clock{said: at(3600), asked: at(60), took: 5 * time.Millisecond}
	if got := set.or(old); got != set {
		t.Errorf("%+v", got)
	}
	if got := set.or(clock{}); got != set {
		t.Errorf("the first: %+v", got)
	}
	slow := clock{said: at(120), asked: at(60), took: time.Minute}
	if got := slow.or(old); got != old {
		t.Errorf("%+v", got)
	}
}
