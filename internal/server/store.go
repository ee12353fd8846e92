package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/store/sealed"
	"github.com/hufu-project/hufu/internal/webauth"
)

// openTime bounds what is asked of the store before the process starts.
const openTime = 30 * time.Second

// boltFile is the file of an embedded store; ok is false for a store that
// stands elsewhere.
func boltFile(cfg *config.Config) (path string, ok bool) {
	return strings.CutPrefix(cfg.Store.Reveal(), "bolt:")
}

// openStore opens the store of the configuration, sealed by the master key. A
// master key is drawn only for an embedded store that is empty: whoever could
// draw one for a store that is not would lock its records away.
func openStore(ctx context.Context, cfg *config.Config) (*sealed.Store, *sealed.Keyring, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	inner, mayCreate, err := openInner(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	st, ring, err := seal(ctx, cfg, inner, mayCreate)
	if err != nil {
		return nil, nil, errors.Join(err, inner.Close())
	}
	return st, ring, nil
}

// openInner opens what lies below the seal.
func openInner(ctx context.Context, cfg *config.Config) (inner store.Store, empty bool, err error) {
	path, embedded := boltFile(cfg)
	if !embedded {
		kind, _, _ := strings.Cut(cfg.Store.Reveal(), ":")
		return nil, false, &Error{
			Err:  fmt.Errorf("store: %s is not in this version yet", kind),
			Hint: "use the embedded store, as in store: bolt:hufu.db, on one machine",
		}
	}
	st, err := bolt.Open(path)
	if err != nil {
		return nil, false, err
	}
	if empty, err = sealed.Empty(ctx, st); err != nil {
		return nil, false, errors.Join(err, st.Close())
	}
	return st, empty, nil
}

func seal(ctx context.Context, cfg *config.Config, inner store.Store, mayCreate bool) (*sealed.Store, *sealed.Keyring, error) {
	key, err := sealed.LoadOrCreateKey(cfg.MasterKeyFile, mayCreate)
	if err != nil {
		return nil, nil, err
	}
	ring := sealed.NewKeyring(key)
	st, err := sealed.Open(ctx, inner, ring)
	if unknown, ok := errors.AsType[*sealed.UnknownKey](err); ok {
		return nil, nil, &Error{
			Err: fmt.Errorf("%s is not the master key of store %s: it is key %s, and the store needs key %s",
				cfg.MasterKeyFile, cfg.StoreName(), key.ID(), unknown.ID),
			Hint: fmt.Sprintf("put the file with key %s back at %s; nothing in the store was changed", unknown.ID, absolute(cfg.MasterKeyFile)),
		}
	}
	return st, ring, err
}

// absolute is path as people find it, wherever the process was started.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// recall lets web authorization count what a process before this one began.
func recall(ctx context.Context, users *webauth.Auth) error {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	return users.Recall(ctx)
}
