//go:build unix

package cluster

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
	"github.com/hufu-project/hufu/internal/store/mysql"
	"github.com/hufu-project/hufu/internal/store/postgres"
	"github.com/hufu-project/hufu/internal/store/redis"
	"github.com/hufu-project/hufu/internal/store/redis/redistest"
	"github.com/hufu-project/hufu/internal/store/sealed"
)

// engine is a real store that nodes share.
type engine struct {
	name          string
	network, addr string                   // where it listens
	address       func(addr string) string // as `store:` has it, by way of a proxy
	kill, start   func()
	save, restore func() // of a killed one: a copy of its data
	master        [32]byte
	bare          func(ctx context.Context, address string) (store.Store, error) // opens it
}

// engines start one of each.
var engines = []struct {
	name  string
	start func(t *testing.T) *engine
}{{"redis", startRedis}, {"postgres", startPostgres}, {"mysql", startMariaDB}}

func startRedis(t *testing.T) *engine {
	s := redistest.Start(t)
	copied := filepath.Join(t.TempDir(), "copy")
	copyDir := func(from, to string) {
		t.Helper()
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	e := &engine{
		network: "tcp", addr: s.Addr, kill: s.Kill, start: s.Start,
		address: func(addr string) string { return "redis://" + addr },
		save:    func() { copyDir(s.Dir, copied) },
		restore: func() { copyDir(copied, s.Dir) },
		bare:    opening(config.ParseRedis, redis.Open),
	}
	return e.named("redis")
}

func startPostgres(t *testing.T) *engine {
	e := sqlEngine(t, enginetest.Postgres, func(addr string) string { return "postgres://postgres@" + addr + "/postgres" })
	e.bare = opening(config.ParseSQL, postgres.Open)
	return e.named("postgres")
}

func startMariaDB(t *testing.T) *engine {
	e := sqlEngine(t, quickMariaDB, func(addr string) string { return "mysql://root@" + addr + "/mysql" })
	e.bare = opening(config.ParseSQL, mysql.Open)
	return e.named("mysql")
}

// quickMariaDB hands each commit to the system and does not wait for the disk,
// which is enough for a server that is killed on a machine that is not.
func quickMariaDB(settings ...string) (*enginetest.Server, error) {
	return enginetest.MariaDB(append(settings, "innodb-flush-log-at-trx-commit=2")...)
}

func sqlEngine(t *testing.T, start func(...string) (*enginetest.Server, error), address func(string) string) *engine {
	t.Helper()
	s := enginetest.For(t, start)
	must := func(f func() error) func() {
		return func() {
			t.Helper()
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return &engine{
		network: "unix", addr: s.Socket, address: address, kill: s.Kill, start: must(s.Start),
		save: must(s.Save), restore: must(s.Restore),
	}
}

func (e *engine) named(name string) *engine {
	e.name = name
	_, _ = rand.Read(e.master[:])
	return e
}

// masterKey is what stands in the key file.
func (e *engine) masterKey() string {
	return "hufu-master-key-1 " + base64.StdEncoding.EncodeToString(e.master[:]) + "\n"
}

// opening is how the test itself opens a store: of that engine, at an address.
func opening[A any, S store.Store](parse func(string) (A, error), open func(context.Context, A) (S, error)) func(context.Context, string) (store.Store, error) {
	return func(ctx context.Context, address string) (store.Store, error) {
		a, err := parse(address)
		if err != nil {
			return nil, err
		}
		return open(ctx, a)
	}
}

// look opens the store for the test itself, past the nodes' network and the seal.
func (c *cluster) look() store.Store {
	c.t.Helper()
	wire := enginetest.NewProxyTo(c.t, c.on.network, c.on.addr)
	st, err := c.on.bare(c.t.Context(), c.on.address(wire.Addr))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = st.Close() })
	return st
}

// sealed is look behind the seal.
func (c *cluster) sealed() store.Store {
	c.t.Helper()
	keys := c.nodes[0].keyring()
	st, err := sealed.Open(c.t.Context(), c.look(), sealed.NewKeyring(keys[0], keys[1:]...))
	if err != nil {
		c.t.Fatal(err)
	}
	return st
}

// keyring reads a key file.
func (n *node) keyring() []sealed.Key {
	n.t.Helper()
	keys, err := sealed.LoadKeys(filepath.Join(n.dir, "hufu.key"))
	if err != nil {
		n.t.Fatal(err)
	}
	return keys
}

// onEach runs a test on an engine of each sort.
func onEach(t *testing.T, f func(t *testing.T, on *engine)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			f(t, e.start(t))
		})
	}
}

// isFor reports whether the nth test of many is one for this engine: of the
// whole it is for each.
func (e *engine) isFor(n int) bool { return whole || engines[n%len(engines)].name == e.name }
