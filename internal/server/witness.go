package server

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/hufu-project/hufu/internal/store"
)

// witness is the store as all parts of a node use it. It remembers what went
// wrong last: readers of live values never notice.
type witness struct {
	store.Store
	last atomic.Pointer[mishap] // nil: all is well
}

// mishap is a call that the store could not do.
type mishap struct {
	text    string
	reading bool
}

// Get passes the question on. A store that does not even answer is well again
// when it does: the embedded one answers nothing from a write that failed until
// it can be written again.
func (w *witness) Get(ctx context.Context, key string) (store.Record, error) {
	r, err := w.Store.Get(ctx, key)
	switch m := w.last.Load(); {
	case err == nil, errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrUnreadable):
		if m != nil && m.reading {
			w.last.CompareAndSwap(m, nil)
		}
	case !errors.Is(err, context.Canceled):
		w.last.Store(&mishap{err.Error(), true})
	}
	return r, err
}

// Put passes the write on.
func (w *witness) Put(ctx context.Context, r store.Record) (store.Record, error) {
	got, err := w.Store.Put(ctx, r)
	w.wrote(err)
	return got, err
}

// Delete passes the write on.
func (w *witness) Delete(ctx context.Context, key, version string) error {
	err := w.Store.Delete(ctx, key, version)
	w.wrote(err)
	return err
}

func (w *witness) wrote(err error) {
	switch {
	case err == nil:
		w.last.Store(nil)
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound), errors.Is(err, context.Canceled):
		// Nothing was written, and nobody knows whether it could have been.
	default:
		w.last.Store(&mishap{err.Error(), false})
	}
}

// up reports whether the store answers. It asks for a record that nobody
// writes.
func (w *witness) up() bool {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	_, err := w.Get(ctx, "hufu/nothing")
	return errors.Is(err, store.ErrNotFound)
}

// status is what an operator sees of the store, now.
func (w *witness) status() StoreStatus {
	w.up()
	if m := w.last.Load(); m != nil {
		return StoreStatus{Problem: m.text}
	}
	return StoreStatus{Writable: true}
}
