package sealed

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T) store.Store {
		return seal(t, openBolt(t, filepath.Join(t.TempDir(), "hufu.db")), NewKeyring(NewKey()))
	}
	disk := func(t *testing.T) storetest.Disk {
		path, keys := filepath.Join(t.TempDir(), "hufu.db"), NewKeyring(NewKey())
		var copied []byte
		return storetest.Disk{
			Open: func() store.Store { return seal(t, openBolt(t, path), keys) },
			Save: func() { copied = read(t, path) },
			Restore: func() {
				if err := os.WriteFile(path, copied, 0o600); err != nil {
					t.Fatal(err)
				}
			},
		}
	}
	storetest.TestStore(t, open, storetest.Options{Bubble: synctest.Test, Disk: disk})
}

func openBolt(t *testing.T, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newBolt(t *testing.T) *bolt.Store {
	t.Helper()
	return openBolt(t, filepath.Join(t.TempDir(), "hufu.db"))
}

func seal(t *testing.T, inner store.Store, keys *Keyring) *Store {
	t.Helper()
	s, err := Open(t.Context(), inner, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put writes value under key, whatever was there.
func put(t *testing.T, s store.Store, key string, value []byte) {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnreadable) {
		t.Fatal(err)
	}
	r.Value = value
	if _, err := s.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func wantUnreadable(t *testing.T, s store.Store, key string) {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if !errors.Is(err, store.ErrUnreadable) || !strings.Contains(err.Error(), ": "+key+": ") {
		t.Errorf("Get %s: %v, want ErrUnreadable that names it", key, err)
	}
	if r.Value != nil || r.Version == "" || r.Now.IsZero() {
		t.Errorf("Get %s gives %+v, want its version and the time, and no value", key, r)
	}
}

func TestNothingLiesInClear(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hufu.db")
	key := NewKey()
	s := seal(t, openBolt(t, path), NewKeyring(key))
	put(t, s, "cred/wx1/access_token", []byte("CANARY-TOKEN"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := read(t, path)
	for what, canary := range map[string][]byte{"the value": []byte("CANARY"), "the master key": key.bytes[:]} {
		if bytes.Contains(file, canary) {
			t.Errorf("%s lies in the file in clear", what)
		}
	}
}

func TestValueMovedToAnotherRecordDoesNotOpen(t *testing.T) {
	t.Parallel()
	inner := newBolt(t)
	s := seal(t, inner, NewKeyring(NewKey()))
	put(t, s, "app/a", []byte("secret of a"))
	put(t, s, "app/b", []byte("secret of b"))
	put(t, s, "app/c", []byte("secret of c"))
	a, _ := inner.Get(t.Context(), "app/a")
	b, _ := inner.Get(t.Context(), "app/b")
	put(t, inner, "app/a", b.Value)
	put(t, inner, "app/b", a.Value)
	wantUnreadable(t, s, "app/a")
	wantUnreadable(t, s, "app/b")

	// List gives the others, and says at the end that there was more.
	var keys []string
	var last error
	for r, err := range s.List(t.Context(), "app/") {
		if last = err; err == nil {
			keys = append(keys, r.Key)
		}
	}
	if !slices.Equal(keys, []string{"app/c"}) || !errors.Is(last, store.ErrUnreadable) {
		t.Errorf("List gives %v and then %v", keys, last)
	}
	if strings.Contains(last.Error(), "secret") {
		t.Errorf("the error holds a value: %v", last)
	}
	// And the record can be replaced.
	put(t, s, "app/a", []byte("new secret of a"))
	if r, err := s.Get(t.Context(), "app/a"); err != nil || string(r.Value) != "new secret of a" {
		t.Errorf("after it was replaced: %s, %v", r.Value, err)
	}
}

func TestWrongMasterKeyIsNoticedAtOpen(t *testing.T) {
	t.Parallel()
	inner := newBolt(t)
	right, wrong := NewKey(), NewKey()
	put(t, seal(t, inner, NewKeyring(right)), "a", []byte("one"))
	_, err := Open(t.Context(), inner, NewKeyring(wrong))
	unknown, ok := errors.AsType[*UnknownKey](err)
	if !ok || unknown.ID != right.ID() || !slices.Equal(unknown.Have, []string{wrong.ID()}) {
		t.Fatalf("Open with another key: %v, want an UnknownKey that names %s and %s", err, right.ID(), wrong.ID())
	}
	if !strings.Contains(err.Error(), right.ID()) || !strings.Contains(err.Error(), wrong.ID()) {
		t.Errorf("the error names not both keys: %v", err)
	}
	// Losing our own records, or some of them, changes nothing about that.
	remove := func(key string) {
		t.Helper()
		r, _ := inner.Get(t.Context(), key)
		if err := inner.Delete(t.Context(), key, r.Version); err != nil {
			t.Fatal(err)
		}
	}
	for _, gone := range [][]string{{checkPrefix + right.ID()}, {rootKey}, {checkPrefix + right.ID(), rootKey}} {
		for _, key := range gone {
			remove(key)
		}
		if _, err := Open(t.Context(), inner, NewKeyring(wrong)); !errors.As(err, &unknown) {
			t.Errorf("Open with another key and no %v: %v", gone, err)
		}
		seal(t, inner, NewKeyring(right))
		if _, err := inner.Get(t.Context(), gone[0]); err != nil {
			t.Errorf("%v was not written again: %v", gone, err)
		}
	}
	// Nor does a damaged one keep the right key out.
	for _, key := range []string{checkPrefix + right.ID(), rootKey} {
		put(t, inner, key, []byte("garbage"))
		if _, err := Open(t.Context(), inner, NewKeyring(wrong)); !errors.As(err, &unknown) {
			t.Errorf("Open with another key and a damaged %s: %v", key, err)
		}
		if r, err := seal(t, inner, NewKeyring(right)).Get(t.Context(), "a"); err != nil || string(r.Value) != "one" {
			t.Errorf("Get: %s, %v", r.Value, err)
		}
	}
}

// During an upgrade nobody replaces what a node of the next version sealed.
func TestSealOfTheNextVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	inner, key := newBolt(t), NewKey()
	s := seal(t, inner, NewKeyring(key))
	put(t, s, "app/a", []byte("one"))
	next := func(key string) {
		t.Helper()
		raw, err := inner.Get(t.Context(), key)
		if err == nil {
			raw.Value[0] = envelope + 1
			_, err = inner.Put(t.Context(), raw)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	next("app/a")
	got, err := s.Get(t.Context(), "app/a")
	if !errors.Is(err, store.ErrUnreadable) || !errors.Is(err, store.ErrLater) || got.Version != "" || got.Now.IsZero() {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := s.Put(t.Context(), store.Record{Key: "app/a", Version: got.Version}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("put over it: %v", err)
	}

	// It is not known by which key it is sealed, so none is given up.
	n := &member{Store: s, path: filepath.Join(t.TempDir(), "hufu.key")}
	n.rekey.path, n.rekey.node = n.path, "a"
	c := &cluster{t, inner}
	c.give(n, NewKey(), key)
	c.beats(5, n)
	if k := n.KeyState(); k.Done() || k.Left != 1 || len(k.InUse) != 2 {
		t.Errorf("%+v", k)
	}

	for _, own := range []string{checkPrefix + key.ID(), rootKey} {
		next(own)
		was, err := inner.Get(t.Context(), own)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), inner, n.keys.Load()); !errors.Is(err, store.ErrLater) && own == rootKey {
			t.Errorf("%s of the next version: %v", own, err)
		}
		if got, err := inner.Get(t.Context(), own); err != nil || got.Version != was.Version {
			t.Errorf("%s of the next version was replaced: %v", own, err)
		}
	}
}

// A root of another length was sealed so on purpose.
func TestRootThatIsNoKeyIsNotDrawnAnew(t *testing.T) {
	t.Parallel()
	inner, key := newBolt(t), NewKey()
	s := seal(t, inner, NewKeyring(key))
	r, err := s.Get(t.Context(), rootKey)
	if err == nil {
		r.Value = []byte(`{"v":2}`)
		r, err = s.Put(t.Context(), r)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), inner, NewKeyring(key)); !errors.Is(err, store.ErrLater) {
		t.Errorf("Open: %v", err)
	}
	if got, err := s.Get(t.Context(), rootKey); err != nil || got.Version != r.Version {
		t.Errorf("it was replaced: %v", err)
	}
}

func TestTwoProcessesAgreeOnOneKey(t *testing.T) {
	t.Parallel()
	inner := newBolt(t)
	opened := make(chan error)
	for range 8 {
		go func() {
			_, err := Open(context.Background(), inner, NewKeyring(NewKey()))
			opened <- err
		}()
	}
	won := 0
	for range 8 {
		if err := <-opened; err == nil {
			won++
		} else if _, ok := errors.AsType[*UnknownKey](err); !ok {
			t.Errorf("Open: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d keys of 8 were taken for the store's", won)
	}
}

func TestEmptyMeansNoRecordAtAll(t *testing.T) {
	t.Parallel()
	inner := newBolt(t)
	if empty, err := Empty(t.Context(), inner); err != nil || !empty {
		t.Errorf("a new store: %v, %v", empty, err)
	}
	s := seal(t, inner, NewKeyring(NewKey()))
	if empty, err := Empty(t.Context(), inner); err != nil || empty {
		t.Errorf("a store with a key check: %v, %v", empty, err)
	}
	if !s.Alone() {
		t.Error("the seal hides that the store is for one process alone")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Empty(t.Context(), inner); err == nil {
		t.Error("a closed store says whether it is empty")
	}
}
