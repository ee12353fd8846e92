package storetest

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hufu-project/hufu/internal/store"
)

// model drives the store and a plain map side by side, by random steps. Lives
// and the passage of time are part of it only where time is fake.
func model(t *testing.T, s store.Store, fake bool) {
	round := 0
	// The wrapping hides t's Deadline, which a bubble forbids to ask for.
	rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) {
		round++
		m := &machine{t: t, s: s, prefix: fmt.Sprintf("%d/", round), live: map[string]store.Record{}, seen: map[string]bool{}}
		steps := map[string]func(*rapid.T){"put": m.put, "get": m.get, "delete": m.delete, "list": m.list}
		if fake {
			m.lives = true
			steps["wait"] = m.wait
		}
		rt.Repeat(steps)
	})
}

type machine struct {
	t      *testing.T
	s      store.Store
	prefix string
	lives  bool
	live   map[string]store.Record // what must be there
	gone   []string                // versions that are no more
	seen   map[string]bool
}

func (m *machine) key(t *rapid.T) string {
	return m.prefix + rapid.SampledFrom([]string{"a", "a/b", "a/c", "b", "虎"}).Draw(t, "key")
}

// version draws one that a caller might hold: current, past, none, made up.
func (m *machine) version(t *rapid.T, key string) string {
	held := append([]string{m.live[key].Version, m.live[key].Version, "", "made up"}, m.gone...)
	return rapid.SampledFrom(held).Draw(t, "version")
}

func (m *machine) put(t *rapid.T) {
	key := m.key(t)
	r := store.Record{Key: key, Version: m.version(t, key), Value: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "value")}
	if m.lives && rapid.Bool().Draw(t, "lives for a while") {
		r.Now = time.Unix(1e9, 0)
		r.Expires = r.Now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
	}
	old := m.live[key]
	got, err := m.s.Put(m.t.Context(), r)
	if r.Version != old.Version {
		if !errors.Is(err, store.ErrConflict) {
			t.Fatalf("Put %s in place of %q where %q is: %v, want ErrConflict", key, r.Version, old.Version, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("Put %s: %v", key, err)
	}
	if got.Version == "" || m.seen[got.Version] {
		t.Fatalf("Put %s gives version %q, which is not new", key, got.Version)
	}
	m.seen[got.Version] = true
	m.retire(old)
	if !r.Expires.IsZero() && !got.Expires.Equal(got.Written.Add(r.Expires.Sub(r.Now))) {
		t.Fatalf("Put %s for %v: written %v, expires %v", key, r.Expires.Sub(r.Now), got.Written, got.Expires)
	}
	got.Now = time.Time{}
	m.live[key] = got
}

func (m *machine) retire(old store.Record) {
	if old.Version != "" {
		m.gone = append(m.gone, old.Version)
	}
}

func (m *machine) delete(t *rapid.T) {
	key := m.key(t)
	version := m.version(t, key)
	old, there := m.live[key]
	var want error
	switch {
	case !there:
		want = store.ErrNotFound
	case version != old.Version:
		want = store.ErrConflict
	}
	if err := m.s.Delete(m.t.Context(), key, version); !errors.Is(err, want) {
		t.Fatalf("Delete %s of %q where %q is: %v, want %v", key, version, old.Version, err, want)
	}
	if want == nil {
		delete(m.live, key)
		m.retire(old)
	}
}

func (m *machine) get(t *rapid.T) {
	key := m.key(t)
	got, err := m.s.Get(m.t.Context(), key)
	want, there := m.live[key]
	if !there {
		want, got.Now = store.Record{Key: key}, time.Time{}
		if !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("Get %s: %v, want ErrNotFound", key, err)
		}
	} else if err != nil {
		t.Fatalf("Get %s: %v", key, err)
	}
	m.compare(t, map[string]store.Record{key: want}, map[string]store.Record{key: got})
}

func (m *machine) list(t *rapid.T) {
	prefix := m.prefix + rapid.SampledFrom([]string{"", "a", "a/", "c"}).Draw(t, "prefix")
	got, want := map[string]store.Record{}, maps.Clone(m.live)
	for r, err := range m.s.List(m.t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List %s: %v", prefix, err)
		}
		got[r.Key] = r
	}
	maps.DeleteFunc(want, func(key string, _ store.Record) bool { return !strings.HasPrefix(key, prefix) })
	m.compare(t, want, got)
}

// compare leaves Now out: it is of each answer.
func (m *machine) compare(t *rapid.T, want, got map[string]store.Record) {
	for key, r := range got {
		r.Now = time.Time{}
		got[key] = r
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b []byte) bool { return string(a) == string(b) })); diff != "" {
		t.Fatalf("the store differs from the map (-want +got):\n%s", diff)
	}
}

func (m *machine) wait(t *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 10).Draw(t, "seconds")) * time.Second)
	at := now(m.t, m.s)
	for key, r := range m.live {
		if !r.Expires.IsZero() && !at.Before(r.Expires) {
			delete(m.live, key)
			m.retire(r)
		}
	}
}
