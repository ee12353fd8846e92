package gateway

import (
	"context"
	"errors"
	"time"
)

const (
	// idleTime is how long a program or WeChat may be silent in the middle of a
	// body.
	idleTime = 30 * time.Second
	// totalTime is how long a call may take from its beginning to the last read
	// of the answer, however either side drips.
	totalTime = 10 * time.Minute
	// minPace is how many bytes in a second an upload to WeChat makes at the
	// least.
	minPace = 128 << 10
)

var errLate = errors.New("it took too long")

// clock ends a call that takes too long. It is moved on at each stage, and not
// past the end of the whole call.
type clock struct {
	end    time.Time
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// newClock makes a clock that stands still until allow, and the context that it
// ends.
func newClock(parent context.Context) (context.Context, *clock) {
	c := &clock{end: time.Now().Add(totalTime)}
	c.ctx, c.cancel = context.WithCancelCause(parent)
	return c.ctx, c
}

// allow gives the stage that begins now so much time, if there is that much left.
func (c *clock) allow(d time.Duration) {
	d = min(d, time.Until(c.end))
	if c.timer == nil {
		c.timer = time.AfterFunc(d, func() { c.cancel(errLate) })
		return
	}
	c.timer.Reset(d)
}

// rest makes the clock stand still until allow.
func (c *clock) rest() { c.timer.Stop() }

// over reports whether it was the clock that ended the call.
func (c *clock) over() bool { return context.Cause(c.ctx) == errLate }

func (c *clock) stop() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.cancel(nil)
}
