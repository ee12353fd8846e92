package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
)

var (
	// ErrStore: the store cannot be asked now; nothing was written.
	ErrStore = errors.New("the store cannot be reached")
	// ErrKeyTaken: another client has one of the keys.
	ErrKeyTaken = errors.New("another client has this key")
	// ErrRedirectTaken: some address after a login would belong to another
	// client of the same app too.
	ErrRedirectTaken = errors.New("another client has such a redirect_uri")
)

// tries bounds how often a write that lost against another is repeated.
const tries = 5

// PutApp adds an app or replaces it. It returns once the app is in the store
// and in force on this node; the others follow within 5 s. Errors:
// config.Problems, credential.ErrDeclared, store.ErrConflict, store.ErrUnsure,
// store.ErrLater, ErrStore.
func (r *Registry) PutApp(ctx context.Context, a config.App) error {
	if err := r.CheckApp(a); err != nil {
		return err
	}
	return r.put(ctx, appPrefix+string(a.AppID), config.EncodeApp(a))
}

// CheckApp says why PutApp would not even begin. It reads memory only. Errors:
// config.Problems, credential.ErrDeclared.
func (r *Registry) CheckApp(a config.App) error {
	if err := r.AppWritable(a.AppID); err != nil {
		return err
	}
	if err := a.Check(); err != nil {
		return fmt.Errorf("app %s: %w", a.AppID, err)
	}
	return nil
}

// AppWritable returns credential.ErrDeclared for a declared app.
func (r *Registry) AppWritable(id credential.App) error {
	if app, ok := r.App(id); ok && app.Declared {
		return fmt.Errorf("app %s: %w", id, credential.ErrDeclared)
	}
	return nil
}

// DeleteApp takes an app out. Errors as of PutApp, and credential.ErrNotFound.
func (r *Registry) DeleteApp(ctx context.Context, id credential.App) error {
	if err := r.AppWritable(id); err != nil {
		return err
	}
	return r.delete(ctx, appPrefix+string(id))
}

// PutClient adds a client or replaces it, as PutApp does; ErrKeyTaken and
// ErrRedirectTaken where it cannot be beside another client.
func (r *Registry) PutClient(ctx context.Context, c config.Client) error {
	if err := r.CheckClient(c); err != nil {
		return err
	}
	return r.put(ctx, clientPrefix+c.Name, config.EncodeClient(c))
}

// CheckClient says why PutClient would not even begin, as CheckApp does; also
// ErrKeyTaken, ErrRedirectTaken.
func (r *Registry) CheckClient(c config.Client) error {
	if err := r.ClientWritable(c.Name); err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		return fmt.Errorf("client %s: %w", c.Name, err)
	}
	if err := r.clash(c); err != nil {
		return fmt.Errorf("client %s: %w", c.Name, err)
	}
	return nil
}

// clash says why a client cannot be beside the others.
func (r *Registry) clash(c config.Client) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for other := range r.clients.all() {
		if other.Name == c.Name {
			continue
		}
		if why, ok := errors.AsType[*config.Clash](c.Clashes(other.Client)); ok {
			if why.Key == "redirect_uris" {
				return fmt.Errorf("%w: %w", ErrRedirectTaken, why)
			}
			return fmt.Errorf("%w: %w", ErrKeyTaken, why)
		}
	}
	return nil
}

// ClientWritable returns credential.ErrDeclared for a declared client.
func (r *Registry) ClientWritable(name string) error {
	if c, ok := r.Client(name); ok && c.Declared {
		return fmt.Errorf("client %s: %w", name, credential.ErrDeclared)
	}
	return nil
}

// DeleteClient takes a client out, as DeleteApp does.
func (r *Registry) DeleteClient(ctx context.Context, name string) error {
	if err := r.ClientWritable(name); err != nil {
		return err
	}
	return r.delete(ctx, clientPrefix+name)
}

func (r *Registry) put(ctx context.Context, key string, value []byte) error {
	value = store.Mark(value, form)
	return r.write(ctx, key, func(old store.Record, found bool) error {
		if err := store.CheckForm(old.Value, form); err != nil {
			return err
		}
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
		if errors.Is(err, store.ErrLater) {
			break
		}
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
	case errors.Is(err, credential.ErrNotFound), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrUnsure), errors.Is(err, store.ErrLater):
		return fmt.Errorf("write %s: %w", key, err)
	}
	return fmt.Errorf("write %s: %w: %w", key, ErrStore, err)
}
