package mysql

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const (
	// beat is how often the change log is read.
	beat = time.Second
	// lookTime bounds one look: with beat it stays below the two seconds in
	// which readers must know that the store is lost.
	lookTime = 900 * time.Millisecond
	// connectTime bounds a new connection and the first look.
	connectTime = 5 * time.Second
	// keepDeleted is how long a deleted record stays in the change log, and
	// longestGap the longest time between two looks after which nothing can
	// have left it. Both are the server's.
	keepDeleted = 5 * time.Minute
	longestGap  = time.Minute
)

// Watch tells what the change log holds, within about a second.
func (s *Store) Watch(ctx context.Context, prefix string) <-chan string {
	return s.watchers.Watch(ctx, prefix)
}

// tail reads the change log over a connection of its own, until something
// fails.
func (s *Store) tail(done context.Context, begun func()) error {
	ctx, cancel := context.WithTimeout(done, connectTime)
	defer cancel()
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	at, err := look(ctx, c)
	if err != nil {
		return err
	}
	begun()
	for {
		select {
		case <-time.After(beat):
		case <-done.Done():
			return done.Err()
		}
		ctx, cancel := context.WithTimeout(done, lookTime)
		next, keys, err := lookOn(ctx, c, at)
		cancel()
		if err != nil {
			return err
		}
		for _, key := range keys {
			s.watchers.Changed(key)
		}
		at = next
	}
}

// place is how far the change log has been read. Writes commit in the order of
// their places, since each holds the counter until it has.
type place struct {
	seq    uint64
	server string
	now    time.Time
}

var (
	errMoved    = errors.New("another server answers, or the counter went back")
	errReadOnly = errors.New("it is read-only: a replica, or about to become one")
)

// look asks where the log ends.
func look(ctx context.Context, c *sql.Conn) (at place, err error) {
	var readOnly string
	err = c.QueryRowContext(ctx, `SELECT seq, UTC_TIMESTAMP(6), CONCAT_WS('/', @@hostname, @@port, @@server_id), @@global.read_only
		FROM hufu_records WHERE k = ''`).Scan(&at.seq, &at.now, &at.server, &readOnly)
	if err == nil && isOn(readOnly) {
		err = errReadOnly
	}
	return at, err
}

// lookOn gives the keys that were written since, each once; the empty one where
// they are too many.
func lookOn(ctx context.Context, c *sql.Conn, since place) (at place, keys []string, err error) {
	at, err = look(ctx, c)
	switch {
	case err != nil:
		return at, nil, err
	case at.server != since.server || at.seq < since.seq:
		return at, nil, errMoved
	case at.now.Sub(since.now) > longestGap:
		return at, []string{""}, nil
	case at.seq == since.seq:
		return at, nil, nil
	}
	rows, err := c.QueryContext(ctx, `SELECT k FROM hufu_records WHERE seq > ? AND seq <= ? AND k <> '' LIMIT ?`, since.seq, at.seq, mostKeys+1)
	if err != nil {
		return at, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return at, nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) > mostKeys {
		keys = []string{""}
	}
	return at, keys, rows.Err()
}

// mostKeys is from how many keys on readers list everything anyway.
const mostKeys = 1024

// isOn reads a switch as any version shows it.
func isOn(value string) bool { return value != "0" && value != "OFF" }

// sweep takes what has expired out of the table, once a minute and at each
// node.
func (s *Store) sweep() {
	for {
		select {
		case <-s.done.Done():
			return
		case <-time.After(sweepEvery):
		}
		for more := true; more; {
			n, err := s.sweepOnce(s.done)
			more = err == nil && n == sweepRows
		}
	}
}

const (
	sweepEvery = time.Minute
	sweepRows  = 1000
)

func (s *Store) sweepOnce(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepEvery)
	defer cancel()
	done, err := s.db.ExecContext(ctx, `DELETE FROM hufu_records WHERE expires < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND
		ORDER BY expires LIMIT ?`, keepDeleted.Microseconds(), sweepRows)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}
