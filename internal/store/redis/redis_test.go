//go:build unix

package redis

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/storetest"
)

func TestMain(m *testing.M) {
	// The driver closes what has left a cluster five seconds later.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"))
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	var stores atomic.Int32
	open := func(t *testing.T) store.Store {
		return openAt(t, fmt.Sprintf("redis://%s?prefix=%d", s.Addr, stores.Add(1)))
	}
	storetest.TestStore(t, open, storetest.Options{Disk: disk})
}

// disk is the folder of a server that is stopped whenever the store is closed.
func disk(t *testing.T) storetest.Disk {
	s := startServer(t)
	s.Stop()
	kept := t.TempDir()
	copyDir := func(from, to string) {
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return storetest.Disk{
		Open: func() store.Store {
			s.Start()
			st := s.open("")
			return &stopping{st, s, sync.Once{}}
		},
		Save:    func() { copyDir(s.Dir, kept) },
		Restore: func() { copyDir(kept, s.Dir) },
	}
}

// stopping stops the server with the store.
type stopping struct {
	*Store
	server *server
	once   sync.Once
}

func (s *stopping) Close() error {
	err := s.Store.Close()
	s.once.Do(s.server.Stop)
	return err
}
