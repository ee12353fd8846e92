package config

import (
	"context"
	"maps"
	"time"
)

// lookEvery is how often the follower looks at the files. It compares contents,
// so that a change is seen however it is made: in place, by a rename, or by
// the swapped symbolic links of Kubernetes.
const lookEvery = 2 * time.Second

// settle is how long the files must stay as they are before they are read, so
// that nobody's half-written file is.
const settle = 200 * time.Millisecond

// Follower re-reads a configuration when one of its files changes: the file
// itself, a secret's, the certificate's. The environment does not change.
type Follower struct {
	origin
	reload chan struct{}
	failed bool
}

// NewFollower follows what c was made of, from the state that c was read in.
func NewFollower(c *Config) *Follower {
	return &Follower{origin: c.origin, reload: make(chan struct{}, 1)}
}

// Reload makes Run look at once, as on SIGHUP, and say again what is wrong if
// something was. It never blocks and is safe for concurrent use.
func (f *Follower) Reload() {
	select {
	case f.reload <- struct{}{}:
	default: // a look is due already
	}
}

// Run calls changed with each new configuration that passes, or with the
// Problems of one that does not; then the old one stays in force. It never
// calls for files that did not change, and makes its calls one after the
// other. It blocks until ctx ends.
func (f *Follower) Run(ctx context.Context, changed func(*Config, error)) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		told := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-f.reload:
			told = true
		}
		if !(told && f.failed) {
			if now := f.look(); maps.Equal(now, f.fingerprint) || !f.settled(ctx, now) {
				continue
			}
		}
		c, ps := read(f.path, f.env)
		f.fingerprint = c.origin.fingerprint
		c, err := finish(c, ps)
		f.failed = err != nil
		if ctx.Err() == nil {
			changed(c, err)
		}
	}
}

// look reads the files that were read the last time.
func (f *Follower) look() fingerprint {
	now := fingerprint{}
	for name := range f.fingerprint {
		data, mode, err := readFile(name)
		now[name] = digest(data, mode, err)
	}
	return now
}

// settled waits until two looks in a row agree. It gives up when ctx ends or
// the next beat is near.
func (f *Follower) settled(ctx context.Context, now fingerprint) bool {
	for range lookEvery / settle {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(settle):
		}
		before := now
		if now = f.look(); maps.Equal(before, now) {
			return true
		}
	}
	return false
}
