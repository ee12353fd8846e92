//go:build unix

package bolt

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hufu-project/hufu/internal/store"
)

// A store that ran out of space is well again by itself once there is space,
// with all that was acknowledged.
func TestAStoreWithoutSpaceRecoversByItself(t *testing.T) {
	t.Parallel()
	out, err := child(t, "full", filepath.Join(t.TempDir(), "hufu.db")).Output()
	if err != nil || !strings.HasSuffix(string(out), "well\n") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// runOutOfSpace lets the file grow no further for a while. Only a process of
// its own can be limited so.
func runOutOfSpace(path string) {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := Open(path)
	check(err)
	ctx := context.Background()
	kept, err := s.Put(ctx, store.Record{Key: "kept", Value: []byte("kept")})
	check(err)
	watch := s.Watch(ctx, "")
	<-watch

	var limit syscall.Rlimit
	check(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	tight := limit
	tight.Cur = 64 << 10
	check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &tight))
	big := make([]byte, 1<<20)
	if _, err := s.Put(ctx, store.Record{Key: "big", Value: big}); !errors.Is(err, store.ErrUnsure) {
		fmt.Println("Put without space:", err)
	}
	if key := <-watch; key != "" {
		fmt.Println("the watch tells of", key)
	}
	if _, err := s.Get(ctx, "kept"); err == nil || !strings.Contains(err.Error(), "no space left") {
		fmt.Println("Get without space:", err)
	}
	check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	if key := <-watch; key != "" { // sent when the store is well
		fmt.Println("after the repair the watch tells of", key)
	}
	r, err := s.Get(ctx, "kept")
	if err != nil || r.Version != kept.Version || string(r.Value) != "kept" {
		fmt.Println("what was acknowledged:", r, err)
	}
	if _, err := s.Get(ctx, "big"); !errors.Is(err, store.ErrNotFound) {
		fmt.Println("what was not:", err)
	}
	if _, err := s.Put(ctx, store.Record{Key: "big", Value: big}); err != nil {
		fmt.Println("Put with space again:", err)
	}
	check(s.Close())
	fmt.Println("well")
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
