package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store"
)

// leastVersion is the first that shows its snapshots in 64 bits.
const leastVersion = 130000

// Open opens the store in the database that a names and makes its table where
// there is none. It blocks until ctx ends at the latest. What makes the server
// unfit is an error that says what to do; what makes it less safe than it
// might be, see Doubts. No error holds the password.
func Open(ctx context.Context, a config.SQL) (*Store, error) {
	at := cmp.Or(a.Socket, strings.Join(a.Addrs, ", ")) + ", database " + a.Database
	cfg, err := settings(a)
	if err != nil {
		return nil, fmt.Errorf("open store on PostgreSQL at %s: %w", at, err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open store on PostgreSQL at %s: %w", at, err)
	}
	s := &Store{pool: pool, bell: make(chan struct{}, 1), watchers: store.NewWatchers()}
	if err := s.prepare(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open store on PostgreSQL at %s: %w", at, explain(err))
	}
	s.done, s.end = context.WithCancel(context.Background())
	s.running.Go(s.ring)
	s.running.Go(s.sweep)
	s.watchers.Follow(s.done, s.tail, s.pool.Reset) // its connections are likely to be as dead
	return s, nil
}

// settings are pgx's. Decisions are for the primary alone, so only a server
// that takes writes is connected to; of several hosts, the one that does.
func settings(a config.SQL) (*pgxpool.Config, error) {
	hosts, ports := []string{a.Socket}, []string{"5432"}
	if a.Socket == "" {
		hosts, ports = nil, nil
		for _, addr := range a.Addrs {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			hosts, ports = append(hosts, host), append(ports, port)
		}
	}
	// What is named here is not taken from the environment.
	cfg, err := pgxpool.ParseConfig(fmt.Sprintf("host=%s port=%s user=x dbname=x sslmode=disable application_name=hufu",
		strings.Join(hosts, ","), strings.Join(ports, ",")))
	if err != nil {
		return nil, errors.New("an address that pgx does not take")
	}
	c := cfg.ConnConfig
	c.User, c.Password, c.Database = a.User, a.Password.Reveal(), a.Database
	c.TLSConfig = withName(a.TLS, c.Host)
	for _, other := range c.Fallbacks {
		other.TLSConfig = withName(a.TLS, other.Host)
	}
	if a.Schema != "" {
		c.RuntimeParams["search_path"] = a.Schema
	}
	if a.Simple {
		c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	}
	c.ConnectTimeout = connectTime
	c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	cfg.MaxConns = int32(a.Connections)
	return cfg, nil
}

func withName(t *tls.Config, host string) *tls.Config {
	if t == nil {
		return nil
	}
	t = t.Clone()
	t.ServerName = host
	return t
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
		return errors.New("it is a standby; name the primary, or further hosts as in ?addr=HOST2:5432")
	}
	if fsync != "on" || pages != "on" {
		s.doubts = append(s.doubts, "fsync or full_page_writes is off: a crash of the server's machine may destroy the store")
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
