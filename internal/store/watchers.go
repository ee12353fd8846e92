package store

import (
	"context"
	"strings"
	"sync"
)

// Watchers are the readers of one backend's Watch: the backend says what has
// changed, each reader is told in its own time. All methods are safe for
// concurrent use and none but Close waits for a reader.
type Watchers struct {
	closed  chan struct{}
	running sync.WaitGroup

	mu  sync.Mutex // guards all, and closing
	all map[*watcher]struct{}
}

// NewWatchers gives an empty set.
func NewWatchers() *Watchers {
	return &Watchers{closed: make(chan struct{}), all: map[*watcher]struct{}{}}
}

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

// Watch is Store.Watch. Every key that Changed is given after this call began
// is told, and the empty key first.
func (ws *Watchers) Watch(ctx context.Context, prefix string) <-chan string {
	keys := make(chan string)
	w := &watcher{prefix: prefix, signal: make(chan struct{}, 1), dirty: map[string]struct{}{}}
	w.mark("")
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.isClosed() {
		close(keys)
		return keys
	}
	ws.all[w] = struct{}{}
	ws.running.Go(func() {
		defer close(keys)
		defer ws.forget(w)
		for {
			key, some := w.take()
			if !some {
				select {
				case <-w.signal:
					continue
				case <-ctx.Done():
				case <-ws.closed:
				}
				return
			}
			select {
			case keys <- key:
			case <-ctx.Done():
				return
			case <-ws.closed:
				return
			}
		}
	})
	return keys
}

// Changed tells the readers that key may have changed; the empty key says that
// anything may have.
func (ws *Watchers) Changed(key string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		if key == "" || strings.HasPrefix(key, w.prefix) {
			w.mark(key)
		}
	}
}

// Len is how many are reading.
func (ws *Watchers) Len() int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return len(ws.all)
}

// Close ends every Watch and waits until their channels are closed. A second
// Close does nothing.
func (ws *Watchers) Close() {
	ws.mu.Lock()
	if !ws.isClosed() {
		close(ws.closed)
	}
	ws.mu.Unlock()
	ws.running.Wait()
}

func (ws *Watchers) isClosed() bool {
	select {
	case <-ws.closed:
		return true
	default:
		return false
	}
}

func (ws *Watchers) forget(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.all, w)
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
