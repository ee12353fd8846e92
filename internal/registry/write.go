package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
)

var (
	// ErrStore: the store cannot be asked now; nothing was written.
	ErrStore = errors.New("the store cannot be reached")
	// ErrKeyTaken: another client has one of the keys.
	ErrKeyTaken = errors.New("another client has this key")
)

// tries bounds how often a write that lost against another is repeated.
const tries = 5

// PutApp adds an app or replaces it. It returns once the app is in the store
// and in force on this node; the others follow within 5 s. Errors:
// config.Problems, credential.ErrDeclared, store.ErrConflict, store.ErrUnsure,
// ErrStore.
func (r *Registry) PutApp(ctx context.Context, a config.App) error {
	if app, ok := r.App(a.AppID); ok && app.Declared {
		return fmt.Errorf("put app %s: %w", a.AppID, credential.ErrDeclared)
	}
	if err := a.Check(); err != nil {
		return fmt.Errorf("put app %s: %w", a.AppID, err)
	}
	return r.put(ctx, appPrefix+string(a.AppID), config.EncodeApp(a))
}

// DeleteApp takes an app out. Errors as of PutApp, and credential.ErrNotFound.
func (r *Registry) DeleteApp(ctx context.Context, id credential.App) error {
	if app, ok := r.App(id); ok && app.Declared {
		return fmt.Errorf("delete app %s: %w", id, credential.ErrDeclared)
	}
	return r.delete(ctx, appPrefix+string(id))
}

// PutClient adds a client or replaces it, as PutApp does; ErrKeyTaken where
// another client has one of its keys.
func (r *Registry) PutClient(ctx context.Context, c config.Client) error {
	if old, ok := r.Client(c.Name); ok && old.Declared {
		return fmt.Errorf("put client %s: %w", c.Name, credential.ErrDeclared)
	}
	if err := c.Check(); err != nil {
		return fmt.Errorf("put client %s: %w", c.Name, err)
	}
	if slices.ContainsFunc(c.KeySHA256, func(sum config.KeyHash) bool {
		other, ok := r.ClientByKey(sum)
		return ok && other.Name != c.Name
	}) {
		return fmt.Errorf("put client %s: %w", c.Name, ErrKeyTaken)
	}
	return r.put(ctx, clientPrefix+c.Name, config.EncodeClient(c))
}

// DeleteClient takes a client out, as DeleteApp does.
func (r *Registry) DeleteClient(ctx context.Context, name string) error {
	if c, ok := r.Client(name); ok && c.Declared {
		return fmt.Errorf("delete client %s: %w", name, credential.ErrDeclared)
	}
	return r.delete(ctx, clientPrefix+name)
}

func (r *Registry) put(ctx context.Context, key string, value []byte) error {
	return r.write(ctx, key, func(old store.Record, found bool) error {
		if found && bytes.Equal(old.Value, value) {
			return nil // also after a write that was unsure
		}
		_, err := r.store.Put(ctx, store.Record{Key: key, Version: old.Version, Value: value})
		return err
	})
}

func (r *Registry) delete(ctx context.Context, key string) error {
	unsure := false
	return r.write(ctx, key, func(old store.Record, found bool) error {
		if !found {
			if unsure {
				return nil
			}
			return credential.ErrNotFound
		}
		err := r.store.Delete(ctx, key, old.Version)
		unsure = unsure || errors.Is(err, store.ErrUnsure)
		return err
	})
}

// write does one change: reads the record, lets change replace it, again where
// somebody came in between or the store was unsure, and takes the result over
// into memory.
func (r *Registry) write(ctx context.Context, key string, change func(old store.Record, found bool) error) error {
	var err error
	for range tries {
		var old store.Record
		old, err = r.store.Get(ctx, key)
		found := err == nil || errors.Is(err, store.ErrUnreadable)
		if !found && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("write %s: %w: %w", key, ErrStore, err)
		}
		if !found {
			old.Version = ""
		}
		err = change(old, found)
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrUnsure) {
			break
		}
	}
	switch {
	case err == nil:
		// It is written. Should reading it back not work, Run will do it.
		if err := r.read(ctx, key); err != nil {
			r.log.Warn("a change is stored and not yet in force", "key", key, "err", err)
		}
		return nil
	case errors.Is(err, credential.ErrNotFound), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrUnsure):
		return fmt.Errorf("write %s: %w", key, err)
	}
	return fmt.Errorf("write %s: %w: %w", key, ErrStore, err)
}
