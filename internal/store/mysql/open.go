package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store"
)

// Open opens the store in the database that a names and makes its table where
// there is none. It blocks until ctx ends at the latest. What makes the server
// unfit is an error that says what to do; what makes it less safe than it
// might be, see Doubts. No error holds the password.
func Open(ctx context.Context, a config.SQL) (*Store, error) {
	at := cmp.Or(a.Socket, strings.Join(a.Addrs, ", ")) + ", database " + a.Database
	cfg, err := settings(a)
	if err != nil {
		return nil, fmt.Errorf("open store on MySQL at %s: %w", at, err)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("open store on MySQL at %s: %w", at, err)
	}
	s := &Store{db: sql.OpenDB(connector), watchers: store.NewWatchers()}
	s.db.SetMaxOpenConns(a.Connections + 1) // one for changes
	s.db.SetMaxIdleConns(a.Connections + 1)
	s.db.SetConnMaxIdleTime(time.Minute)
	if err := s.prepare(ctx); err != nil {
		return nil, fmt.Errorf("open store on MySQL at %s: %w", at, errors.Join(explain(err), s.db.Close()))
	}
	s.done, s.end = context.WithCancel(context.Background())
	s.sweeping.Go(s.sweep)
	s.watchers.Follow(s.done, s.tail, func() {})
	return s, nil
}

func settings(a config.SQL) (*mysql.Config, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = a.User, a.Password.Reveal(), a.Database
	if cfg.Net, cfg.Addr = "unix", a.Socket; a.Socket == "" {
		cfg.Net, cfg.Addr = "tcp", a.Addrs[0]
		host, _, err := net.SplitHostPort(cfg.Addr)
		if err != nil {
			return nil, err
		}
		if a.TLS != nil {
			cfg.TLS = a.TLS.Clone()
			cfg.TLS.ServerName = host
		}
	}
	cfg.Timeout = connectTime
	cfg.ParseTime = true
	cfg.InterpolateParams, cfg.MultiStatements = true, true // a write is one text
	cfg.RejectReadOnly = true                               // the next connection may lead to the new primary
	cfg.Logger = &mysql.NopLogger{}                         // errors are returned as well
	cfg.Params = map[string]string{
		"sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'", "autocommit": "1", "innodb_lock_wait_timeout": "5",
	}
	return cfg, nil
}

// prepare looks whether the server will do, and makes the table.
func (s *Store) prepare(ctx context.Context) error {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := s.check(ctx, c); err != nil {
		return err
	}
	if err := makeTable(ctx, c); err != nil {
		return err
	}
	for _, try := range []string{ // rights are looked at before rows are
		`INSERT INTO hufu_records (k, version, seq, written) SELECT k, version, seq, written FROM hufu_records WHERE 1 = 0`,
		`UPDATE hufu_records SET seq = seq WHERE 1 = 0`,
		`DELETE FROM hufu_records WHERE 1 = 0`,
	} {
		if _, err := c.ExecContext(ctx, try); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) check(ctx context.Context, c *sql.Conn) error {
	set := map[string]string{}
	rows, err := c.QueryContext(ctx, `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'read_only', 'innodb_read_only', 'log_bin', 'sync_binlog',
		'innodb_flush_log_at_trx_commit', 'tx_isolation', 'transaction_isolation')`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		set[strings.ToLower(name)] = value
	}
	if err := rows.Err(); err != nil {
		return err
	}
	isolation := cmp.Or(set["transaction_isolation"], set["tx_isolation"])
	switch {
	case tooOld(set["version"]):
		return fmt.Errorf("it is version %s; the oldest that will do are MySQL 5.7 and MariaDB 10.5", set["version"])
	case isOn(set["read_only"]), isOn(cmp.Or(set["innodb_read_only"], "OFF")):
		return errReadOnly
	case isolation == "READ-UNCOMMITTED":
		return errors.New("its transaction isolation is READ-UNCOMMITTED, which shows writes that are never made; set READ-COMMITTED or more")
	}
	if set["innodb_flush_log_at_trx_commit"] != "1" {
		s.doubts = append(s.doubts, "innodb_flush_log_at_trx_commit is not 1: a crash of the server's machine loses the last second")
	}
	if isOn(cmp.Or(set["log_bin"], "OFF")) && set["sync_binlog"] != "1" {
		s.doubts = append(s.doubts, "sync_binlog is not 1: a crash of the server's machine may lose the last writes")
	}
	return nil
}

// tooOld reads "8.0.36", or "10.11.6-MariaDB-log", which old replicas dress up
// as "5.5.5-10.11.6-MariaDB".
func tooOld(version string) bool {
	version = strings.TrimPrefix(version, "5.5.5-")
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, _ := strconv.Atoi(first)
	minor, _ := strconv.Atoi(second)
	least := [2]int{5, 7}
	if strings.Contains(version, "MariaDB") {
		least = [2]int{10, 5}
	}
	return major < least[0] || major == least[0] && minor < least[1]
}

// explain adds to an error of opening what a person can do about it.
func explain(err error) error {
	switch {
	case isNumber(err, tableDenied, databaseDenied):
		return fmt.Errorf("%w; %w", err, errGrant)
	case isNumber(err, unknownBase):
		return fmt.Errorf("%w; create it first: CREATE DATABASE hufu", err)
	case isNumber(err, accessDenied):
		return fmt.Errorf("%w; look at user and password in store, and at the hosts that the user may come from", err)
	}
	return err
}
