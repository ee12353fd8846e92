// Package sealed encrypts the values of any store. Keys, dates and versions of
// records stay in clear; so no secret may stand in a key.
package sealed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hufu-project/hufu/internal/store"
)

// Store seals what goes into another store and opens what comes out. It keeps
// the contract of store.Store; a value that does not open is ErrUnreadable.
type Store struct {
	inner  store.Store
	keys   atomic.Pointer[Keyring] // its first seals
	root   Key
	more   broadcast // the keyring holds a key that it did not
	closed chan struct{}
	close  func()

	rekey rekey
}

// The records of our own. They are sealed and listed like any other.
const (
	own = "hufu/"
	// rootKey is a drawn key from which others are derived, so that they outlive
	// a master key. It is made with the store, by one process of many.
	rootKey = own + "root"
	// checkPrefix is of one record for each master key in use, named by its id:
	// a process that holds not all of them must not begin.
	checkPrefix = own + "key-check/"
	checkValue  = "hufu"
)

// Open seals inner by keys, after it has made sure that they belong together.
// In an empty store any keys will do. Where they do not belong together the
// error is an *UnknownKey. Of several keys the first that is in use there seals,
// until Follow has found that it may be the first of all.
//
// The Store's Close closes inner. If Open fails inner stays open.
func Open(ctx context.Context, inner store.Store, keys *Keyring) (*Store, error) {
	s := &Store{inner: inner, closed: make(chan struct{})}
	s.close = sync.OnceFunc(func() { close(s.closed) })
	s.keys.Store(keys)
	s.rekey.file, s.rekey.look = keys.keys, len(keys.keys) > 1
	if err := s.check(ctx); err != nil {
		return nil, fmt.Errorf("check that the master key belongs to the store: %w", err)
	}
	return s, nil
}

// Check says what Open would, and writes nothing.
func Check(ctx context.Context, inner store.Store, keys *Keyring) error {
	s := &Store{inner: inner}
	s.keys.Store(keys)
	if _, err := s.belong(ctx); err != nil {
		return err
	}
	for _, err := range s.List(ctx, "") { // one record that opens is proof
		if lacksKey(err) || err != nil && !errors.Is(err, store.ErrUnreadable) {
			return err
		}
		break
	}
	return nil
}

// belong gives the ids of the keys in use, all of which are in hand.
func (s *Store) belong(ctx context.Context) (map[string]bool, error) {
	inUse, err := s.inUse(ctx)
	if err != nil {
		return nil, err
	}
	have := ids(s.keys.Load().keys)
	for id := range inUse {
		if !slices.Contains(have, id) {
			return nil, &UnknownKey{Record: checkPrefix + id, ID: id, Have: have}
		}
	}
	return inUse, nil
}

func (s *Store) check(ctx context.Context) error {
	inUse, err := s.belong(ctx)
	if err != nil {
		return err
	}
	keys := s.keys.Load()
	for _, k := range keys.keys {
		if inUse[k.ID()] {
			s.keys.Store(keys.sealingWith(k))
			break
		}
	}
	if err := s.openRoot(ctx); err != nil {
		return err
	}
	return s.establish(ctx, s.keys.Load().keys[0])
}

// inUse is the ids of the master keys that the store says it is sealed by.
func (s *Store) inUse(ctx context.Context) (map[string]bool, error) {
	inUse := map[string]bool{}
	for r, err := range s.inner.List(ctx, checkPrefix) {
		if errors.Is(err, store.ErrUnreadable) {
			break
		}
		if err != nil {
			return nil, err
		}
		inUse[strings.TrimPrefix(r.Key, checkPrefix)] = true
	}
	return inUse, nil
}

// establish says in the store that it is sealed by k from now on, too.
func (s *Store) establish(ctx context.Context, k Key) error {
	key := checkPrefix + k.ID()
	with := s.keys.Load().sealingWith(k)
	r, err := s.inner.Get(ctx, key)
	if err == nil {
		_, err = with.open(key, r.Value)
	}
	if err == nil || errors.Is(err, store.ErrLater) || !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnreadable) {
		return err
	}
	_, err = s.inner.Put(ctx, store.Record{Key: key, Version: r.Version, Value: with.seal(key, []byte(checkValue))})
	if errors.Is(err, store.ErrConflict) {
		return nil // another process did
	}
	return err
}

// openRoot reads the root, or draws it.
func (s *Store) openRoot(ctx context.Context) error {
	for {
		r, err := s.Get(ctx, rootKey)
		var unknown *UnknownKey
		if err == nil && len(r.Value) == keyLen {
			s.root = Key{[keyLen]byte(r.Value)}
			return nil
		}
		if err == nil {
			err = store.ErrLater // the seal proves that it was meant so
		}
		if errors.As(err, &unknown) || errors.Is(err, store.ErrLater) {
			return err
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnreadable) {
			return err
		}
		// One record that opens is proof.
		for _, err := range s.List(ctx, "") {
			if err != nil && (errors.As(err, &unknown) || !errors.Is(err, store.ErrUnreadable)) {
				return err
			}
			break
		}
		drawn := NewKey()
		_, err = s.Put(ctx, store.Record{Key: rootKey, Version: r.Version, Value: drawn.bytes[:]})
		if err == nil {
			s.root = drawn
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		// Another process was first; its key must be ours.
	}
}

// Root derives keys that belong to the store: all who open it derive the same,
// whichever master key seals it.
func (s *Store) Root() *Keyring { return NewKeyring(s.root) }

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
	if r.Value, err = s.keys.Load().open(key, r.Value); lacksKey(err) || errors.Is(err, store.ErrLater) {
		r.Version = "" // nobody may replace what another node reads well
	}
	return r, err
}

func lacksKey(err error) bool {
	_, ok := errors.AsType[*UnknownKey](err)
	return ok
}

// List opens each value and leaves out those that do not open.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		var unreadable error // the first
		for r, err := range s.inner.List(ctx, prefix) {
			if err == nil {
				r.Value, err = s.keys.Load().open(r.Key, r.Value)
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
	r.Value = s.keys.Load().seal(r.Key, value)
	r, err := s.inner.Put(ctx, r)
	r.Value = value
	return r, err
}

// Delete passes through.
func (s *Store) Delete(ctx context.Context, key, version string) error {
	return s.inner.Delete(ctx, key, version)
}

// Watch passes through, and says "anything" when a record that did not open for
// want of a key may open now.
func (s *Store) Watch(ctx context.Context, prefix string) <-chan string {
	in, out := s.inner.Watch(ctx, prefix), make(chan string)
	more := s.more.next()
	go func() {
		defer close(out)
		for {
			key, open := "", true
			select {
			case key, open = <-in:
			case <-more:
				more = s.more.next()
			}
			if !open {
				return
			}
			select {
			case out <- key:
			case <-ctx.Done():
				return
			case <-s.closed:
				return
			}
		}
	}()
	return out
}

// Close closes the store underneath.
func (s *Store) Close() error {
	s.close()
	return s.inner.Close()
}

// broadcast wakes all who wait.
type broadcast struct {
	mu   sync.Mutex
	wake chan struct{}
}

// next is closed at the next tell.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wake == nil {
		b.wake = make(chan struct{})
	}
	return b.wake
}

func (b *broadcast) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wake != nil {
		close(b.wake)
		b.wake = nil
	}
}
