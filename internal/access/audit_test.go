package access

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func openAudit(t testing.TB, path string, required bool) *Audit {
	t.Helper()
	a, err := OpenAudit(path, required)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func lines(t testing.TB, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func TestEveryRecordIsThereWhenItCountsAsWritten(t *testing.T) {
	t.Parallel()
	for _, required := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		a := openAudit(t, path, required)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				line := fmt.Sprintf(`{"n":%d}`, i)
				if err := a.append([]byte(line + "\n")).wait(); err != nil {
					t.Errorf("record %d: %v", i, err)
				}
				if b, _ := os.ReadFile(path); !bytes.Contains(b, []byte(line)) {
					t.Errorf("record %d counts as written and is not there", i)
				}
			})
		}
		wg.Wait()
		if n := len(lines(t, path)); n != 50 {
			t.Errorf("%d lines, want 50", n)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the audit file has mode %v", info.Mode())
		}
	}
}

func TestReopenLosesNoRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	a := openAudit(t, path, false)
	const workers, each = 8, 100
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if err := a.append([]byte("{}\n")).wait(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 20 {
		if err := os.Rename(path, filepath.Join(dir, fmt.Sprintf("old-%d", i))); err != nil {
			t.Error(err)
		}
		if err := a.Reopen(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 21 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(b, []byte("{}\n"))
	}
	if n != workers*each {
		t.Errorf("%d records, want %d", n, workers*each)
	}
}

func TestReopenThatFailsKeepsTheOldFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a := openAudit(t, filepath.Join(dir, "audit.jsonl"), false)
	moved := dir + ".old"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := a.Reopen(); err == nil {
		t.Error("Reopen works without the folder")
	}
	if err := a.append([]byte("{}\n")).wait(); err != nil {
		t.Error(err)
	}
	if n := len(lines(t, filepath.Join(moved, "audit.jsonl"))); n != 1 {
		t.Errorf("%d lines in the old file, want 1", n)
	}
}

// TestTornLineSpoilsNoOther: what follows a write that broke off stands in a
// line of its own.
func TestTornLineSpoilsNoOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	a := openAudit(t, path, false)
	out, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.WriteString(`{"half":`); err != nil {
		t.Fatal(err)
	}
	if err := a.write(out, []byte(`{"n":1}`+"\n"), true); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 2 || got[1] != `{"n":1}` {
		t.Errorf("the file holds %q", got)
	}
}

func TestClosedAuditTakesNothing(t *testing.T) {
	t.Parallel()
	a := openAudit(t, filepath.Join(t.TempDir(), "audit.jsonl"), false)
	for range 2 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.append([]byte("{}\n")).wait(); !errors.Is(err, errClosed) {
		t.Errorf("a record after Close: %v", err)
	}
	if err := a.Reopen(); err == nil {
		t.Error("Reopen after Close works")
	}
}
