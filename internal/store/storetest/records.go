package storetest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

func getOfNothing(t *testing.T, s store.Store) {
	r, err := s.Get(t.Context(), "a/b")
	wantErr(t, "Get of nothing", err, store.ErrNotFound)
	if r.Key != "a/b" || r.Now.IsZero() || r.Version != "" {
		t.Errorf("Get of nothing gives %+v; want its key and the time", r)
	}
}

func putIsReadBack(t *testing.T, s store.Store) {
	before := now(t, s)
	r, err := s.Put(t.Context(), store.Record{Key: "a", Value: []byte("one"), Written: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if r.Key != "a" || r.Version == "" || string(r.Value) != "one" || !r.Written.Equal(r.Now) || r.Written.Before(before) || !r.Expires.IsZero() {
		t.Errorf("Put gives %+v", r)
	}
	want(t, s, r)
}

func createNeedsNothing(t *testing.T, s store.Store) {
	r := put(t, s, "a", "", "one")
	_, err := s.Put(t.Context(), store.Record{Key: "a", Value: []byte("two")})
	wantErr(t, "Put without a version over a record", err, store.ErrConflict)
	want(t, s, r)
}

func replaceNeedsCurrent(t *testing.T, s store.Store) {
	_, err := s.Put(t.Context(), store.Record{Key: "a", Version: "made up", Value: []byte("x")})
	wantErr(t, "Put with a version where nothing is", err, store.ErrConflict)
	wantNone(t, s, "a")
	one := put(t, s, "a", "", "one")
	two := put(t, s, "a", one.Version, "two")
	want(t, s, two)
	for _, version := range []string{one.Version, "", "made up", two.Version + " "} {
		_, err := s.Put(t.Context(), store.Record{Key: "a", Version: version, Value: []byte("x")})
		wantErr(t, "Put in place of "+version, err, store.ErrConflict)
		want(t, s, two)
	}
	// The version of one record is none of another.
	other := put(t, s, "b", "", "other")
	_, err = s.Put(t.Context(), store.Record{Key: "a", Version: other.Version, Value: []byte("x")})
	wantErr(t, "Put with another record's version", err, store.ErrConflict)
	want(t, s, two)
}

func deleteNeedsCurrent(t *testing.T, s store.Store) {
	wantErr(t, "Delete of nothing", s.Delete(t.Context(), "a", "made up"), store.ErrNotFound)
	one := put(t, s, "a", "", "one")
	two := put(t, s, "a", one.Version, "two")
	wantErr(t, "Delete of an old version", s.Delete(t.Context(), "a", one.Version), store.ErrConflict)
	wantErr(t, "Delete of no version", s.Delete(t.Context(), "a", ""), store.ErrConflict)
	want(t, s, two)
	if err := s.Delete(t.Context(), "a", two.Version); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s, "a")
	wantErr(t, "Delete again", s.Delete(t.Context(), "a", two.Version), store.ErrNotFound)
	_, err := s.Put(t.Context(), store.Record{Key: "a", Version: two.Version, Value: []byte("x")})
	wantErr(t, "Put in place of a deleted record", err, store.ErrConflict)
}

func versionsNeverRepeat(t *testing.T, s store.Store) {
	seen := map[string]bool{}
	version := ""
	for i := range 30 {
		r := put(t, s, "a", version, "the same value")
		if seen[r.Version] {
			t.Fatalf("write %d has version %s, which was there before", i, r.Version)
		}
		seen[r.Version] = true
		version = r.Version
		if i%3 == 2 {
			if err := s.Delete(t.Context(), "a", version); err != nil {
				t.Fatal(err)
			}
			version = ""
		}
	}
}

func oddKeys(t *testing.T, s store.Store) {
	keys := []string{
		"a", "a/", "a//b", "/a", "a b", "a\tb\nc", "虎符/应用", "é", "e\u0301", "*", "a*", "a?[b]", "%", "a_b", `a\b`, "'\"`",
		"A", "{a}b", "a:b", "..", strings.Repeat("k", 512), strings.Repeat("虎", 170) + "/x",
	}
	records := map[string]store.Record{}
	for _, key := range keys {
		records[key] = put(t, s, key, "", "value of "+key)
	}
	for _, key := range keys {
		want(t, s, records[key])
		for got := range list(t, s, key) {
			if !strings.HasPrefix(got, key) {
				t.Errorf("List %q gives %q", key, got)
			}
		}
	}
	all := list(t, s, "")
	for _, key := range keys {
		if _, there := all[key]; !there {
			t.Errorf("List of everything leaves out %q", key)
		}
		if err := s.Delete(t.Context(), key, records[key].Version); err != nil {
			t.Errorf("Delete %q: %v", key, err)
		}
	}
}

func emptyKey(t *testing.T, s store.Store) {
	_, getErr := s.Get(t.Context(), "")
	_, putErr := s.Put(t.Context(), store.Record{Value: []byte("x")})
	deleteErr := s.Delete(t.Context(), "", "")
	for what, err := range map[string]error{"Get": getErr, "Put": putErr, "Delete": deleteErr} {
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnsure) {
			t.Errorf("%s of the empty key: %v; want an error of its own", what, err)
		}
	}
}

