package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/hufu-project/hufu/internal/store"
)

func TestOpenSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := filepath.Join(dir, "foreign.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("theirs"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for path, hint := range map[string]string{
		dir:                                 "name a file in it",
		filepath.Join(dir, "no", "hufu.db"): "make the folder",
		at("short.db", []byte("x")):         "not a Hufu store",
		at("text.yaml", []byte("store: bolt:hufu.db")):         "not a Hufu store",
		at("long.txt", []byte(strings.Repeat("long ", 1<<14))): "not a Hufu store",
		at("zeros.db", make([]byte, 1<<16)):                    "not a Hufu store",
		foreign:                                                "not a Hufu store",
	} {
		s, err := Open(path)
		if err == nil {
			_ = s.Close()
			t.Errorf("Open %s works", path)
			continue
		}
		if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), hint) {
			t.Errorf("Open %s: %v; want it to say %q", path, err, hint)
		}
	}
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hufu.db")
	openAt(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode().Perm(), err)
	}
}

// A file that has lost its end, or whose pages are overwritten, is refused or
// read as far as it goes. It never ends the process.
func TestDamagedFileNeverEndsTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "whole.db")
	s := openAt(t, path)
	for i := range 300 {
		if _, err := s.Put(t.Context(), store.Record{Key: fmt.Sprint(i), Value: make([]byte, 300)}); err != nil {
			t.Fatal(err)
		}
	}
	var used int64
	err := s.db.View(func(tx *bbolt.Tx) error {
		used = tx.Size()
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, content []byte) (opened bool) {
		path := filepath.Join(dir, what)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", what, err)
			}
			return false
		}
		defer s.Close()
		for _, err := range s.List(t.Context(), "") {
			if err != nil {
				break
			}
		}
		for i := range 300 {
			_, _ = s.Get(t.Context(), fmt.Sprint(i))
		}
		_, _ = s.Put(t.Context(), store.Record{Key: "new", Value: make([]byte, 9000)})
		return true
	}
	for size := int64(1); size < used; size += 4096 - 7 {
		if try(fmt.Sprintf("cut-%d", size), whole[:size]) {
			t.Errorf("a file cut to %d bytes of %d is opened", size, used)
		}
	}
	for page := 2; page < int(used/4096); page++ {
		broken := bytes.Clone(whole)
		for i := range 4096 {
			broken[page*4096+i] = byte(i * page)
		}
		try(fmt.Sprintf("page-%d", page), broken)
	}
}

// raw changes the bytes of one record behind the store's back.
func raw(t *testing.T, s *Store, key string, change func([]byte) []byte) {
	t.Helper()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		return b.Put([]byte(key), change(bytes.Clone(b.Get([]byte(key)))))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedRecordTakesNoOtherDown(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "hufu.db"))
	moved := other(t, s)
	for name, change := range map[string]func([]byte) []byte{
		"truncated":      func(l []byte) []byte { return l[:len(l)-1] },
		"no value":       func(l []byte) []byte { return l[:headerLen-1] },
		"nothing":        func([]byte) []byte { return nil },
		"other record":   func([]byte) []byte { return moved },
		"bit in value":   func(l []byte) []byte { l[len(l)-1] ^= 1; return l },
		"bit in expires": func(l []byte) []byte { l[25] ^= 0x80; return l },
		"next format":    func(l []byte) []byte { l[0] = 2; return l },
	} {
		for _, key := range []string{"a", "b", "c"} {
			old, _ := s.Get(t.Context(), key)
			if _, err := s.Put(t.Context(), store.Record{Key: key, Version: old.Version, Value: []byte("secret value")}); err != nil {
				t.Fatal(err)
			}
		}
		raw(t, s, "b", change)
		r, err := s.Get(t.Context(), "b")
		if !errors.Is(err, store.ErrUnreadable) || !strings.Contains(err.Error(), ": b: ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: Get: %v", name, err)
		}
		if r.Value != nil || r.Now.IsZero() {
			t.Errorf("%s: Get gives %+v", name, r)
		}
		keys := ""
		var last error
		for r, err := range s.List(t.Context(), "") {
			keys += r.Key
			last = err
		}
		if keys != "acother" || !errors.Is(last, store.ErrUnreadable) {
			t.Errorf("%s: List gives %s and then %v", name, keys, last)
		}
		if _, err := s.Put(t.Context(), store.Record{Key: "b"}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: Put as if nothing were there: %v", name, err)
		}
		if err := s.Delete(t.Context(), "b", r.Version); err != nil {
			t.Errorf("%s: Delete of its version: %v", name, err)
		}
	}
}

// other gives the bytes of a good record of another key.
func other(t *testing.T, s *Store) (raw []byte) {
	t.Helper()
	if _, err := s.Put(t.Context(), store.Record{Key: "other", Value: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	err := s.db.View(func(tx *bbolt.Tx) error {
		raw = bytes.Clone(tx.Bucket(bucket).Get([]byte("other")))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
