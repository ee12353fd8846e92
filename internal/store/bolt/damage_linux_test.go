package bolt

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestUnwritableFolderIsExplained(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "hufu-unwritable-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	asNobody(func() { _, err = Open(filepath.Join(dir, "hufu.db")) })
	if err == nil || !strings.Contains(err.Error(), "must be able to write") {
		t.Errorf("Open: %v", err)
	}
}

// asNobody runs f with the file rights of nobody: root may write anywhere.
func asNobody(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread ends with the goroutine, and its rights
		// with it.
		runtime.LockOSThread()
		if os.Getuid() == 0 {
			_ = syscall.Setfsuid(65534)
		}
		f()
	}()
	<-done
}
