// Package postgres keeps records in one table of a PostgreSQL, for several
// Hufu that work as one. A write is one statement: the record and its place in
// the change log are one durable transaction.
package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hufu-project/hufu/internal/store"
)

// Store is a store.Store in a table. Its clock is the server's.
type Store struct {
	pool     *pgxpool.Pool
	channel  string        // of the notices about this table
	bell     chan struct{} // one slot: something was written
	doubts   []string
	watchers *store.Watchers

	done    context.Context // ended by Close
	end     context.CancelFunc
	running sync.WaitGroup // ring and sweep
	closing sync.Once
}

// Doubts are what Open found that may cost records, in words for people: one
// each.
func (s *Store) Doubts() []string { return s.doubts }

// Get reads from the primary: one round trip.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	r := store.Record{Key: key}
	if err := errors.Join(store.CheckKey(key, maxKey), ctx.Err()); err != nil {
		return r, err
	}
	// The clock is read after the statement's snapshot was taken, so what it
	// sees was written before.
	var found row
	err := s.pool.QueryRow(ctx, `SELECT clock_timestamp(), r.version, r.value, r.written, r.expires
		FROM (VALUES (1)) AS one LEFT JOIN hufu_records AS r ON r.key = $1`, []byte(key)).
		Scan(&found.now, &found.version, &found.value, &found.written, &found.expires)
	if err != nil {
		return r, fmt.Errorf("get %s: %w", key, err)
	}
	if r.Now = found.now.UTC(); !found.live() {
		return r, store.ErrNotFound
	}
	return found.record(key), nil
}

// row is a record as it lies in the table. One that was deleted has no value;
// it stays for a while, since it is its own entry in the change log.
type row struct {
	key              []byte
	version          *string // nil: no row
	value            []byte
	now              time.Time
	written, expires *time.Time
}

func (r *row) live() bool {
	return r.version != nil && r.value != nil && (r.expires == nil || r.now.Before(*r.expires))
}

func (r *row) record(key string) store.Record {
	got := store.Record{Key: key, Version: *r.version, Value: r.value, Written: r.written.UTC(), Now: r.now.UTC()}
	if got.Now.Before(got.Written) {
		got.Now = got.Written // the server's clock was put back
	}
	if r.expires != nil {
		got.Expires = r.expires.UTC()
	}
	return got
}

// pageRecords is how many records List asks for at once.
const pageRecords = 1000

// List reads page by page: nothing is held open while the caller takes its
// time.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for from, more := []byte(prefix), true; more; {
			page, err := s.page(ctx, from, prefix)
			if err != nil {
				yield(store.Record{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
			for i := range page {
				if page[i].live() && !yield(page[i].record(string(page[i].key)), nil) {
					return
				}
			}
			if more = len(page) == pageRecords; more {
				from = append(page[len(page)-1].key, 0) // the very next key
			}
		}
	}
}

func (s *Store) page(ctx context.Context, from []byte, prefix string) ([]row, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(from) == 0 {
		from = []byte{0} // the empty key is ours
	}
	// What is in the table has a value unless it was deleted.
	rows, err := s.pool.Query(ctx, `SELECT key, version, value, written, expires, clock_timestamp()
		FROM hufu_records WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3`, from, end(prefix), pageRecords)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(found pgx.CollectableRow) (r row, err error) {
		err = found.Scan(&r.key, &r.version, &r.value, &r.written, &r.expires, &r.now)
		return r, err
	})
}

// end is the first key behind all that begin with prefix.
func end(prefix string) []byte {
	last := []byte(prefix)
	for len(last) > 0 && last[len(last)-1] == 0xff {
		last = last[:len(last)-1]
	}
	if len(last) == 0 {
		return bytes.Repeat([]byte{0xff}, maxKey+1)
	}
	last[len(last)-1]++
	return last
}

// maxKey is far above what we use, and below what an index takes.
const maxKey = 1024

// Close ends all watches and waits for calls that are under way.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.end()
		s.watchers.Close()
		s.running.Wait()
		s.pool.Close()
	})
	return nil
}
