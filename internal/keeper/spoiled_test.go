package keeper

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
)

// A record that cannot be read fails closed for its app, and an operator's
// renewal mends it.
func TestASpoiledRecordIsNotIssuedOverAndIsMendedByARenewal(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		old := w.node()
		c := w.get(old)
		synctest.Wait()
		rec, err := w.st.Get(t.Context(), storeKey(testKey))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.st.Put(t.Context(), store.Record{Key: rec.Key, Version: rec.Version, Value: []byte(`{"v":1,"value":`)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := w.get(old); got.Value != c.Value {
			t.Error("what was in memory is not served any more")
		}
		fresh := w.node()
		var u *credential.Unavailable
		if _, err := fresh.Get(t.Context(), testKey); !errors.As(err, &u) || !u.Blocked {
			t.Errorf("a new node: %v", err)
		}
		time.Sleep(10 * time.Minute)
		if n := w.sim.Issues(testApp); n != 1 {
			t.Fatalf("%d issues over a record that nobody could read", n)
		}
		if _, err := fresh.Renew(t.Context(), testKey, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if a, b := w.get(fresh), w.get(old); a.Value != b.Value {
			t.Error("two nodes, two values")
		}
	})
}
