package bolt

import (
	"context"
	"strings"
	"sync"
)

// watcher holds the keys that one reader has still to be told. The reader may
// be as slow as it likes: a key waits at most once, and too many keys become
// the empty one.
type watcher struct {
	prefix string
	signal chan struct{} // one slot: there is something

	mu    sync.Mutex
	dirty map[string]struct{}
}

// mostDirty bounds the memory of a reader that does not read.
const mostDirty = 1024

// Watch never misses a change: the writer itself marks the keys.
func (s *Store) Watch(ctx context.Context, prefix string) <-chan string {
	keys := make(chan string)
	w := &watcher{prefix: prefix, signal: make(chan struct{}, 1), dirty: map[string]struct{}{}}
	w.mark("")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		close(keys)
		return keys
	}
	s.watchers[w] = struct{}{}
	s.running.Go(func() {
		defer close(keys)
		defer s.forget(w)
		for {
			key, some := w.take()
			if !some {
				select {
				case <-w.signal:
					continue
				case <-ctx.Done():
				case <-s.closed:
				}
				return
			}
			select {
			case keys <- key:
			case <-ctx.Done():
				return
			case <-s.closed:
				return
			}
		}
	})
	return keys
}

func (s *Store) forget(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
}

// changed tells the watchers; it never waits for a reader.
func (s *Store) changed(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		if key == "" || strings.HasPrefix(key, w.prefix) {
			w.mark(key)
		}
	}
}

// mark adds key to what the reader is to be told. The empty key stands for all
// others.
func (w *watcher) mark(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, all := w.dirty[""]; all {
		return
	}
	if len(w.dirty) == mostDirty {
		key = ""
	}
	if key == "" {
		clear(w.dirty)
	}
	w.dirty[key] = struct{}{}
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// take gives one key that the reader is to be told.
func (w *watcher) take() (key string, some bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key = range w.dirty {
		delete(w.dirty, key)
		return key, true
	}
	return "", false
}
