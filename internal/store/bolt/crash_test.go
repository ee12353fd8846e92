package bolt

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	t.Parallel()
	for range 3 {
		path := filepath.Join(t.TempDir(), "hufu.db")
		cmd := child(t, "write", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := map[string]string{}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			// The last line may be cut short; then it is not one.
			if key, version, ok := strings.Cut(lines.Text(), " "); ok && len(version) == 25 {
				acknowledged[key] = version
			}
			if len(acknowledged) == 200 {
				_ = cmd.Process.Kill() // and read on what it said before it died
			}
		}
		_ = cmd.Wait()
		if len(acknowledged) < 200 {
			t.Fatalf("the child acknowledged only %d writes", len(acknowledged))
		}
		s := openAt(t, path)
		for key, version := range acknowledged {
			if r, err := s.Get(t.Context(), key); err != nil || r.Version != version || string(r.Value) != key {
				t.Errorf("%s was acknowledged as %s; after the kill it is %+v, %v", key, version, r, err)
			}
		}
	}
}

func TestSecondProcessIsTurnedAway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hufu.db")
	s := openAt(t, path)
	if !s.Alone() {
		t.Error("the holder of the file is not alone")
	}
	out, err := child(t, "open", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(out); !strings.Contains(got, path) || !strings.Contains(got, "another hufu is running") {
		t.Errorf("the second process says: %s", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out, _ := child(t, "open", path).Output(); string(out) != "<nil>\n" {
		t.Errorf("after the first has closed the file, the second says: %s", out)
	}
}

// breakable opens a store whose file the test can take away from under it.
func breakable(t *testing.T) (s *Store, path string, file *os.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hufu.db")
	s, err := open(path, func(path string, flag int, mode os.FileMode) (f *os.File, err error) {
		file, err = os.OpenFile(path, flag, mode)
		return file, err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, path, file
}

func TestFailedCommitIsUnsureAndTheLastWrite(t *testing.T) {
	t.Parallel()
	s, path, file := breakable(t)
	before, err := s.Put(t.Context(), store.Record{Key: "a", Value: []byte("one")})
	if err != nil {
		t.Fatal(err)
	}
	watch := s.Watch(t.Context(), "")
	<-watch
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), store.Record{Key: "a", Version: before.Version}); !errors.Is(err, store.ErrUnsure) {
		t.Errorf("Put when the disk fails: %v, want ErrUnsure", err)
	}
	if key := <-watch; key != "" {
		t.Errorf("the watch tells of %q, want the empty key", key)
	}
	_, getErr := s.Get(t.Context(), "a")
	_, putErr := s.Put(t.Context(), store.Record{Key: "b"})
	for what, err := range map[string]error{"Get": getErr, "Put": putErr, "Delete": s.Delete(t.Context(), "a", before.Version)} {
		if err == nil || errors.Is(err, store.ErrUnsure) || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "restart hufu") {
			t.Errorf("%s afterwards: %v", what, err)
		}
	}
	_ = s.Close()
	if _, err := openAt(t, path).Get(t.Context(), "a"); err != nil {
		t.Errorf("Get after a new start: %v", err)
	}
}

func TestWriteIsUnsureOnceItIsUnderWay(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "hufu.db"))
	hold, err := s.db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	w := &write{key: "a", record: newLayout([]byte("one")), answer: make(chan struct{})}
	s.writes <- w
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.wait(ctx); !errors.Is(err, store.ErrUnsure) || !errors.Is(err, context.Canceled) {
		t.Errorf("a write that the writer has taken, when its context ends: %v", err)
	}
	if err := hold.Rollback(); err != nil {
		t.Fatal(err)
	}
	<-w.answer
	if r, err := s.Get(t.Context(), "a"); err != nil || string(r.Value) != "one" {
		t.Errorf("unsure was: %s, %v", r.Value, err)
	}
	// And with no writer to take it.
	idle := &Store{db: s.db, writes: make(chan *write), closed: make(chan struct{})}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := idle.Put(ctx, store.Record{Key: "a"}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnsure) {
		t.Errorf("a write that nobody has taken: %v, want the context's error and no ErrUnsure", err)
	}
}
