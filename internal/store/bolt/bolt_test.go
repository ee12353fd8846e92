package bolt

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T) store.Store { return openAt(t, filepath.Join(t.TempDir(), "hufu.db")) }
	storetest.TestStore(t, open, storetest.Options{Bubble: synctest.Test, Disk: disk})
}

func openAt(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func disk(t *testing.T) storetest.Disk {
	path := filepath.Join(t.TempDir(), "hufu.db")
	var copied []byte
	return storetest.Disk{
		Open: func() store.Store { return openAt(t, path) },
		Save: func() { copied = read(t, path) },
		Restore: func() {
			if err := os.WriteFile(path, copied, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWatchThatNobodyReadsEndsToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openAt(t, filepath.Join(t.TempDir(), "hufu.db"))
		ctx, cancel := context.WithCancel(t.Context())
		s.Watch(ctx, "")
		synctest.Wait() // until it waits for somebody to take the empty key
		cancel()
		synctest.Wait()
		if s.watchers.Len() != 0 {
			t.Error("the watch goes on after its context has ended")
		}
	})
}
