package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/hufu-project/hufu/internal/store"
)

func TestClockNeverGoesBack(t *testing.T) {
	t.Parallel()
	read := time.Now()
	later := read.Add(3 * time.Second)
	for what, c := range map[string]struct{ ahead, want time.Duration }{
		"the wall clock is right":                {0, 3 * time.Second},
		"the wall clock was put back by an hour": {time.Hour, time.Hour + 3*time.Second},
		"the host slept for two hours":           {-2 * time.Hour, 3 * time.Second},
		"the wall clock was put on by ten years": {-87600 * time.Hour, 3 * time.Second},
		"the wall clock was put back by ten ns":  {10, 3*time.Second + 10},
	} {
		// ahead is by how much store time is ahead of the wall clock.
		clock := &clock{at: read.Round(0).Add(c.ahead), read: read}
		if got := clock.tick(later).Sub(read.Round(0)); got != c.want {
			t.Errorf("%s: 3 s later the store's clock has come to %v, want %v", what, got, c.want)
		}
		if first, second := clock.tick(later), clock.tick(read); second.Before(first) {
			t.Errorf("%s: the clock went back from %v to %v", what, first, second)
		}
	}
}

// Between two runs the wall clock was put back by a day; a record must not live
// a day longer for it.
func TestStoreTimeGoesOnFromTheNewestRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "hufu.db")
		s := openAt(t, path)
		s.clock = &clock{at: time.Now().Round(0).Add(24 * time.Hour), read: time.Now()}
		r, _ := s.Get(t.Context(), "a")
		r.Expires = r.Now.Add(time.Hour)
		r, err := s.Put(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		s = openAt(t, path)
		got, err := s.Get(t.Context(), "a")
		if err != nil || got.Now.Before(r.Written) {
			t.Errorf("after the restart it is %v, and the record was written at %v (%v)", got.Now, r.Written, err)
		}
		time.Sleep(time.Hour)
		if _, err := s.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an hour later: %v, want ErrNotFound", err)
		}
	})
}

func TestExpiredRecordsDoNotPileUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openAt(t, filepath.Join(t.TempDir(), "hufu.db"))
		const live = 20
		for i := range 400 {
			at := time.Now()
			r := store.Record{Key: fmt.Sprintf("login/%x", i*2654435761%1000003), Now: at, Expires: at.Add(live * time.Second)}
			if i%40 == 0 {
				r.Expires = time.Time{}
			}
			if _, err := s.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		err := s.db.View(func(tx *bbolt.Tx) error {
			if n := tx.Bucket(bucket).Stats().KeyN; n < 10 || n > 10+live*8/7+sweepPerWrite {
				t.Errorf("%d records lie in the file, of which about %d live", n, live+10)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range s.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n < 10+live-1 || n > 10+live {
			t.Errorf("%d records are listed, want the 10 that stay and about %d", n, live)
		}
	})
}
