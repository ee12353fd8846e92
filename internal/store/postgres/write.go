package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hufu-project/hufu/internal/store"
)

// A version is the number of the transaction that wrote the record, which is
// its place in the change log, and eight random bytes: the number alone would
// repeat after a failover or once an older copy is put back.
//
// Each write is one statement and so a transaction of its own, which no client
// that falls asleep can hold open. It does not return before it is on the disk,
// whatever the user's default is. The bell for the other nodes is rung after
// it: PostgreSQL lets transactions with a notice commit one after the other
// only, each with its own wait for the disk, which at eight writers is a
// thirteenth of the speed. What counts is the place in the change log, which is
// part of the record; a bell that is not rung costs a beat.
const (
	createSQL = `WITH done AS (
		INSERT INTO hufu_records AS r (key, version, tx, value, written, expires)
		SELECT $1::bytea, pg_current_xact_id()::text || '-' || $2::text, pg_current_xact_id()::text::bigint, $3::bytea,
			at, at + $4::bigint * interval '1 microsecond' FROM (SELECT clock_timestamp() AS at) AS clock
		ON CONFLICT (key) DO UPDATE SET version = EXCLUDED.version, tx = EXCLUDED.tx, value = EXCLUDED.value,
			written = EXCLUDED.written, expires = EXCLUDED.expires
		WHERE r.value IS NULL OR r.expires <= clock_timestamp()
		RETURNING r.version, r.written, r.expires
	) SELECT version, written, expires, ` + durable + ` FROM done`

	replaceSQL = `WITH done AS (
		UPDATE hufu_records AS r SET version = pg_current_xact_id()::text || '-' || $2::text, tx = pg_current_xact_id()::text::bigint,
			value = $3::bytea, written = at, expires = at + $4::bigint * interval '1 microsecond'
		FROM (SELECT clock_timestamp() AS at) AS clock
		WHERE r.key = $1::bytea AND r.version = $5::text AND r.value IS NOT NULL AND (r.expires IS NULL OR r.expires > clock_timestamp())
		RETURNING r.version, r.written, r.expires
	) SELECT version, written, expires, ` + durable + ` FROM done`

	durable = `set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)`
)

// Put is one round trip. It returns when the record is on the disk, and on
// those of synchronous standbys.
func (s *Store) Put(ctx context.Context, r store.Record) (store.Record, error) {
	life, err := r.Life()
	if err := errors.Join(err, store.CheckKey(r.Key, maxKey), ctx.Err()); err != nil {
		return r, err
	}
	if r.Value == nil {
		r.Value = []byte{} // NULL is a record that was deleted
	}
	args := []any{[]byte(r.Key), nonce(), r.Value, microseconds(life)}
	statement := createSQL
	if r.Version != "" {
		statement, args = replaceSQL, append(args, r.Version)
	}
	done, err := s.write(ctx, statement, args...)
	if err != nil {
		return r, fmt.Errorf("put %s: %w", r.Key, err)
	}
	done.value, done.now = r.Value, *done.written
	return done.record(r.Key), nil
}

// Delete leaves a row without a value, for the change log; sweep takes it away.
func (s *Store) Delete(ctx context.Context, key, version string) error {
	if err := errors.Join(store.CheckKey(key, maxKey), ctx.Err()); err != nil {
		return err
	}
	_, err := s.write(ctx, replaceSQL, []byte(key), nonce(), nil, int64(0), version)
	if !errors.Is(err, store.ErrConflict) {
		return wrap("delete", key, err)
	}
	// Nothing was deleted, and which of the two it is may be read afterwards:
	// no version ever comes back.
	if _, err := s.Get(ctx, key); err != nil {
		return wrap("delete", key, err)
	}
	return wrap("delete", key, store.ErrConflict)
}

func wrap(what, key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, key, err)
}

// tries is how often a write begins that the server gives back unwritten,
// because another was at the same row: never at PostgreSQL's default of
// isolation, once where the user has a stricter one.
const tries = 3

// write runs one statement that gives one row where it wrote, and none where
// the record was of another version.
func (s *Store) write(ctx context.Context, statement string, args ...any) (done row, err error) {
	for range tries {
		if done, err = s.once(ctx, statement, args...); !isCode(err, "40001", "40P01") {
			break
		}
	}
	if err == nil || errors.Is(err, store.ErrUnsure) {
		select {
		case s.bell <- struct{}{}:
		default: // it is about to be rung anyway
		}
	}
	return done, err
}

// ring rings for what was written since it last did.
func (s *Store) ring() {
	for {
		select {
		case <-s.done.Done():
			return
		case <-s.bell:
		}
		ctx, cancel := context.WithTimeout(s.done, lookTime)
		_, _ = s.pool.Exec(ctx, "SELECT pg_notify($1, '')", s.channel)
		cancel()
	}
}

func (s *Store) once(ctx context.Context, statement string, args ...any) (row, error) {
	var done row
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return done, err
	}
	defer c.Release()
	rows, err := c.Query(ctx, statement, args...)
	if err != nil {
		return done, s.judge(err, false)
	}
	ran := rows.Next()
	if ran {
		err = rows.Scan(&done.version, &done.written, &done.expires, nil)
	}
	rows.Close()
	switch err := errors.Join(err, rows.Err()); {
	case err != nil:
		return done, s.judge(err, ran)
	case !ran:
		return done, store.ErrConflict
	}
	return done, nil
}

// judge tells an error after which nothing was written from one after which
// nobody knows. ran: the statement had run, and only its end was to come.
func (s *Store) judge(err error, ran bool) error {
	if isCode(err, "25006") {
		s.pool.Reset() // read-only: it may be the primary no more, and another one is
	}
	if pgconn.SafeToRetry(err) {
		return err
	}
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fmt.Errorf("%w: %w", store.ErrUnsure, err) // the connection was lost, or ctx has ended
	}
	switch {
	case strings.HasPrefix(answer.Code, "08"), strings.HasPrefix(answer.Code, "58"), answer.Code == "40003":
		// A pooler that has lost its server says so, and knows no more than we.
	case answer.SeverityUnlocalized == "ERROR":
		return err // it takes the whole statement back
	case !ran && isCode(err, "57P01", "57P03", "57P05", "25P03", "25P04", "53300"):
		return err // the server let go of us before the statement had ended
	}
	return fmt.Errorf("%w: %w", store.ErrUnsure, err)
}

func isCode(err error, codes ...string) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if answer.Code == code {
			return true
		}
	}
	return false
}

// microseconds is a life as the server takes it; nil is for ever.
func microseconds(life time.Duration) *int64 {
	if life == 0 {
		return nil
	}
	us := max(1, life.Microseconds())
	return &us
}

func nonce() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
