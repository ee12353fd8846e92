// Package engine opens the store that a configuration names: it finds the engine
// by the scheme of the address, reads the master key, and seals.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/store/mysql"
	"github.com/hufu-project/hufu/internal/store/postgres"
	"github.com/hufu-project/hufu/internal/store/redis"
	"github.com/hufu-project/hufu/internal/store/sealed"
)

// openTime bounds what is asked of the store before the process starts.
const openTime = 30 * time.Second

// Error is an error of opening with a way out for people. Its texts hold no
// secret.
type Error struct {
	Err  error
	Hint string
}

// Error gives the error without the hint.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives Err.
func (e *Error) Unwrap() error { return e.Err }

// File is the file of an embedded store; ok is false for a store that stands
// elsewhere.
func File(cfg *config.Config) (path string, ok bool) {
	return strings.CutPrefix(cfg.Store.Reveal(), "bolt:")
}

// Open opens the store of the configuration, sealed by the master key. A master
// key is drawn only for an embedded store that is empty: whoever could draw one
// for a store that is not would lock its records away. It blocks for half a
// minute at most. What a person can put right comes as an *Error with a hint;
// bolt.ErrInUse is an embedded store that another process has open. What may
// cost records in a shared store is logged.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger) (*sealed.Store, *sealed.Keyring, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	inner, mayCreate, err := openBare(ctx, cfg, func(doubt string) { log.Warn("the store may lose records", "why", doubt) })
	if err != nil {
		return nil, nil, err
	}
	st, ring, err := seal(ctx, cfg, inner, mayCreate)
	if err != nil {
		return nil, nil, errors.Join(err, inner.Close())
	}
	return st, ring, nil
}

// openBare opens what lies below the seal.
func openBare(ctx context.Context, cfg *config.Config, warn func(doubt string)) (inner store.Store, empty bool, err error) {
	if path, embedded := File(cfg); embedded {
		st, err := bolt.Open(path)
		if err != nil {
			return nil, false, err
		}
		if empty, err = sealed.Empty(ctx, st); err != nil {
			return nil, false, errors.Join(err, st.Close())
		}
		return st, empty, nil
	}
	address := cfg.Store.Reveal()
	kind, _, _ := strings.Cut(address, ":")
	shared, err := engines[kind](ctx, address)
	if err != nil {
		return nil, false, err
	}
	for _, doubt := range shared.Doubts() {
		warn(doubt)
	}
	return shared, false, nil
}

// shared is a store that several nodes may open. Doubts are what may cost
// records there, in words for people.
type shared interface {
	store.Store
	Doubts() []string
}

// engines open the shared stores, by the scheme of their address; config lets
// no other pass.
var engines = map[string]func(ctx context.Context, address string) (shared, error){
	"redis":    engine(config.ParseRedis, redis.Open),
	"rediss":   engine(config.ParseRedis, redis.Open),
	"postgres": engine(config.ParseSQL, postgres.Open),
	"mysql":    engine(config.ParseSQL, mysql.Open),
}

func engine[A any, S shared](parse func(string) (A, error), open func(context.Context, A) (S, error)) func(context.Context, string) (shared, error) {
	return func(ctx context.Context, address string) (shared, error) {
		where, err := parse(address)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		st, err := open(ctx, where)
		if err != nil {
			return nil, err
		}
		return st, nil
	}
}

func seal(ctx context.Context, cfg *config.Config, inner store.Store, mayCreate bool) (*sealed.Store, *sealed.Keyring, error) {
	file, err := sealed.LoadOrCreateKeys(cfg.MasterKeyFile, mayCreate)
	if _, embedded := File(cfg); !embedded && errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &Error{
			Err:  err,
			Hint: fmt.Sprintf(`all nodes need the same file; for a new store make it once: (umask 077; echo "hufu-master-key-1 $(head -c 32 /dev/urandom | base64)" > %s)`, cfg.MasterKeyFile),
		}
	}
	if err != nil {
		return nil, nil, err
	}
	st, err := sealed.Open(ctx, inner, sealed.NewKeyring(file[0], file[1:]...))
	if unknown, ok := errors.AsType[*sealed.UnknownKey](err); ok {
		return nil, nil, wrongKey(cfg, unknown)
	}
	if err != nil {
		return nil, nil, err
	}
	return st, st.Root(), nil
}

func wrongKey(cfg *config.Config, unknown *sealed.UnknownKey) error {
	where, _ := filepath.Abs(cfg.MasterKeyFile) // empty where there is no working directory
	return &Error{
		Err: fmt.Errorf("%s is not the master key of store %s: it is key %s, and the store needs key %s",
			cfg.MasterKeyFile, cfg.StoreName(), strings.Join(unknown.Have, ", "), unknown.ID),
		Hint: fmt.Sprintf("put the file with key %s back at %s; nothing in the store was changed", unknown.ID, cmp.Or(where, cfg.MasterKeyFile)),
	}
}
