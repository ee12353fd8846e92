// Package bolt keeps records in one file of the local disk. It is the default
// store, for a Hufu that runs alone.
package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/hufu-project/hufu/internal/store"
)

var bucket = []byte("records")

// Store is a store.Store in one file. Its file lock keeps every other process
// out while it is open. All writes go through one goroutine, which commits
// together what has come in while the disk was busy with the last commit.
type Store struct {
	path        string
	open        openFile
	clock       *clock
	incarnation uint32 // the writer's own

	file sync.RWMutex // held to read db; written by repair alone
	db   *bbolt.DB

	writes  chan *write
	running sync.WaitGroup // the writer
	closed  chan struct{}
	// broken is set by the first commit that fails, until repair.
	broken atomic.Pointer[error]
	// swept is the last key the sweep has looked at; the writer's own.
	swept []byte

	closing  sync.Mutex
	watchers *store.Watchers
}

var (
	errClosed = errors.New("store: closed")
	errBroken = errors.New("bbolt met bytes it cannot make sense of")
)

// Alone reports that no other process can use this store while it is open.
func (s *Store) Alone() bool { return true }

// Get answers from memory, or from the disk where the page is not in memory.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	r := store.Record{Key: key}
	if err := errors.Join(store.CheckKey(key, maxKey), s.usable(ctx)); err != nil {
		return r, err
	}
	err := s.view(func(b *bbolt.Bucket) error {
		// Read the clock inside the transaction: what it sees was written
		// before.
		now := s.clock.now()
		r.Now = now
		raw := layout(b.Get([]byte(key)))
		if raw == nil {
			return store.ErrNotFound
		}
		got, err := raw.record(key)
		if err == nil && !live(got, now) {
			return store.ErrNotFound
		}
		got.Now = now
		if err == nil {
			got.Value = bytes.Clone(raw[headerLen:])
		}
		r = got
		return err
	})
	return r, err
}

// List reads page by page, so that the caller may take its time, write in
// between, or close the store: a read transaction held open would make the
// file grow and Close wait.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		var unreadable error
		for from, more := prefix, true; more; {
			var page []store.Record
			err := s.usable(ctx)
			if err == nil {
				page, from, err = s.page(prefix, from, &unreadable)
			}
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			more = from != ""
		}
		if unreadable != nil {
			yield(store.Record{}, unreadable)
		}
	}
}

// A page ends at either of these.
const (
	pageRecords = 256
	pageBytes   = 1 << 20
)

// page gives live records from the key from on, and where to go on; "" at the
// end. It keeps the first error of a record in unreadable.
func (s *Store) page(prefix, from string, unreadable *error) (page []store.Record, next string, err error) {
	err = s.view(func(b *bbolt.Bucket) error {
		now := s.clock.now()
		c := b.Cursor()
		seen, size := 0, 0
		for k, raw := c.Seek([]byte(from)); k != nil && strings.HasPrefix(string(k), prefix); k, raw = c.Next() {
			if seen == pageRecords || size > pageBytes {
				next = string(k)
				return nil
			}
			seen++
			size += len(raw)
			r, err := layout(raw).record(string(k))
			switch {
			case err != nil:
				if *unreadable == nil {
					*unreadable = err
				}
			case live(r, now):
				r.Value, r.Now = bytes.Clone(raw[headerLen:]), now
				page = append(page, r)
			}
		}
		return nil
	})
	return page, next, err
}

// Watch never misses a change: the writer itself marks the keys.
func (s *Store) Watch(ctx context.Context, prefix string) <-chan string {
	return s.watchers.Watch(ctx, prefix)
}

// Close ends all watches, lets a commit that has begun come to its end, and
// gives the file free.
func (s *Store) Close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.isClosed() {
		return nil
	}
	close(s.closed)
	s.watchers.Close()
	s.running.Wait()
	s.file.Lock()
	defer s.file.Unlock()
	return s.db.Close()
}

func (s *Store) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// usable says why the store cannot be asked, if so.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.isClosed() {
		return errClosed
	}
	if err := s.broken.Load(); err != nil {
		return s.brokenError(*err)
	}
	return nil
}

// view runs read in a read transaction.
func (s *Store) view(read func(*bbolt.Bucket) error) (err error) {
	s.file.RLock()
	defer s.file.RUnlock()
	defer survive(&err)()
	return s.db.View(func(tx *bbolt.Tx) error { return read(tx.Bucket(bucket)) })
}

// survive is deferred around everything that reads the file: bbolt panics, or
// touches memory that is not there, when the file is damaged, and live values
// in memory must outlive that.
func survive(err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			*err = fmt.Errorf("%w: %v", errBroken, p)
		}
	}
}
