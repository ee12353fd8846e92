package postgres

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store/enginetest"
)

// shared is one server for the tests that do not harm theirs.
var shared = sync.OnceValues(func() (*enginetest.Server, error) {
	started.Store(true)
	return enginetest.Postgres()
})

var started atomic.Bool

func TestMain(m *testing.M) {
	code := m.Run()
	if started.Load() {
		if s, err := shared(); err == nil {
			s.Remove()
		}
	}
	os.Exit(code)
}

func sharedServer(t testing.TB) *enginetest.Server {
	t.Helper()
	s, err := shared()
	enginetest.Need(t, err)
	return s
}

var schemas atomic.Int64

// emptySchema is an empty schema on the server.
func emptySchema(t testing.TB, on *enginetest.Server) config.SQL {
	t.Helper()
	a := at(on)
	a.Schema = fmt.Sprintf("t%d", schemas.Add(1))
	run(t, connect(t, at(on)), "CREATE SCHEMA "+a.Schema)
	return a
}

// at is the database that every server has.
func at(on *enginetest.Server) config.SQL {
	return config.SQL{Socket: on.Dir, User: "postgres", Database: "postgres", Connections: 8}
}

// connect gives a bare connection.
func connect(t testing.TB, a config.SQL) *pgx.Conn {
	t.Helper()
	cfg, err := settings(a)
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig.ValidateConnect = nil
	c, err := pgx.ConnectConfig(t.Context(), cfg.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(t.Context()) })
	return c
}

func run(t testing.TB, c *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func openAt(t testing.TB, a config.SQL) *Store {
	t.Helper()
	s, err := Open(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
