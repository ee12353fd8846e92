// Package registry knows the apps and clients: those that the configuration
// file declares and those that were added at run time, which live in the
// store. Everybody reads them from memory; every node follows the store.
package registry

import (
	"cmp"
	"iter"
	"log/slog"
	"slices"
	"sync"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
)

// App is one app as it is now. It is shared and never changed.
type App struct {
	config.App
	// Declared: it stands in the configuration file and is read-only here.
	Declared bool
}

// Registry holds the apps and clients of one node. A declared one hides a
// stored one of the same name. All methods are safe for concurrent use.
type Registry struct {
	store  store.Store
	log    *slog.Logger
	loaded chan struct{}
	first  sync.Once     // closes loaded
	turn   chan struct{} // held while the store is read into memory

	mu       sync.RWMutex // never held across a call
	apps     layers[credential.App, *App]
	clients  layers[string, *Client]
	keys     map[config.KeyHash]*Client
	sorted   []*App // what Apps yields; nil: to be made
	watchers map[*watcher]struct{}
}

// layers is what the file declares over what the store holds.
type layers[K comparable, V any] struct{ declared, stored map[K]V }

func (l layers[K, V]) get(k K) (V, bool) {
	if v, ok := l.declared[k]; ok {
		return v, true
	}
	v, ok := l.stored[k]
	return v, ok
}

// all yields what get finds, in no order.
func (l layers[K, V]) all() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, v := range l.declared {
			if !yield(v) {
				return
			}
		}
		for k, v := range l.stored {
			if _, hidden := l.declared[k]; !hidden && !yield(v) {
				return
			}
		}
	}
}

// New makes a registry on a store; without a log it is silent. It is empty
// until Declare and Run.
func New(st store.Store, log *slog.Logger) *Registry {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Registry{
		store: st, log: log,
		loaded:   make(chan struct{}),
		turn:     make(chan struct{}, 1),
		apps:     layers[credential.App, *App]{stored: map[credential.App]*App{}},
		clients:  layers[string, *Client]{stored: map[string]*Client{}},
		keys:     map[config.KeyHash]*Client{},
		watchers: map[*watcher]struct{}{},
	}
}

// Declare replaces what the configuration file declares, all at once. The
// slices are not kept.
func (r *Registry) Declare(apps []config.App, clients []config.Client) {
	a := make(map[credential.App]*App, len(apps))
	for _, app := range apps {
		a[app.AppID] = &App{App: app, Declared: true}
	}
	c := make(map[string]*Client, len(clients))
	for _, client := range clients {
		c[client.Name] = newClient(client, true)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apps.declared, r.clients.declared = a, c
	r.sorted = nil
	r.indexAll()
	r.notify("")
}

// App returns an app. It never blocks and allocates nothing.
func (r *Registry) App(id credential.App) (*App, bool) {
	r.mu.RLock()
	app, ok := r.apps.get(id)
	r.mu.RUnlock()
	return app, ok
}

// Apps yields the apps as they are when it begins, sorted by id.
func (r *Registry) Apps() iter.Seq[*App] { return r.AppsAfter("") }

// AppsAfter yields, sorted by id, the apps whose id is greater than after.
func (r *Registry) AppsAfter(after credential.App) iter.Seq[*App] {
	return func(yield func(*App) bool) {
		apps := r.snapshot()
		from, found := slices.BinarySearchFunc(apps, after, func(a *App, id credential.App) int { return cmp.Compare(a.AppID, id) })
		if found {
			from++
		}
		for _, app := range apps[from:] {
			if !yield(app) {
				return
			}
		}
	}
}

// snapshot sorts when somebody asks, not at every change: a hundred thousand
// apps are added one by one without being sorted as often.
func (r *Registry) snapshot() []*App {
	r.mu.RLock()
	sorted := r.sorted
	r.mu.RUnlock()
	if sorted != nil {
		return sorted
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sorted == nil {
		r.sorted = slices.SortedFunc(r.apps.all(), func(a, b *App) int { return cmp.Compare(a.AppID, b.AppID) })
	}
	return r.sorted
}

// setApp takes over what the store holds for an app; nil: nothing.
func (r *Registry) setApp(id credential.App, app *App) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if app == nil {
		delete(r.apps.stored, id)
	} else {
		r.apps.stored[id] = app
	}
	if _, hidden := r.apps.declared[id]; !hidden {
		r.sorted = nil
		r.notify(id)
	}
}
