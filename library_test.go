package hufu_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// The promise in figures: thirty minutes of absence, and no read fails.
func TestAServerThatIsAwayForHalfAnHourIsNotNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		source := c.Source(appID)
		first := w.token(c)
		time.Sleep(20 * time.Minute)
		w.stop()
		reads := 0
		for end := time.Now().Add(30 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
			token, err := source.Token()
			if err != nil || token != first || !w.sim.Valid(appID, token) {
				t.Fatalf("read %d: %q, %v", reads, token, err)
			}
			reads++
		}
		w.start()
		time.Sleep(time.Minute)
		w.renew()
		time.Sleep(time.Second)
		if got := w.token(c); got == first || !w.sim.Valid(appID, got) {
			t.Error("the new value has not arrived")
		}
		t.Logf("%d reads, 0 failed", reads)
	})
}

// A read asks the server once; from then on the server says what is new.
func TestAReadNeverGoesToTheNetworkTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		began := w.asked.Load()
		for range 24 * 60 { // a day, at one read a minute
			before := time.Now()
			if token := w.token(c); !w.sim.Valid(appID, token) {
				t.Fatal("a dead token was given")
			}
			if waited := time.Since(before); waited > 0 && time.Now().After(before.Add(time.Minute)) {
				t.Fatalf("a read waited %v", waited)
			}
			time.Sleep(time.Minute)
		}
		if n := w.asked.Load() - began; n > 24*60*2+40 { // a wait of half a minute each, and the renewals
			t.Errorf("the server was asked %d times in a day", n)
		}
		if n := w.sim.Issues(appID); n > 14 {
			t.Errorf("%d issues in a day", n)
		}
	})
}