func anyBytes(t *testing.T, s store.Store) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for key, value := range map[string][]byte{
		"nil": nil, "empty": {}, "zero": {0}, "every": every,
		"MiB": bytes.Repeat([]byte("0123456789abcdef"), 1<<16),
	} {
		r, err := s.Put(t.Context(), store.Record{Key: key, Value: value})
		if err != nil {
			t.Fatalf("Put %s: %v", key, err)
		}
		want(t, s, r)
		if got, _ := s.Get(t.Context(), key); !bytes.Equal(got.Value, value) {
			t.Errorf("%s: %d bytes came back as %d others", key, len(value), len(got.Value))
		}
	}
}

func isolation(t *testing.T, s store.Store) {
	put(t, s, "big", "", strings.Repeat("so that this is no tiny store ", 1000))
	value := []byte("one")
	r, err := s.Put(t.Context(), store.Record{Key: "a", Value: value})
	if err != nil {
		t.Fatal(err)
	}
	value[0] = 'X'
	r.Value = []byte("one")
	want(t, s, r)
	got, err := s.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	got.Value[0] = 'X'
	_ = append(got.Value, "more"...)
	want(t, s, r)
	list(t, s, "a")["a"].Value[0] = 'X'
	want(t, s, r)
}

func endedContext(t *testing.T, s store.Store) {
	r := put(t, s, "a", "", "one")
	ctx := cancelled()
	_, err := s.Get(ctx, "a")
	wantErr(t, "Get", err, context.Canceled)
	_, err = s.Put(ctx, store.Record{Key: "a", Version: r.Version, Value: []byte("two")})
	wantErr(t, "Put", err, context.Canceled)
	wantErr(t, "Delete", s.Delete(ctx, "a", r.Version), context.Canceled)
	if got := listErr(ctx, s); !errors.Is(got, context.Canceled) {
		t.Errorf("List: %v, want %v", got, context.Canceled)
	}
	want(t, s, r)
	drain(t, s.Watch(ctx, ""))

	// And in the middle of a List.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	put(t, s, "b", "", "two")
	var last error
	for _, err := range s.List(ctx, "") {
		last = err
		cancel()
	}
	if last != nil {
		wantErr(t, "List when its context ends", last, context.Canceled)
	}
}

// listErr is the error that List yields, if any.
func listErr(ctx context.Context, s store.Store) (last error) {
	for _, err := range s.List(ctx, "") {
		last = err
	}
	return last
}

func closedStore(t *testing.T, s store.Store) {
	r := put(t, s, "a", "", "one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, getErr := s.Get(t.Context(), "a")
	_, putErr := s.Put(t.Context(), store.Record{Key: "a", Version: r.Version})
	for what, err := range map[string]error{
		"Get": getErr, "Put": putErr, "Delete": s.Delete(t.Context(), "a", r.Version), "List": listErr(t.Context(), s),
	} {
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnsure) {
			t.Errorf("%s after Close: %v; want an error of its own", what, err)
		}
	}
	drain(t, s.Watch(t.Context(), ""))
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func reopen(t *testing.T, d Disk) {
	s := d.Open()
	keep := put(t, s, "keep", "", "one")
	brief := putFor(t, s, "brief", "", "two", second)
	before := now(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = d.Open()
	t.Cleanup(func() { _ = s.Close() })
	want(t, s, keep)
	if at := now(t, s); at.Before(before) {
		t.Errorf("the store's clock went back from %v to %v", before, at)
	}
	pass(t, s, second)
	wantNone(t, s, brief.Key)
	want(t, s, put(t, s, "keep", keep.Version, "three"))
}

func restore(t *testing.T, d Disk) {
	s := d.Open()
	first := put(t, s, "a", "", "one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d.Save()
	seen := map[string]bool{first.Version: true}
	for range 3 {
		s = d.Open()
		want(t, s, first)
		for _, r := range []store.Record{put(t, s, "a", first.Version, "two"), put(t, s, "b", "", "two")} {
			if seen[r.Version] {
				t.Errorf("version %s of %s was there before the older copy was put back", r.Version, r.Key)
			}
			seen[r.Version] = true
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		d.Restore()
	}
}
