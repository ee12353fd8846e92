//go:build unix

package peers

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// scratch is removed when all tests are over.
var scratch string

// TestMain runs the tests and prints the tables; or is a worker.
func TestMain(m *testing.M) {
	if program := os.Getenv(envProgram); program != "" {
		if err := work(program); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	// They mostly wait.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "hufu-peers-")
	if err != nil {
		panic(err)
	}
	scratch = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	if !testing.Short() {
		printTables(os.Stdout)
		printVersions(os.Stdout)
	}
	os.Exit(code)
}
