package keeper

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/wxsim"
)

// G2: a read never blocks on upstream or on the store while a live value is in
// memory.
func TestG2ReadsNeverBlockWhileAValueLives(t *testing.T) {
	t.Parallel()
	for _, source := range ending {
		bubble(t, func(t *testing.T) { jammed(t, source) })
	}
}

func jammed(t *testing.T, source string) {
	w := newWorld(t, worldOptions{source: source})
	var jam atomic.Bool
	n := w.node(func(_ *Options, l *link) {
		l.at = func(string) bool { return jam.Load() } // the store hangs
	})
	w.get(n)
	jam.Store(true)
	w.sim.Fail(wxsim.Fault{Mode: wxsim.Hang})
	end := time.Now().Add(2*time.Hour - 6*time.Second)
	for time.Now().Before(end) {
		before := time.Now()
		if _, err := n.Get(t.Context(), w.key); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(before); waited != 0 {
			t.Fatalf("a read waited %v", waited)
		}
		time.Sleep(29 * time.Second)
	}
}

func TestWithNothingLiveAReadWaitsOnceAndSaysWhy(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		w.sim.Fail(wxsim.Fault{Mode: wxsim.Hang})
		n := w.node()
		before := time.Now()
		_, err := n.Get(t.Context(), testKey)
		var u *credential.Unavailable
		if !errors.As(err, &u) || !errors.Is(err, credential.ErrUnavailable) || u.Reason == "" || u.RetryAfter <= 0 {
			t.Fatalf("got %v", err)
		}
		if waited := time.Since(before); waited != readWait {
			t.Errorf("waited %v", waited)
		}
		w.sim.ClearFaults()
		time.Sleep(20 * time.Second)
		w.get(n)
	})
}

func TestReadsAllocateNothing(t *testing.T) {
	for _, source := range everyLine {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: source})
			n := w.node()
			w.get(n)
			if a := testing.AllocsPerRun(1000, func() { _, _ = n.Get(t.Context(), w.key) }); a != 0 {
				t.Errorf("%s: %v allocations", source, a)
			}
		})
	}
}
