package keeper

import (
	"testing"
	"testing/synctest"
	"time"
)

// G3: a node that reaches its store hands out no value for longer than 2 s
// after a newer one was committed; a node cut off says that it is in doubt.
func TestG3NoOldValueTwoSecondsAfterANewOne(t *testing.T) {
	t.Parallel()
	for _, source := range ending {
		bubble(t, func(t *testing.T) { threeNodes(t, source) })
	}
}

func threeNodes(t *testing.T, source string) {
	w := newWorld(t, worldOptions{source: source})
	a, b, cut := w.node(), w.node(), w.node()
	w.get(a)
	synctest.Wait()
	for round := range 20 {
		time.Sleep(20 * time.Minute)
		cut.link.cut.Store(true)
		c, err := a.Renew(t.Context(), w.key, false)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if got := w.get(b); got.Generation != c.Generation {
			t.Fatalf("round %d: generation %d two seconds after %d", round, got.Generation, c.Generation)
		}
		if old, err := cut.Get(t.Context(), w.key); err == nil && old.Generation != c.Generation && old.MaxAge > cut.inDoubt {
			t.Fatalf("round %d: cut off, and max_age is %v", round, old.MaxAge)
		}
		cut.link.cut.Store(false)
		time.Sleep(2*time.Second + time.Millisecond)
		if got := w.get(cut); got.Generation != c.Generation {
			t.Fatalf("round %d: back for 2 s, and at generation %d of %d", round, got.Generation, c.Generation)
		}
	}
}

// A node that was cut off and never noticed would be the worst: the store's
// failure is noticed where it shows.
func TestANodeWithoutItsStoreIssuesNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node()
		w.get(n)
		n.link.cut.Store(true)
		time.Sleep(3 * time.Hour)
		if got := w.sim.Issues(testApp); got != 1 {
			t.Errorf("%d issues without a store", got)
		}
		n.link.cut.Store(false)
		time.Sleep(2*time.Second + time.Millisecond)
		w.get(n)
	})
}
