package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// beat is how often the change log is read where no bell rings.
	beat = time.Second
	// pace is the least time between two looks, so that a thousand writes a
	// second are not a thousand looks.
	pace = 5 * time.Millisecond
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

// Watch tells what the change log holds.
func (s *Store) Watch(ctx context.Context, prefix string) <-chan string {
	return s.watchers.Watch(ctx, prefix)
}

// tail reads the change log over a connection of its own, until something
// fails.
func (s *Store) tail(done context.Context, begun func()) error {
	cfg := s.pool.Config().ConnConfig
	rung := false
	cfg.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) { rung = true }
	ctx, cancel := context.WithTimeout(done, connectTime)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), lookTime)
		defer cancel()
		_ = c.Close(ctx)
	}()
	if _, err := c.Exec(ctx, "LISTEN "+s.channel); err != nil {
		return err
	}
	if err := rebase(ctx, c); err != nil {
		return err
	}
	at, _, err := look(ctx, c, place{})
	if err != nil {
		return err
	}
	begun()
	for {
		if err := wait(done, c, &rung); err != nil {
			return err
		}
		rung = false
		ctx, cancel := context.WithTimeout(done, lookTime)
		next, keys, err := look(ctx, c, at)
		cancel()
		if err != nil {
			return err
		}
		if next.server != at.server {
			return errors.New("another server answers, or another table")
		}
		if len(keys) > mostKeys || next.now.Sub(at.now) > longestGap {
			keys = []string{""}
		}
		for _, key := range keys {
			s.watchers.Changed(key)
		}
		at = next
	}
}

// wait returns when the bell has rung, or after a beat: a bell may be lost, and
// behind a pooler none is heard.
func wait(ctx context.Context, c *pgx.Conn, rung *bool) error {
	select {
	case <-time.After(pace):
	case <-ctx.Done():
		return ctx.Err()
	}
	if *rung {
		return nil
	}
	beatCtx, cancel := context.WithTimeout(ctx, beat)
	defer cancel()
	if err := c.PgConn().WaitForNotification(beatCtx); err != nil && (ctx.Err() != nil || !pgconn.Timeout(err)) {
		return err
	}
	return nil
}

// place is how far the change log has been read. Transactions do not commit in
// the order of their numbers, so one number is not enough: what has been read
// is what a snapshot of the server shows, and what comes after it are exactly
// the transactions that it does not show.
type place struct {
	next    int64   // no transaction from here on is shown
	running []int64 // and none of these, which are older
	server  string  // changes with the server and with the table
	now     time.Time
}

// mostKeys is from how many keys on readers list everything anyway.
const mostKeys = 1024

const lookSQL = `SELECT pg_current_snapshot()::text, clock_timestamp(),
	pg_postmaster_start_time()::text || ' ' || pg_relation_filenode('hufu_records')::text,
	ARRAY(SELECT key FROM hufu_records WHERE tx >= $1::bigint OR tx = ANY($2::bigint[]) LIMIT $3)`

// look gives the keys that were written since, each once, and where to go on.
func look(ctx context.Context, c *pgx.Conn, since place) (place, []string, error) {
	if since.server == "" {
		since.next = 1<<63 - 1 // the first look is for the place alone
	}
	var at place
	var snapshot string
	var found [][]byte
	err := c.QueryRow(ctx, lookSQL, since.next, since.running, mostKeys+1).Scan(&snapshot, &at.now, &at.server, &found)
	if err == nil {
		at.next, at.running, err = parseSnapshot(snapshot)
	}
	keys := make([]string, len(found))
	for i, key := range found {
		keys[i] = string(key)
	}
	return at, keys, err
}

// parseSnapshot reads what pg_current_snapshot says: "10:20:10,14" is the
// oldest transaction that runs, the next one to begin, and all that run.
func parseSnapshot(text string) (next int64, running []int64, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return 0, nil, fmt.Errorf("%q is no snapshot", text)
	}
	next, err = strconv.ParseInt(parts[1], 10, 64)
	for id := range strings.SplitSeq(parts[2], ",") {
		if id == "" || err != nil {
			break
		}
		var n int64
		n, err = strconv.ParseInt(id, 10, 64)
		running = append(running, n)
	}
	return next, running, err
}

// rebase gives records of a dump, which carry the numbers of another server, a
// place in this one's log.
func rebase(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `UPDATE hufu_records SET tx = pg_current_xact_id()::text::bigint
		WHERE tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint`)
	return err
}

// sweep takes what has expired out of the table, once a minute and at each
// node; each takes other rows.
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

func (s *Store) sweepOnce(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepEvery)
	defer cancel()
	tag, err := s.pool.Exec(ctx, `DELETE FROM hufu_records WHERE key IN (
		SELECT key FROM hufu_records WHERE expires < clock_timestamp() - $1::bigint * interval '1 microsecond'
		ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)`, keepDeleted.Microseconds(), sweepRows)
	return int(tag.RowsAffected()), err
}
