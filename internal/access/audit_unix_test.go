//go:build unix

package access

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestFullDiskIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	a := openAudit(t, "/dev/full", true)
	for range 3 {
		if err := a.append([]byte("{}\n")).wait(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("a write to a full disk: %v", err)
		}
	}
}

// stuckSink is a pipe that takes nothing more.
func stuckSink(t testing.TB) (path string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// Closing the reader ends the write that is stuck.
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	if err := w.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = w.Write(make([]byte, 4096))
	}
	path = fmt.Sprintf("/proc/self/fd/%d", w.Fd())
	if _, err := os.Stat(path); err != nil {
		t.Skip("no /proc here")
	}
	return path
}

func TestStuckSinkFailsAndDoesNotHang(t *testing.T) {
	t.Parallel()
	a, err := OpenAudit(stuckSink(t), true)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := a.append([]byte("{}\n")).wait(); !errors.Is(err, errStuck) {
				t.Errorf("a record for a stuck sink: %v", err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > 2*auditWait {
		t.Errorf("that took %v", took)
	}
	// From now on nobody waits any more.
	start = time.Now()
	for range 1000 {
		if err := a.append([]byte("{}\n")).wait(); !errors.Is(err, errStuck) {
			t.Fatalf("a later record: %v", err)
		}
		if took := time.Since(start); took > auditWait {
			t.Fatalf("later records wait, too: %v by now", took)
		}
	}
	if err := a.Close(); err == nil {
		t.Error("Close says that all is written")
	}
}

func TestPipeWithoutAReaderIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	if _, err := OpenAudit(path, false); err == nil {
		t.Error("a pipe that nobody reads is taken for a sink")
	}
}
