package postgres

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

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

// emptyURL is the address of an empty schema on the server.
func emptyURL(t testing.TB, on *enginetest.Server) string {
	t.Helper()
	name := fmt.Sprintf("t%d", schemas.Add(1))
	run(t, connect(t, url(on, "")), "CREATE SCHEMA "+name)
	return url(on, "search_path="+name)
}

func url(on *enginetest.Server, more string) string {
	return "postgres://postgres@/postgres?host=" + on.Dir + "&" + more
}

// connect gives a bare connection.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
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

func openAt(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
