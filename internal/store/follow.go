package store

import (
	"context"
	"sync/atomic"
	"time"
)

// followAgain is the pause before a change log that was lost is sought again.
const followAgain = 500 * time.Millisecond

// Follow calls tail again and again until ctx ends. tail connects to the change
// log, calls begun once every change from then on will be told, tells of them
// by Changed, and returns when it has lost the log. Follow tells the readers
// when it was lost, after lost was called, and when it is there again. It
// returns once tail has begun, or has failed, for the first time; Close waits
// for the rest, so end ctx before.
func (ws *Watchers) Follow(ctx context.Context, tail func(ctx context.Context, begun func()) error, lost func()) {
	first := make(chan struct{})
	ws.running.Go(func() {
		for tries := 0; ; tries++ {
			var following atomic.Bool
			_ = tail(ctx, func() {
				following.Store(true)
				if tries == 0 {
					close(first)
				} else {
					ws.Changed("")
				}
			})
			if tries == 0 && !following.Load() {
				close(first)
			}
			if ctx.Err() != nil {
				return
			}
			if following.Load() || tries == 0 {
				lost()
				ws.Changed("")
			}
			select {
			case <-time.After(followAgain):
			case <-ctx.Done():
				return
			}
		}
	})
	<-first
}
