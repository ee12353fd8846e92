package hufu

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// key is an app and a kind.
type key struct{ app, kind string }

// String is what errors call it.
func (k key) String() string { return k.kind + " of " + k.app }

// followers are those of a Client. Tokens have a map of their own, which is
// quicker to look into.
type followers struct {
	tokens map[string]*follower
	others map[key]*follower
}

func (all *followers) find(k key) *follower {
	if k.kind == AccessToken {
		return all.tokens[k.app]
	}
	return all.others[k]
}

// with is a copy in which f is the follower of the key; nil: none is.
func (all *followers) with(k key, f *follower) *followers {
	one := &followers{maps.Clone(all.tokens), maps.Clone(all.others)}
	switch {
	case k.kind == AccessToken && f != nil:
		one.tokens[k.app] = f
	case k.kind == AccessToken:
		delete(one.tokens, k.app)
	case f != nil:
		one.others[k] = f
	default:
		delete(one.others, k)
	}
	return one
}

// firstWait is how long a reader waits for word of the server before it is
// given a value that an earlier process left in the file: it may be over.
const firstWait = time.Second

// follower holds the value of one key, and follows the server while somebody
// asks for it.
//
// Readers take hot, without a lock. The follower takes it away at the beginning
// of each round: the next reader finds none, looks under the lock, puts it back,
// and has thereby said that somebody still asks. What is over is taken away too,
// so that who reads need not look at a clock.
type follower struct {
	c    *Client
	key  key
	hot  atomic.Pointer[value]
	lent bool // a Source or Transport holds on to it; guarded by the Client's lock

	mu      sync.Mutex
	held    *value        // the last value; may be over
	keep    time.Time     // until when the server lets us keep it without asking again
	loaded  bool          // held is from the file
	first   time.Time     // and not given before this, or word of the server
	before  []string      // values that were held before
	err     error         // of the last call to the server; nil: it answered
	asked   bool          // somebody asked since the last round began
	running bool          // a goroutine follows
	pausing bool          // it does, after a call that failed
	news    chan struct{} // closed and replaced when a call has ended
	claim   *claim        // a report that is under way
}

// read is the value to use now. It blocks only while there is none.
func (f *follower) read(ctx context.Context) (*value, error) {
	if v := f.hot.Load(); v != nil {
		return v, nil
	}
	for {
		f.mu.Lock()
		if f.c.ctx.Err() != nil {
			f.mu.Unlock()
			return nil, ErrClosed
		}
		now := time.Now()
		f.asked = true
		f.follow()
		unsure := now.Before(f.first)
		switch {
		case f.held.live(now) && !unsure:
			v := f.held
			f.hot.Store(v)
			f.mu.Unlock()
			return v, nil
		case f.pausing: // the server was asked a moment ago
			err := f.err
			f.mu.Unlock()
			return nil, err
		}
		news, patience := f.news, f.first.Sub(now)
		f.mu.Unlock()
		if err := await(ctx, news, unsure, patience); err != nil {
			return nil, fmt.Errorf("hufu: %s: %w", f.key, err)
		}
	}
}

// await waits for news, or where it is bounded for the patience.
func await(ctx context.Context, news <-chan struct{}, bounded bool, patience time.Duration) error {
	var over <-chan time.Time
	if bounded {
		over = time.After(patience)
	}
	select {
	case <-news:
	case <-over:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// cut lets the value in hand end at a moment, if it does not before. If it is to
// live again it must be asked for whole. The lock is held.
func (f *follower) cut(at time.Time) {
	if f.held.live(at) {
		v := *f.held
		v.until, v.tag = at, ""
		f.held = &v
	}
}

// follow starts the goroutine where none runs. The lock is held.
func (f *follower) follow() {
	if f.running {
		return
	}
	if f.running = f.c.begin(f, f.run); !f.running {
		return // closed meanwhile
	}
	f.pausing, f.news = false, make(chan struct{})
	if f.loaded {
		f.loaded, f.first = false, time.Now().Add(firstWait)
	}
}

// take makes v the value in hand and shows it to readers. The lock is held.
func (f *follower) take(v *value, maxAge time.Duration) {
	now := time.Now()
	if f.held != nil && f.held.Value != v.Value {
		f.before = append(f.before[max(0, len(f.before)-3):], f.held.Value)
	}
	fresh := f.held == nil || f.held.tag != v.tag
	f.held, f.keep, f.first, f.err, f.pausing = v, now.Add(maxAge), time.Time{}, nil, false
	if f.held.live(now) {
		f.hot.Store(v)
	}
	if fresh {
		f.c.save(v)
	}
}

// announce tells who waits to look again. The lock is held.
func (f *follower) announce() {
	close(f.news)
	f.news = make(chan struct{})
}

// gave reports whether a value is this key's, now or a little while ago.
func (f *follower) gave(value string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held != nil && f.held.Value == value || slices.Contains(f.before, value)
}

// claim is a report that is under way, for all who say the same.
type claim struct {
	value string
	done  chan struct{}
	got   *value
	err   error
}

// report says that WeChat refused a value and returns the one to use now. A
// value that is not in hand any more is answered from memory.
func (f *follower) report(ctx context.Context, refused string, errcode int) (*value, error) {
	f.mu.Lock()
	if f.c.ctx.Err() != nil {
		f.mu.Unlock()
		return nil, ErrClosed
	}
	f.asked = true
	if f.loaded {
		f.follow()
	}
	if now := time.Now(); f.held.live(now) && f.held.Value != refused && !now.Before(f.first) {
		defer f.mu.Unlock()
		return f.held, nil
	}
	c := f.claim
	if c == nil || c.value != refused {
		c = &claim{value: refused, done: make(chan struct{})}
		if !f.c.begin(f, func() { f.settle(c, errcode) }) {
			f.mu.Unlock()
			return nil, ErrClosed
		}
		f.claim = c
	}
	f.mu.Unlock()
	select {
	case <-c.done:
		return c.got, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("hufu: report %s: %w", f.key, context.Cause(ctx))
	}
}

// settle makes the call of a report. Its answer is taken whatever its
// generation is, unless another value has come meanwhile.
func (f *follower) settle(c *claim, errcode int) {
	defer close(c.done)
	ctx, cancel := context.WithTimeout(f.c.ctx, answerTime)
	defer cancel()
	a, err := f.c.report(ctx, f.key, c.value, errcode)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.claim == c {
		f.claim = nil
	}
	switch {
	case f.c.ctx.Err() != nil:
		c.err = ErrClosed
	case err != nil:
		c.err = err
	case f.held.live(time.Now()) && f.held.Value != c.value && a.value.older(f.held):
		c.got = f.held
	default:
		f.take(a.value, a.maxAge)
		c.got = a.value
		if f.follow(); f.running {
			f.announce()
		}
	}
}
