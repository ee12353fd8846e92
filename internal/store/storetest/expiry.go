package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

func expired(t *testing.T, s store.Store) {
	brief := putFor(t, s, "a/brief", "", "one", second)
	long := putFor(t, s, "a/long", "", "two", time.Hour)
	want(t, s, brief)
	want(t, s, long)
	pass(t, s, second)
	wantNone(t, s, "a/brief")
	want(t, s, long)
	wantErr(t, "Delete of an expired record", s.Delete(t.Context(), "a/brief", brief.Version), store.ErrNotFound)
	_, err := s.Put(t.Context(), store.Record{Key: "a/brief", Version: brief.Version, Value: []byte("x")})
	wantErr(t, "Put in place of an expired record", err, store.ErrConflict)
	wantNone(t, s, "a/brief")
}

func expiredIsReplaced(t *testing.T, s store.Store) {
	old := putFor(t, s, "a", "", "one", second)
	_, err := s.Put(t.Context(), store.Record{Key: "a", Value: []byte("x")})
	wantErr(t, "Put before the record expires", err, store.ErrConflict)
	pass(t, s, second)
	r := put(t, s, "a", "", "two")
	if r.Version == old.Version {
		t.Errorf("version %s again", r.Version)
	}
	pass(t, s, second)
	want(t, s, r)
}

func reckonedFromNow(t *testing.T, s store.Store) {
	// The caller's Now may be of an earlier read, or of another clock
	// altogether: the difference is what counts.
	for _, at := range []time.Time{time.Unix(1e9, 0), now(t, s), now(t, s).Add(-time.Hour), now(t, s).Add(50 * 365 * 24 * time.Hour)} {
		old, err := s.Get(t.Context(), "a")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		r, err := s.Put(t.Context(), store.Record{Key: "a", Version: old.Version, Value: []byte("one"), Now: at, Expires: at.Add(10 * time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		if life := r.Expires.Sub(r.Written); (life - 10*time.Minute).Abs() > 10*time.Millisecond {
			t.Errorf("reckoned from %v the record lives %v, want 10m", at, life)
		}
		want(t, s, r)
	}
}

func badExpires(t *testing.T, s store.Store) {
	at := now(t, s)
	for what, r := range map[string]store.Record{
		"Expires before Now":    {Now: at, Expires: at.Add(-time.Second)},
		"Expires at Now":        {Now: at, Expires: at},
		"Expires without a Now": {Expires: at.Add(time.Hour)},
	} {
		r.Key, r.Value = "a", []byte("x")
		_, err := s.Put(t.Context(), r)
		if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnsure) {
			t.Errorf("%s: %v; want an error of its own", what, err)
		}
	}
	wantNone(t, s, "a")
}

func expiresAnew(t *testing.T, s store.Store) {
	long := putFor(t, s, "stays", "", "one", second)
	stays := put(t, s, "stays", long.Version, "two")
	goes := put(t, s, "goes", "", "one")
	putFor(t, s, "goes", goes.Version, "two", second)
	pass(t, s, second)
	want(t, s, stays)
	wantNone(t, s, "goes")
}
