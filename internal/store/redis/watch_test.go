//go:build unix

package redis

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// watch begins a Watch and takes its first word.
func watch(t *testing.T, s *Store, prefix string) <-chan string {
	t.Helper()
	w := s.Watch(t.Context(), prefix)
	if key := <-w; key != "" {
		t.Fatalf("Watch begins with %q", key)
	}
	return w
}

// within waits until the watch tells of key.
func within(t *testing.T, w <-chan string, key string, d time.Duration) {
	t.Helper()
	end := time.After(d)
	for {
		select {
		case got := <-w:
			if got == key {
				return
			}
		case <-end:
			t.Errorf("the watch does not tell of %q in %v", key, d)
			return
		}
	}
}

// told waits until the watch tells of key, be it by the empty one.
func told(t *testing.T, w <-chan string, key string, d time.Duration) {
	t.Helper()
	end := time.After(d)
	for {
		select {
		case got := <-w:
			if got == key || got == "" {
				return
			}
		case <-end:
			t.Errorf("the watch does not tell of %q in %v", key, d)
			return
		}
	}
}

// quiet asks that the watch say nothing. A machine that stands still for two
// seconds looks like a server that does, so it may ask again.
func quiet(t *testing.T, w <-chan string, d time.Duration) {
	t.Helper()
	for range 3 {
		select {
		case key := <-w:
			t.Logf("the watch tells of %q for no reason", key)
		case <-time.After(d):
			return
		}
	}
	t.Error("the watch does not keep quiet")
}

// slack is what a busy machine may add to a promise of milliseconds.
const slack = 2 * time.Second

func TestWatchTellsOtherNodesAtOnceAndNeverWithoutReason(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	one := s.open("")
	put(t, one, "first", "", "so that the stream is not empty")
	two := s.open("")
	w := watch(t, two, "")
	fastest := slack
	for i := range 10 {
		key := fmt.Sprintf("a/%d", i)
		put(t, one, key, "", "x")
		began := time.Now()
		within(t, w, key, slack)
		fastest = min(fastest, time.Since(began))
	}
	if fastest > 100*time.Millisecond {
		t.Errorf("the fastest of ten notices took %v", fastest)
	}
	quiet(t, w, 3*beat)
}

func TestWatchIsToldOfATrimmedStream(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	put(t, st, "a", "", "x")
	within(t, st.Watch(t.Context(), ""), "", slack)
	w := watch(t, st, "")
	// Writes that nobody is told of, as if a reader had been away for long.
	s.Do("XADD", "{hufu}:changes", "*", "key", "b", "nonce", "1")
	s.Do("XTRIM", "{hufu}:changes", "MAXLEN", "0")
	within(t, w, "", 2*time.Second)
}

func TestWatchIsToldOfALostHistory(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	put(t, st, "a", "", "x")
	for what, lose := range map[string]func(){
		"everything is gone": func() { s.Do("FLUSHALL") },
		"the stream goes on elsewhere": func() {
			// The next id would fit; only the entry read last is gone.
			s.Do("DEL", "{hufu}:changes")
			s.Do("XADD", "{hufu}:changes", "99999999999999-0", "key", "z", "nonce", "1")
		},
	} {
		w := watch(t, st, "")
		<-time.After(beat / 2)
		lose()
		within(t, w, "", 2*time.Second)
		if t.Failed() {
			t.Log(what)
		}
	}
}

// TestSameIdOfAnotherWriteIsAGap: after lost writes an id comes again.
func TestSameIdOfAnotherWriteIsAGap(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	put(t, st, "a", "", "x")
	p, err := st.newest()
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(beat / 10)
	w := watch(t, st, "")
	s.Do("DEL", "{hufu}:changes")
	s.Do("XADD", "{hufu}:changes", p.id, "key", "b", "nonce", "another")
	within(t, w, "", 2*time.Second)
}

func TestWatchOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	other := s.open("")
	put(t, other, "a", "", "x")
	w := watch(t, st, "")
	s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	within(t, w, "", 2*time.Second)
	// Each connection that was cut is noticed by the call that meets it.
	eventually(t, func() error {
		_, err := other.Put(t.Context(), store.Record{Key: "b"})
		if errors.Is(err, store.ErrConflict) {
			err = nil
		}
		return err
	})
	told := time.Now()
	for key := range w {
		if key == "b" || key == "" {
			break
		}
	}
	if time.Since(told) > 2*time.Second {
		t.Errorf("told after %v", time.Since(told))
	}
}

func TestWatchSaysThatTheStoreIsAwayAndThatItIsBack(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ away, back func(*server) }{
		"killed": {(*server).Kill, (*server).Start},
		"stuck":  {(*server).Pause, (*server).Resume},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			put(t, s.open(""), "a", "", "x")
			st := s.open("")
			w := watch(t, st, "")
			<-time.After(beat / 2)
			c.away(s)
			within(t, w, "", 2*time.Second+slack)
			quiet(t, w, beat)
			c.back(s)
			within(t, w, "", 5*time.Second)
			eventually(t, func() error { _, err := st.Get(t.Context(), "a"); return err })
			put(t, st, "b", "", "x")
			within(t, w, "b", 2*time.Second)
		})
	}
}

// TestWatchLooksAtNoRecord: a beat of an idle store asks for the end of the
// stream and for nothing else.
func TestWatchLooksAtNoRecord(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	put(t, st, "a", "", "x")
	watch(t, st, "")
	<-time.After(beat)
	s.Do("CONFIG", "RESETSTAT")
	<-time.After(3 * beat)
	calls := fields(s.Do("INFO", "commandstats"))
	for name := range calls {
		switch name {
		case "cmdstat_xread", "cmdstat_xrange", "cmdstat_evalsha", "cmdstat_del", "cmdstat_time", "cmdstat_hmget", "cmdstat_ping",
			"cmdstat_hello", "cmdstat_info", "cmdstat_config|resetstat", "cmdstat_select", "txt":
		default:
			t.Errorf("a beat calls %s %s", name, calls[name])
		}
	}
	if len(calls) < 5 {
		t.Errorf("nobody looks: %v", calls)
	}
}

func TestCloseEndsAWatchThatWaitsForNews(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	w := st.Watch(context.Background(), "")
	<-time.After(beat / 4)
	began := time.Now()
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > beat/2 {
		t.Errorf("Close took %v", d)
	}
	for range w {
		continue
	}
}
