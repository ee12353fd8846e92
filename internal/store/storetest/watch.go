package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// patience is how long a watch may take at most; a test that waits for it has
// failed.
const patience = 10 * time.Second

// next gives the next key.
func next(t *testing.T, keys <-chan string) string {
	t.Helper()
	select {
	case key, open := <-keys:
		if !open {
			t.Fatal("the watch has ended")
		}
		return key
	case <-time.After(patience):
		t.Fatal("the watch is silent")
	}
	return ""
}

// told waits until the watch has told of every key, be it by the empty key.
func told(t *testing.T, watch <-chan string, keys ...string) {
	t.Helper()
	missing := map[string]bool{}
	for _, key := range keys {
		missing[key] = true
	}
	for len(missing) > 0 {
		key := next(t, watch)
		if key == "" {
			return
		}
		delete(missing, key)
	}
}

// drain reads until the watch ends.
func drain(t *testing.T, keys <-chan string) {
	t.Helper()
	end := time.After(patience)
	for {
		select {
		case _, open := <-keys:
			if !open {
				return
			}
		case <-end:
			t.Fatal("the watch does not end")
		}
	}
}

func watchBegins(t *testing.T, s store.Store) {
	put(t, s, "a", "", "one")
	for _, prefix := range []string{"", "a", "no such"} {
		if key := next(t, s.Watch(t.Context(), prefix)); key != "" {
			t.Errorf("Watch %q begins with %q, want the empty key", prefix, key)
		}
	}
}

func watchTells(t *testing.T, s store.Store) {
	two := []<-chan string{s.Watch(t.Context(), "a/"), s.Watch(t.Context(), "")}
	for _, w := range two {
		next(t, w)
	}
	tell := func(what, key string) {
		t.Helper()
		for i, w := range two {
			if got := next(t, w); got != key && got != "" {
				t.Errorf("%s: watch %d tells of %q, want %q", what, i, got, key)
			}
		}
	}
	r := put(t, s, "a/x", "", "one")
	tell("create", "a/x")
	r = put(t, s, "a/x", r.Version, "two")
	tell("replace", "a/x")
	if err := s.Delete(t.Context(), "a/x", r.Version); err != nil {
		t.Fatal(err)
	}
	tell("delete", "a/x")
}

func watchPrefix(t *testing.T, s store.Store) {
	w := s.Watch(t.Context(), "a/")
	next(t, w)
	put(t, s, "b/x", "", "one")
	put(t, s, "a", "", "one")
	put(t, s, "a/x", "", "one")
	for {
		key := next(t, w)
		if key != "" && !strings.HasPrefix(key, "a/") {
			t.Errorf("Watch a/ tells of %q", key)
		}
		if key == "" || key == "a/x" {
			return
		}
	}
}

func watchContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	idle, busy := s.Watch(ctx, ""), s.Watch(ctx, "")
	next(t, idle)
	put(t, s, "a", "", "one")
	cancel()
	drain(t, idle)
	drain(t, busy)
	put(t, s, "b", "", "the store goes on")
}

func watchClose(t *testing.T, s store.Store) {
	idle, busy := s.Watch(t.Context(), ""), s.Watch(t.Context(), "")
	next(t, idle)
	put(t, s, "a", "", "one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	drain(t, idle)
	drain(t, busy)
}

func watchSlow(t *testing.T, s store.Store) {
	slow, quick := s.Watch(t.Context(), "a/"), s.Watch(t.Context(), "a/")
	next(t, slow)
	next(t, quick)
	const n = 2000
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("a/%04d", i)
	}
	parallel(t, n, func(i int) error { return create(t, s, keys[i]) })
	told(t, quick, keys...)
	told(t, slow, keys...)
}

func watchCoalesces(t *testing.T, s store.Store) {
	w := s.Watch(t.Context(), "a/")
	next(t, w)
	versions := map[string]string{}
	for range 20 {
		for i := range 10 {
			key := fmt.Sprintf("a/%d", i)
			versions[key] = put(t, s, key, versions[key], "again").Version
		}
	}
	put(t, s, "a/end", "", "one")
	count, ended := 0, false
	for !ended {
		key := next(t, w)
		ended = key == "" || key == "a/end"
		count++
	}
	if count > 100 {
		t.Errorf("after 200 writes of 10 keys a reader that slept is told %d keys", count)
	}
}
