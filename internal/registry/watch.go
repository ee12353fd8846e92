package registry

import (
	"context"
	"sync"

	"github.com/hufu-project/hufu/internal/credential"
)

// maxPending is how many ids wait for a watcher before they become "".
const maxPending = 1024

// watcher collects what changed until its reader takes it.
type watcher struct {
	wake chan struct{} // one slot

	mu      sync.Mutex
	pending map[credential.App]struct{}
}

// Watch yields the ids of apps that may have changed, until ctx ends; then the
// channel is closed. It is level-triggered: several changes may arrive as one.
// The empty id means that anything may have changed, and is sent first.
func (r *Registry) Watch(ctx context.Context) <-chan credential.App {
	w := &watcher{wake: make(chan struct{}, 1), pending: map[credential.App]struct{}{}}
	w.add("")
	r.mu.Lock()
	r.watchers[w] = struct{}{}
	r.mu.Unlock()
	out := make(chan credential.App)
	go func() {
		defer close(out)
		w.run(ctx, out)
		r.mu.Lock()
		delete(r.watchers, w)
		r.mu.Unlock()
	}()
	return out
}

// notify tells all watchers. The caller holds r.mu.
func (r *Registry) notify(id credential.App) {
	for w := range r.watchers {
		w.add(id)
	}
}

func (w *watcher) add(id credential.App) {
	w.mu.Lock()
	if len(w.pending) >= maxPending {
		id = ""
	}
	if id == "" {
		clear(w.pending)
	}
	if _, all := w.pending[""]; !all {
		w.pending[id] = struct{}{}
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) run(ctx context.Context, out chan<- credential.App) {
	for {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
		w.mu.Lock()
		ids := w.pending
		w.pending = map[credential.App]struct{}{}
		w.mu.Unlock()
		for id := range ids {
			select {
			case out <- id:
			case <-ctx.Done():
				return
			}
		}
	}
}
