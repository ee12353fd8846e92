package mysql

import (
	"database/sql"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store/enginetest"
)

// shared is one server for the tests that do not harm theirs.
var shared = sync.OnceValues(func() (*enginetest.Server, error) {
	started.Store(true)
	return enginetest.MariaDB()
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

var databases atomic.Int64

// emptyDatabase is one of its own on the server.
func emptyDatabase(t testing.TB, on *enginetest.Server) config.SQL {
	t.Helper()
	a := config.SQL{Socket: on.Socket, User: "root", Database: "mysql", Connections: 8}
	name := fmt.Sprintf("t%d", databases.Add(1))
	run(t, connect(t, a), "CREATE DATABASE "+name)
	a.Database = name
	return a
}

// connect gives a bare connection.
func connect(t testing.TB, a config.SQL) *sql.Conn {
	t.Helper()
	cfg, err := settings(a)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RejectReadOnly = false
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func run(t testing.TB, c *sql.Conn, text string, args ...any) {
	t.Helper()
	if _, err := c.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
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
