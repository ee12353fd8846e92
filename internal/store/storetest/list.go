package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hufu-project/hufu/internal/store"
)

func listPrefix(t *testing.T, s store.Store) {
	for _, key := range []string{"a", "a/1", "a/2", "a/2/x", "a0", "ab", "b/1", "\x00", "\x81", "b\x80", "b\x81", "\xff", "\xff\xff"} {
		put(t, s, key, "", key)
	}
	for prefix, keys := range map[string][]string{
		"a/":    {"a/1", "a/2", "a/2/x"},
		"a":     {"a", "a/1", "a/2", "a/2/x", "a0", "ab"},
		"a/2":   {"a/2", "a/2/x"},
		"b/1":   {"b/1"},
		"c":     nil,
		"b/1/":  nil,
		"\xff":  {"\xff", "\xff\xff"},
		"b\x80": {"b\x80"},
	} {
		if diff := cmp.Diff(keys, slices.Sorted(maps.Keys(list(t, s, prefix)))); diff != "" {
			t.Errorf("List %q (-want +got):\n%s", prefix, diff)
		}
	}
}

func listWhileWriting(t *testing.T, s store.Store) {
	const stay = 600 // more than any backend gives at once
	parallel(t, stay, func(i int) error { return create(t, s, fmt.Sprintf("a/%04d", 2*i)) })
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := w; ctx.Err() == nil; i += 4 {
				// Records come and go between those that stay, and one of
				// those changes.
				key := fmt.Sprintf("a/%04d", 2*(i*7%stay)+1)
				if r, err := s.Put(t.Context(), store.Record{Key: key}); err == nil {
					_ = s.Delete(t.Context(), key, r.Version)
				}
				if r, err := s.Get(t.Context(), fmt.Sprintf("a/%04d", 2*w)); err == nil {
					_, _ = s.Put(t.Context(), r)
				}
			}
		})
	}
	for range 10 {
		all := list(t, s, "a/")
		for i := range stay {
			if _, there := all[fmt.Sprintf("a/%04d", 2*i)]; !there {
				t.Errorf("List leaves out record %d, which was there all the time", i)
			}
		}
	}
	cancel()
	writers.Wait()
}

func listBody(t *testing.T, s store.Store) {
	parallel(t, 400, func(i int) error { return create(t, s, fmt.Sprintf("a/%04d", i)) })
	for range s.List(t.Context(), "a/") {
		break
	}
	// A backend that lists under a lock, or inside a transaction, hangs here.
	left := 0
	for r, err := range s.List(t.Context(), "a/") {
		if err != nil {
			t.Fatal(err)
		}
		if left++; left%100 != 1 {
			continue
		}
		if err := s.Delete(t.Context(), r.Key, r.Version); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		put(t, s, "b/"+r.Key, "", "y")
	}
	if left < 400 {
		t.Errorf("List gave %d records of 400", left)
	}
	if got := len(list(t, s, "b/")); got != 4 {
		t.Errorf("%d records of 4 were written from within List", got)
	}
}

// parallel calls f with 0 to n-1 from 32 goroutines, so that a backend that
// waits for a disk need not wait n times.
func parallel(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	var all sync.WaitGroup
	for w := range 32 {
		all.Go(func() {
			for i := w; i < n; i += 32 {
				if err := f(i); err != nil {
					t.Errorf("call %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func create(t *testing.T, s store.Store, key string) error {
	_, err := s.Put(t.Context(), store.Record{Key: key, Value: []byte("x")})
	return err
}
