package bolt

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/hufu-project/hufu/internal/store"
)

// A test that needs a second process starts this binary again, with what to do
// in one variable and the file in another.
const childVar, childPathVar = "HUFU_BOLT_TEST_CHILD", "HUFU_BOLT_TEST_PATH"

func TestMain(m *testing.M) {
	switch os.Getenv(childVar) {
	case "full":
		runOutOfSpace(os.Getenv(childPathVar))
		os.Exit(0)
	case "open":
		_, err := Open(os.Getenv(childPathVar))
		fmt.Println(err)
	case "write":
		writeForEver(os.Getenv(childPathVar))
	default:
		os.Exit(m.Run())
	}
}

func child(t *testing.T, what, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childVar+"="+what, childPathVar+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// writeForEver says "key version" on standard output for each write, once it
// has been acknowledged.
func writeForEver(path string) {
	s, err := Open(path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d/%d", w, i)
				r, err := s.Put(context.Background(), store.Record{Key: key, Value: []byte(key)})
				if err != nil {
					fmt.Println(err)
					return
				}
				fmt.Println(key, r.Version)
			}
		})
	}
	all.Wait()
}
