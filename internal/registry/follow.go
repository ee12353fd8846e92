package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
)

// What is in the store:
//
//	app/wx0123456789abcdef   config.EncodeApp, marked with its form
//	client/shop-backend      config.EncodeClient, likewise
//
// What a later Hufu adds is passed over as long as the form is the same. So a
// setting that takes rights away, or that a put here must not lose, is a new form.
const (
	appPrefix    = "app/"
	clientPrefix = "client/"
	form         = 1
)

// retryEvery is how soon a read that did not work is tried again. With the
// store's own 2 s of Watch it keeps a change below 5 s on every node.
const retryEvery = time.Second

// Run reads the store and follows it until ctx ends or the store is closed;
// nil where ctx ended. While the store is away everything stays as it was.
// One Run at a time; another may come after it.
func (r *Registry) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends both watches
	apps, clients := r.store.Watch(ctx, appPrefix), r.store.Watch(ctx, clientPrefix)
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	// Each says "anything" first, and that is what is read now: not twice.
	<-apps
	<-clients
	// What is to be read: keys of records, and prefixes, which end in "/".
	dirty := map[string]bool{appPrefix: true, clientPrefix: true}
	for {
		for key := range dirty {
			if err := r.read(ctx, key); err == nil {
				delete(dirty, key)
			} else if ctx.Err() == nil {
				r.log.Warn("apps and clients cannot be read from the store; what is known stays in force", "key", key, "err", err)
				again.Reset(retryEvery)
				break // the store is away, the other keys fare no better
			}
		}
		if len(dirty) == 0 {
			r.first.Do(func() { close(r.loaded) })
		}
		var (
			key  string
			open bool
		)
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
			continue
		case key, open = <-apps:
			key = cmp.Or(key, appPrefix)
		case key, open = <-clients:
			key = cmp.Or(key, clientPrefix)
		}
		if !open {
			if ctx.Err() != nil {
				return nil
			}
			return errors.New("follow apps and clients: the store was closed")
		}
		dirty[key] = true
	}
}

// Loaded is closed once the store was read for the first time.
func (r *Registry) Loaded() <-chan struct{} { return r.loaded }

// read takes over what the store holds under a key, or under a whole prefix.
// Reads come one after the other, so that none overwrites a newer one.
func (r *Registry) read(ctx context.Context, key string) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if strings.HasSuffix(key, "/") {
		return r.list(ctx, key)
	}
	return r.get(ctx, key)
}

func (r *Registry) get(ctx context.Context, key string) error {
	rec, err := r.store.Get(ctx, key)
	switch {
	case err == nil:
		r.take(rec)
	case errors.Is(err, store.ErrNotFound):
		r.drop(key)
	case errors.Is(err, store.ErrUnreadable):
		r.unreadable(key, err)
	default:
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}

// list takes over a whole prefix, and then looks at what it did not find: it
// is gone, or cannot be read.
func (r *Registry) list(ctx context.Context, prefix string) error {
	missing := r.stored(prefix)
	for rec, err := range r.store.List(ctx, prefix) {
		switch {
		case err == nil:
			delete(missing, rec.Key)
			r.take(rec)
		case errors.Is(err, store.ErrUnreadable):
			r.unreadable(prefix, err)
		default:
			return fmt.Errorf("list %s: %w", prefix, err)
		}
	}
	for key := range missing {
		if err := r.get(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// stored is the keys of what is in memory from the store.
func (r *Registry) stored(prefix string) map[string]struct{} {
	r.mu.RLock()
	defer r.mu.RUnlock()
	keys := map[string]struct{}{}
	if prefix == appPrefix {
		for id := range r.apps.stored {
			keys[appPrefix+string(id)] = struct{}{}
		}
		return keys
	}
	for name := range r.clients.stored {
		keys[clientPrefix+name] = struct{}{}
	}
	return keys
}

// take puts a record into memory.
func (r *Registry) take(rec store.Record) {
	err := store.CheckForm(rec.Value, form)
	if err != nil {
		r.unreadable(rec.Key, err)
		return
	}
	if id, ok := strings.CutPrefix(rec.Key, appPrefix); ok {
		var app config.App
		if app, err = config.RecallApp(rec.Value); err == nil {
			r.setApp(credential.App(id), &App{App: app})
		}
	} else if name, ok := strings.CutPrefix(rec.Key, clientPrefix); ok {
		var c config.Client
		if c, err = config.RecallClient(rec.Value); err == nil {
			r.setClient(name, newClient(c, false))
		}
	}
	if err != nil {
		r.unreadable(rec.Key, err)
	}
}

func (r *Registry) drop(key string) {
	if id, ok := strings.CutPrefix(key, appPrefix); ok {
		r.setApp(credential.App(id), nil)
	} else if name, ok := strings.CutPrefix(key, clientPrefix); ok {
		r.setClient(name, nil)
	}
}

// unreadable logs a record that is damaged, or of a later Hufu: what is known of
// it stays in force, and it takes no other down.
func (r *Registry) unreadable(key string, err error) {
	if errors.Is(err, store.ErrLater) {
		r.log.Error("an app or client in the store is not for this version; what is known of it stays in force", "key", key, "err", err)
		return
	}
	r.log.Error("an app or client in the store cannot be read; put it again", "key", key, "err", err)
}
