package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hufu-project/hufu/internal/store"
)

// A version is the record's place in the change log and eight random bytes: the
// place alone would repeat after a failover or once an older copy is put back.
//
// Each write is one transaction, sent as one text, so that no client that falls
// asleep can hold it open. It begins with the counter, under the empty key,
// whose row it keeps locked until it has committed: so writes take turns, and
// are seen in the order of their places. What follows therefore needs no
// further care for others, at any isolation.
const (
	beginSQL = `START TRANSACTION; UPDATE hufu_records SET seq = seq + 1 WHERE k = ''; `

	createSQL = beginSQL + `DELETE FROM hufu_records WHERE k = ? AND (value IS NULL OR expires <= UTC_TIMESTAMP(6));
		INSERT INTO hufu_records (k, version, seq, value, written, expires)
			SELECT ?, CONCAT(c.seq, '-', ?), c.seq, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND
			FROM hufu_records AS c WHERE c.k = '' AND NOT EXISTS (SELECT 1 FROM hufu_records AS r WHERE r.k = ?); ` + commitSQL

	replaceSQL = beginSQL + `UPDATE hufu_records AS r, hufu_records AS c
			SET r.version = CONCAT(c.seq, '-', ?), r.seq = c.seq, r.value = ?,
				r.written = UTC_TIMESTAMP(6), r.expires = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND
			WHERE c.k = '' AND r.k = ? AND r.version = ? AND r.value IS NOT NULL
				AND (r.expires IS NULL OR r.expires > UTC_TIMESTAMP(6)); ` + commitSQL

	commitSQL = `SELECT version, written, expires FROM hufu_records WHERE k = ?; COMMIT`
)

// Put is one round trip. It returns when the record is on the disk, as far as
// the server's settings have it so; see Doubts.
func (s *Store) Put(ctx context.Context, r store.Record) (store.Record, error) {
	life, err := r.Life()
	if err := errors.Join(err, store.CheckKey(r.Key, maxKey), ctx.Err()); err != nil {
		return r, err
	}
	if r.Value == nil {
		r.Value = []byte{} // NULL is a record that was deleted
	}
	key, mine := []byte(r.Key), nonce()
	var done row
	if r.Version == "" {
		done, err = s.write(ctx, mine, createSQL, key, key, mine, r.Value, microseconds(life), key, key)
	} else {
		done, err = s.write(ctx, mine, replaceSQL, mine, r.Value, microseconds(life), key, []byte(r.Version), key)
	}
	if err != nil {
		return r, fmt.Errorf("put %s: %w", r.Key, err)
	}
	done.value, done.now = r.Value, done.written.Time
	return done.record(r.Key), nil
}

// Delete leaves a row without a value, for the change log; sweep takes it away.
func (s *Store) Delete(ctx context.Context, key, version string) error {
	if err := errors.Join(store.CheckKey(key, maxKey), ctx.Err()); err != nil {
		return err
	}
	mine := nonce()
	_, err := s.write(ctx, mine, replaceSQL, mine, nil, 0, []byte(key), []byte(version), []byte(key))
	if errors.Is(err, store.ErrConflict) {
		// Nothing was deleted, and which of the two it is may be read
		// afterwards: no version ever comes back.
		if _, getErr := s.Get(ctx, key); getErr != nil {
			err = getErr
		}
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// tries is how often a write begins that surely was not written, because the
// connection had died before or another transaction was in the way.
const tries = 3

func (s *Store) write(ctx context.Context, mine, statements string, args ...any) (done row, err error) {
	for range tries {
		done, err = s.once(ctx, mine, statements, args...)
		if !errors.Is(err, driver.ErrBadConn) && !isNumber(err, deadlock) {
			break
		}
	}
	return done, err
}

func (s *Store) once(ctx context.Context, mine, statements string, args ...any) (done row, err error) {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return done, err
	}
	defer func() {
		if err != nil && !errors.Is(err, store.ErrConflict) {
			// Its transaction may be open still: away with it.
			_ = c.Raw(func(any) error { return driver.ErrBadConn })
		}
		_ = c.Close()
	}()
	rows, err := c.QueryContext(ctx, statements, args...)
	if err != nil {
		return done, judge(err, false)
	}
	defer rows.Close()
	// The one answer with rows is that of the SELECT; after it comes COMMIT's.
	for rows.Next() {
		if err := rows.Scan(&done.version, &done.written, &done.expires); err != nil {
			return done, judge(err, true)
		}
	}
	if rows.NextResultSet() {
		return done, judge(errors.New("an answer too many"), true)
	}
	if err := rows.Err(); err != nil {
		return done, judge(err, true)
	}
	if !strings.HasSuffix(done.version.String, "-"+mine) {
		return done, store.ErrConflict
	}
	return done, nil
}

// Numbers of errors.
const (
	deadlock       = 1213 // and, of a Galera cluster, that another node was first
	accessDenied   = 1045
	unknownBase    = 1049
	tableDenied    = 1142
	databaseDenied = 1044
)

// judge tells an error after which nothing was written from one after which
// nobody knows. ran: all but the COMMIT was done.
func judge(err error, ran bool) error {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrPktTooLarge) {
		return err // nothing was sent
	}
	if _, answered := errors.AsType[*mysql.MySQLError](err); answered && (!ran || isNumber(err, deadlock)) {
		return err // the COMMIT was not reached, or took it all back
	}
	return fmt.Errorf("%w: %w", store.ErrUnsure, err)
}

func isNumber(err error, numbers ...uint16) bool {
	answer, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return false
	}
	for _, n := range numbers {
		if answer.Number == n {
			return true
		}
	}
	return false
}

// microseconds is a life as the server takes it; NULL is for ever.
func microseconds(life time.Duration) sql.NullInt64 {
	return sql.NullInt64{Int64: max(1, life.Microseconds()), Valid: life != 0}
}

func nonce() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
