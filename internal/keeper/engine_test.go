package keeper

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
	"github.com/hufu-project/hufu/internal/store/mysql"
	"github.com/hufu-project/hufu/internal/store/postgres"
)

// Three nodes on one PostgreSQL or MariaDB are as good as one: a cold start and
// a dead token that everybody reports cost one issue each, also after the
// server was killed and started again. Its time is real.
func TestG1OneIssuePerGenerationOnRealEngines(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		on := enginetest.For(t, enginetest.Postgres)
		a := config.SQL{Socket: on.Dir, User: "postgres", Database: "postgres", Connections: 8}
		threeNodesOver(t, on, func() (store.Store, error) { return postgres.Open(t.Context(), a) })
	})
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		on := enginetest.For(t, enginetest.MariaDB)
		a := config.SQL{Socket: on.Socket, User: "root", Database: "mysql", Connections: 8}
		threeNodesOver(t, on, func() (store.Store, error) { return mysql.Open(t.Context(), a) })
	})
}

func threeNodesOver(t *testing.T, on *enginetest.Server, open func() (store.Store, error)) {
	w := newWorld(t, worldOptions{source: "classic", open: func() store.Store {
		st, err := open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		return st
	}})
	nodes := []*node{w.node(), w.node(), w.node()}
	t.Cleanup(w.stopAll) // before their stores are closed
	atOnce := func(n int, f func(n *node) error) {
		t.Helper()
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				if err := f(nodes[i%len(nodes)]); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	atOnce(150, func(n *node) error { _, err := n.Get(t.Context(), testKey); return err })
	if issues := w.sim.Issues(testApp); issues != 1 {
		t.Fatalf("150 callers at an empty start: %d issues", issues)
	}
	// revoked ends the token and reports it everywhere, in the time that a
	// young token takes to be believed dead.
	revoked := func() {
		t.Helper()
		old := w.get(nodes[0])
		if err := w.sim.Revoke(testApp); err != nil {
			t.Fatal(err)
		}
		before := w.sim.Issues(testApp)
		for end := time.Now().Add(20 * time.Second); ; {
			atOnce(150, func(n *node) error {
				_, _ = n.Report(t.Context(), testKey, Claim{Value: old.Value, Errcode: 40001})
				return nil
			})
			if c, err := nodes[0].Get(t.Context(), testKey); err == nil && c.Generation > old.Generation {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the dead token is not replaced")
			}
		}
		for _, n := range nodes {
			for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
				if c, err := n.Get(t.Context(), testKey); err == nil && c.Generation == old.Generation+1 {
					break
				}
				if time.Now().After(end) {
					t.Fatal("a node does not learn of the new value")
				}
			}
			w.get(n)
		}
		if issues := w.sim.Issues(testApp) - before; issues != 1 {
			t.Errorf("a dead token reported at three nodes: %d issues", issues)
		}
	}
	revoked()

	// The store dies and comes back; who reads does not notice.
	var reads, failed atomic.Int64
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for _, n := range nodes {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				reads.Add(1)
				if c, err := n.Get(t.Context(), testKey); err != nil || !w.sim.Valid(testApp, c.Value.Reveal()) {
					failed.Add(1)
				}
			}
		})
	}
	for range 2 {
		on.Kill()
		time.Sleep(200 * time.Millisecond)
		if err := on.Start(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	readers.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d reads failed while the store was away", failed.Load(), reads.Load())
	}
	for _, n := range nodes { // until it reaches its store again
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := n.link.Get(t.Context(), "none"); errors.Is(err, store.ErrNotFound) {
				break
			}
			if time.Now().After(end) {
				t.Fatal("a node does not find its store again")
			}
		}
	}
	revoked()
	if c := w.get(nodes[1]); uint64(w.sim.Issues(testApp)) != c.Generation {
		t.Errorf("%d issues for %d generations", w.sim.Issues(testApp), c.Generation)
	}
	w.quiet()
}
