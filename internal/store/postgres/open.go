package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hufu-project/hufu/internal/store"
)

// leastVersion is the first that shows its snapshots in 64 bits.
const leastVersion = 130000

// mostConnections is how many connections one node keeps, besides the one for
// notices, unless the address has a pool_max_conns.
const mostConnections = 8

// Open opens the store at a postgres URL and makes its table where there is
// none. It blocks until ctx ends at the latest. What makes the database unfit
// is an error that says what to do; what makes it less safe than it might be
// goes to log. No error holds the password.
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	cfg, err := parse(url)
	if err != nil {
		return nil, err
	}
	at := cfg.ConnConfig.Host + ", database " + cfg.ConnConfig.Database
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open store on PostgreSQL at %s: %w", at, err)
	}
	s := &Store{pool: pool, log: log, watchers: store.NewWatchers()}
	if err := s.prepare(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open store on PostgreSQL at %s: %w", at, explain(err))
	}
	s.done, s.end = context.WithCancel(context.Background())
	s.running.Go(s.follow)
	s.running.Go(s.sweep)
	return s, nil
}

// parse reads the URL. Decisions are for the primary alone, so only a server
// that takes writes is connected to, whatever the URL says; of several hosts,
// the one that does.
func parse(url string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		// What pgx says may hold the password.
		return nil, errors.New("store: the postgres address cannot be read; it is postgres://USER:PASSWORD@HOST:5432/DATABASE, and what is no letter or digit in the password is escaped as %XX")
	}
	cfg.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	if !strings.Contains(url, "pool_max_conns=") {
		cfg.MaxConns = mostConnections
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectTime
	}
	return cfg, nil
}

// prepare looks whether the server will do, and makes the table.
func (s *Store) prepare(ctx context.Context) error {
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	if err := s.check(ctx, c.Conn()); err != nil {
		return err
	}
	if err := makeTable(ctx, c.Conn()); err != nil {
		return err
	}
	var oid uint32
	var may bool
	err = c.QueryRow(ctx, `SELECT 'hufu_records'::regclass::oid, has_table_privilege('hufu_records', 'SELECT')
		AND has_table_privilege('hufu_records', 'INSERT') AND has_table_privilege('hufu_records', 'UPDATE')
		AND has_table_privilege('hufu_records', 'DELETE')`).Scan(&oid, &may)
	switch {
	case err != nil:
		return err
	case !may:
		return errGrant
	}
	s.channel = fmt.Sprintf("hufu_%d", oid)
	return rightFormat(ctx, c.Conn())
}

func (s *Store) check(ctx context.Context, c *pgx.Conn) error {
	var version int
	var name, fsync, pages string
	var standby bool
	err := c.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
		pg_is_in_recovery(), current_setting('fsync'), current_setting('full_page_writes')`).
		Scan(&version, &name, &standby, &fsync, &pages)
	switch {
	case err != nil:
		return err
	case version < leastVersion:
		return fmt.Errorf("it is PostgreSQL %s; the oldest that will do is 13", name)
	case standby:
		return errors.New("it is a standby; name the primary, or all hosts, as in postgres://USER@HOST1,HOST2/DATABASE")
	}
	if fsync != "on" || pages != "on" {
		s.log.Warn("postgres: fsync or full_page_writes is off: a crash of the server's machine may destroy the store")
	}
	return nil
}

// explain adds to an error of opening what a person can do about it.
func explain(err error) error {
	switch {
	case isCode(err, "42501"):
		return fmt.Errorf("%w; %w", err, errGrant)
	case isCode(err, "3D000"):
		return fmt.Errorf("%w; create it first: CREATE DATABASE hufu OWNER the_user", err)
	case isCode(err, "28P01", "28000"):
		return fmt.Errorf("%w; look at user and password in store, and at the server's pg_hba.conf", err)
	case strings.Contains(err.Error(), "read only connection"):
		return fmt.Errorf("%w; every host is a standby or read-only, and decisions need the primary", err)
	}
	return err
}
