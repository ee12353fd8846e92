// Package mysql keeps records in one table of a MySQL or MariaDB, for several
// Hufu that work as one. There are no notices: every node looks at the change
// log once a second.
package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// Store is a store.Store in a table. Its clock is the server's, in UTC.
type Store struct {
	db       *sql.DB
	doubts   []string
	watchers *store.Watchers

	done     context.Context // ended by Close
	end      context.CancelFunc
	sweeping sync.WaitGroup
	closing  sync.Once
}

// Doubts are what Open found that may cost records, in words for people: one
// each.
func (s *Store) Doubts() []string { return s.doubts }

// Get is one round trip.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	r := store.Record{Key: key}
	if err := errors.Join(store.CheckKey(key, maxKey), ctx.Err()); err != nil {
		return r, err
	}
	var found row
	err := s.db.QueryRowContext(ctx, `SELECT UTC_TIMESTAMP(6), r.version, r.value, r.written, r.expires
		FROM (SELECT 1) AS one LEFT JOIN hufu_records AS r ON r.k = ?`, []byte(key)).
		Scan(&found.now, &found.version, &found.value, &found.written, &found.expires)
	if err != nil {
		return r, fmt.Errorf("get %s: %w", key, err)
	}
	if r.Now = found.now; !found.live() {
		return r, store.ErrNotFound
	}
	return found.record(key), nil
}

// row is a record as it lies in the table. One that was deleted has no value;
// it stays for a while, since it is its own entry in the change log.
type row struct {
	key              []byte
	version          sql.NullString // not valid: no row
	value            []byte
	now              time.Time
	written, expires sql.NullTime
}

func (r *row) live() bool {
	return r.version.Valid && r.value != nil && (!r.expires.Valid || r.now.Before(r.expires.Time))
}

func (r *row) record(key string) store.Record {
	got := store.Record{Key: key, Version: r.version.String, Value: r.value, Written: r.written.Time, Now: r.now}
	if got.Now.Before(got.Written) {
		got.Now = got.Written // its transaction began before, or the clock was put back
	}
	if r.expires.Valid {
		got.Expires = r.expires.Time
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

func (s *Store) page(ctx context.Context, from []byte, prefix string) (page []row, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(from) == 0 {
		from = []byte{0} // the empty key is ours
	}
	rows, err := s.db.QueryContext(ctx, `SELECT k, version, value, written, expires, UTC_TIMESTAMP(6)
		FROM hufu_records WHERE k >= ? AND k < ? ORDER BY k LIMIT ?`, from, end(prefix), pageRecords)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.key, &r.version, &r.value, &r.written, &r.expires, &r.now); err != nil {
			return nil, err
		}
		page = append(page, r)
	}
	return page, rows.Err()
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
func (s *Store) Close() (err error) {
	s.closing.Do(func() {
		s.end()
		s.watchers.Close()
		s.sweeping.Wait()
		err = s.db.Close()
	})
	return err
}
