package bolt

import (
	"sync"
	"time"
)

// clock is the store's clock: the wall clock, except that it never goes back.
// Where the wall clock is put back, time goes on at its own pace. Where the
// wall clock runs ahead of the monotonic one (the host was suspended, or its
// clock has been put right), store time follows at once: what has expired in
// the meantime must not be served.
type clock struct {
	mu sync.Mutex
	// at is the store time when time.Now said read.
	at, read time.Time
}

// newClock never says less than least: the newest date in the file, which is
// ahead of a wall clock that was put back while nobody looked.
func newClock(least time.Time) *clock {
	now := time.Now()
	c := &clock{at: now.Round(0), read: now}
	if least.After(c.at) {
		c.at = least
	}
	return c
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tick(time.Now())
}

// tick is now, given what time.Now says. The two readings of t are told apart:
// Sub uses the monotonic one, Round(0) leaves the wall's.
func (c *clock) tick(t time.Time) time.Time {
	at := c.at.Add(max(0, t.Sub(c.read)))
	if wall := t.Round(0); wall.After(at) {
		at = wall
	}
	c.at, c.read = at, t
	return at.UTC()
}
