// Package sealed encrypts the values of any store. Keys, dates and versions of
// records stay in clear; so no secret may stand in a key.
package sealed

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/hufu-project/hufu/internal/store"
)

// Store seals what goes into another store and opens what comes out. It keeps
// the contract of store.Store; a value that does not open is ErrUnreadable.
type Store struct {
	inner store.Store
	keys  *Keyring
}

// checkKey is the one record of our own. Its value is known, so that a wrong
// master key is noticed at start and not at the first credential. It is a
// record like any other: sealed, and listed below "".
const (
	checkKey   = "hufu/key-check"
	checkValue = "hufu"
)

// Open seals inner by keys, after it has made sure that they belong together:
// it opens the store's key check, or, where that is missing or damaged, any
// other record, and then writes the check. In an empty store any keys will do.
// Where they do not belong together the error is an *UnknownKey.
//
// The Store's Close closes inner. If Open fails inner stays open.
func Open(ctx context.Context, inner store.Store, keys *Keyring) (*Store, error) {
	s := &Store{inner: inner, keys: keys}
	if err := s.check(ctx); err != nil {
		return nil, fmt.Errorf("check that the master key belongs to the store: %w", err)
	}
	return s, nil
}

func (s *Store) check(ctx context.Context) error {
	for {
		r, err := s.Get(ctx, checkKey)
		var unknown *UnknownKey
		if err == nil || errors.As(err, &unknown) {
			return err
		}
		if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnreadable) {
			return err
		}
		// One record that opens is proof.
		for _, err := range s.List(ctx, "") {
			if err != nil {
				return err
			}
			break
		}
		_, err = s.Put(ctx, store.Record{Key: checkKey, Version: r.Version, Value: []byte(checkValue)})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		// Another process was first; its key must be ours.
	}
}

// Empty reports whether s holds no record at all: then a new master key may be
// drawn for it.
func Empty(ctx context.Context, s store.Store) (bool, error) {
	for _, err := range s.List(ctx, "") {
		if errors.Is(err, store.ErrUnreadable) {
			return false, nil
		}
		return false, err
	}
	return true, nil
}

// Alone reports whether the store underneath is for this process alone.
func (s *Store) Alone() bool {
	inner, ok := s.inner.(interface{ Alone() bool })
	return ok && inner.Alone()
}

// Get opens the value.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	r, err := s.inner.Get(ctx, key)
	if err != nil {
		return r, err
	}
	r.Value, err = s.keys.open(key, r.Value)
	return r, err
}

// List opens each value and leaves out those that do not open.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		var unreadable error // the first
		for r, err := range s.inner.List(ctx, prefix) {
			if err == nil {
				r.Value, err = s.keys.open(r.Key, r.Value)
			}
			switch {
			case err == nil:
				if !yield(r, nil) {
					return
				}
			case !errors.Is(err, store.ErrUnreadable):
				yield(store.Record{}, err)
				return
			case unreadable == nil:
				unreadable = err
			}
		}
		if unreadable != nil {
			yield(store.Record{}, unreadable)
		}
	}
}

// Put seals the value by the primary key.
func (s *Store) Put(ctx context.Context, r store.Record) (store.Record, error) {
	value := r.Value
	r.Value = s.keys.seal(r.Key, value)
	r, err := s.inner.Put(ctx, r)
	r.Value = value
	return r, err
}

// Delete passes through.
func (s *Store) Delete(ctx context.Context, key, version string) error {
	return s.inner.Delete(ctx, key, version)
}

// Watch passes through.
func (s *Store) Watch(ctx context.Context, prefix string) <-chan string {
	return s.inner.Watch(ctx, prefix)
}

// Close closes the store underneath.
func (s *Store) Close() error { return s.inner.Close() }
