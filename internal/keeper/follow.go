package keeper

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
)

// follow keeps the entries in step with the registry and the store until ctx
// ends.
func (k *Keeper) follow(ctx context.Context) {
	apps, records := k.Registry.Watch(ctx), k.Store.Watch(ctx, prefix)
	// Both speak at once and say "anything": so the store is read once, with
	// all the apps known that are declared. Those in the store are told later;
	// where there are no others, the credentials are read then.
	<-apps
	<-records
	var retry <-chan time.Time // set while the store is to be read anew
	again := func(ok bool) {
		if !ok && retry == nil {
			retry = time.After(k.beat)
		}
	}
	if k.meetAll() {
		again(k.loadAll(ctx))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case app, ok := <-apps:
			if !ok {
				return
			}
			if app != "" {
				k.meet(ctx, app)
				continue
			}
			if k.meetAll() {
				again(k.loadAll(ctx))
			}
		case key, ok := <-records:
			switch {
			case !ok:
				return
			case key == "":
				again(k.loadAll(ctx))
			default:
				if c, ok := parseKey(key); ok {
					if e, ok := k.entry(c); ok {
						again(k.load(ctx, e) == nil)
					}
				}
			}
		case <-retry:
			retry = nil
			select {
			case <-k.reread: // this is it
			default:
			}
			again(k.loadAll(ctx))
		case <-k.reread:
			// Not at once: a store that can be read and not written would be
			// lost and found without end.
			again(false)
		}
	}
}

// meet brings the entries of one app in line with the registry.
func (k *Keeper) meet(ctx context.Context, app credential.App) {
	for _, kind := range wechat.Kinds() {
		key := credential.Key{App: app, Kind: kind}
		p, _, ok := k.policyOf(key)
		if !ok {
			k.forget(key)
			continue
		}
		e, ok := k.find(key)
		if !ok && p.line.OnDemand {
			continue
		}
		if !ok {
			e, _ = k.entry(key)
		}
		e.mu.Lock()
		known := e.known
		if known {
			k.show(e, p)
		}
		e.mu.Unlock()
		if known {
			k.kick(e)
		} else {
			_ = k.load(ctx, e)
		}
	}
}

// meetAll does so for all apps. It reports whether there are new ones, whose
// records are still to be read.
func (k *Keeper) meetAll() (fresh bool) {
	kinds := wechat.Kept()
	for app := range k.Registry.Apps() {
		for _, kind := range kinds {
			key := credential.Key{App: app.AppID, Kind: kind}
			if e, ok := k.entry(key); ok {
				e.mu.Lock()
				fresh = fresh || !e.known
				e.mu.Unlock()
			}
		}
	}
	for _, e := range k.all() {
		if _, _, ok := k.policyOf(e.key); !ok {
			k.forget(e.key)
		} else {
			k.kick(e)
		}
	}
	return fresh
}

// forget drops the credential of an app that is gone. Its record stays in the
// store, sealed, until it expires.
func (k *Keeper) forget(key credential.Key) {
	k.mu.Lock()
	e, ok := k.entries[key]
	delete(k.entries, key)
	k.mu.Unlock()
	if !ok {
		return
	}
	e.mu.Lock()
	e.leave()
	e.mu.Unlock()
	k.queue.put(e, time.Time{})
}

// load reads one record from the store.
func (k *Keeper) load(ctx context.Context, e *entry) error {
	asked := k.moment()
	got, err := k.Store.Get(ctx, storeKey(e.key))
	return k.take(ctx, e, got, err, asked)
}

// take takes in what a Get said.
func (k *Keeper) take(ctx context.Context, e *entry, got store.Record, err error, asked moment) error {
	var rec record
	switch {
	case errors.Is(err, store.ErrNotFound):
		// No record is taken away that somebody wants: if one was known, the store has lost
		// it. What is known goes back there; see step.
		e.mu.Lock()
		rec = e.rec
		e.mu.Unlock()
		got.Version, got.Written = "", got.Now
	case errors.Is(err, store.ErrUnreadable):
		k.spoiled(e, got, err, asked.at)
		return nil
	case err != nil:
		if ctx.Err() == nil {
			k.lost(err)
		}
		return err
	default:
		if rec, err = decode(got.Value); errors.Is(err, store.ErrLater) {
			got.Version = "" // nobody may replace what a newer node reads well
		}
		if err != nil {
			k.spoiled(e, got, err, asked.at)
			return nil
		}
	}
	if !k.read(e, rec, got, asked) {
		return k.load(ctx, e)
	}
	k.kick(e)
	return nil
}

// spoiled notes that a record is there and cannot be read. What is in memory
// goes on being served; nothing is issued, since the record may say that it
// must not be, until an operator renews: then it is replaced.
func (k *Keeper) spoiled(e *entry, got store.Record, err error, asked time.Time) {
	e.mu.Lock()
	first := e.spoiled == nil
	e.spoiled = &spoiled{err: err, version: got.Version, clock: clock{said: got.Now, asked: asked}}
	e.mu.Unlock()
	if first {
		k.Log.Error("a record in the store cannot be read; an operator's renewal replaces it", "app", e.key.App, "kind", e.key.Kind, "err", err)
	}
}

// loadAll reads every record anew. It reports whether the store was there.
func (k *Keeper) loadAll(ctx context.Context) bool {
	asked := k.moment()
	seen := map[credential.Key]bool{}
	for got, err := range k.Store.List(ctx, prefix) {
		if errors.Is(err, store.ErrUnreadable) {
			break // the last word: some records were left out; each is asked for below
		}
		if err != nil {
			if ctx.Err() == nil {
				k.lost(err)
			}
			return false
		}
		key, ok := parseKey(got.Key)
		if !ok {
			continue
		}
		seen[key] = true
		if e, ok := k.entry(key); ok {
			_ = k.take(ctx, e, got, nil, asked)
		}
	}
	// What is not in the list may be absent, or have come since: ask.
	k.mu.RLock()
	var absent []*entry
	for key, e := range k.entries {
		if !seen[key] {
			absent = append(absent, e)
		}
	}
	k.mu.RUnlock()
	slices.SortFunc(absent, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.key.App, b.key.App), cmp.Compare(a.key.Kind, b.key.Kind))
	})
	for _, e := range absent {
		if k.load(ctx, e) != nil {
			return false
		}
	}
	k.found()
	return true
}

// lost notes that the store cannot be reached: values in hand are in doubt
// until it is back. found takes that back.
func (k *Keeper) lost(err error) {
	if !k.cutOff.Swap(true) {
		k.Log.Error("the store fails; live values are served from memory, nothing is issued", "err", err)
		k.rereadAll()
	}
}

// rereadAll has the whole store read anew soon.
func (k *Keeper) rereadAll() {
	select {
	case k.reread <- struct{}{}:
	default:
	}
}

func (k *Keeper) found() {
	if k.cutOff.Swap(false) {
		k.Log.Info("the store is back")
	}
}
