//go:build unix

package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// nothingWritten asks for an error that says so.
func nothingWritten(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || errors.Is(err, store.ErrUnsure) || errors.Is(err, store.ErrConflict) {
		t.Errorf("%s: %v; want an error that says that nothing was written", what, err)
	}
}

func TestRefusedWriteIsNotUnsure(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--maxmemory-policy", "volatile-lru")
	st := s.open("")
	r := put(t, st, "a", "", "one")
	write := func() error {
		_, err := st.Put(context.Background(), store.Record{Key: "a", Version: r.Version, Value: []byte("two")})
		return err
	}
	for what, c := range map[string]struct{ set, unset []string }{
		"OOM":      {[]string{"CONFIG", "SET", "maxmemory", "1"}, []string{"CONFIG", "SET", "maxmemory", "0"}},
		"READONLY": {[]string{"REPLICAOF", "127.0.0.1", "1"}, []string{"REPLICAOF", "NO", "ONE"}},
		"NOREPLICAS": {
			[]string{"CONFIG", "SET", "min-replicas-to-write", "1"}, []string{"CONFIG", "SET", "min-replicas-to-write", "0"},
		},
	} {
		s.Do(c.set...)
		err := write()
		nothingWritten(t, what, err)
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		nothingWritten(t, what+", delete", st.Delete(context.Background(), "a", r.Version))
		s.Do(c.unset...)
		if got, err := st.Get(t.Context(), "a"); err != nil || got.Version != r.Version {
			t.Errorf("after %s there is %+v, %v", what, got, err)
		}
	}
	s.Kill()
	// The first calls meet connections that were open.
	eventually(t, func() error {
		if err := write(); err == nil || errors.Is(err, store.ErrUnsure) {
			return fmt.Errorf("no server: %w", err)
		}
		return nil
	})
}

func TestReplicaIsNotRead(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	put(t, st, "a", "", "one")
	s.Do("REPLICAOF", "127.0.0.1", "1")
	if r, err := st.Get(t.Context(), "a"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("a replica says %+v, %v", r, err)
	}
	for _, prefix := range []string{"", "no such"} {
		var last error
		for r, err := range st.List(t.Context(), prefix) {
			if last = err; err == nil {
				t.Errorf("a replica lists %+v", r)
			}
		}
		if last == nil {
			t.Errorf("a replica says what is below %q", prefix)
		}
	}
}

func TestForgottenScriptsAreSentAgain(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	r := put(t, st, "a", "", "one")
	s.Do("SCRIPT", "FLUSH")
	r = put(t, st, "a", r.Version, "two")
	s.Do("SCRIPT", "FLUSH")
	if got, err := st.Get(t.Context(), "a"); err != nil || got.Version != r.Version {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestKilledServerKeepsWhatItAcknowledged kills the server in the middle of
// writes. Afterwards each record is of a version that was acknowledged, or one
// that somebody was not sure of.
func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	for round := range 3 {
		const writers = 8
		var known [writers]string // the version acknowledged last
		var unsure [writers]int   // writes of which nobody knows, since
		var all sync.WaitGroup
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		for w := range writers {
			all.Go(func() {
				key := fmt.Sprintf("%d/%d", round, w)
				for i := 0; ctx.Err() == nil; i++ {
					r, err := st.Put(ctx, store.Record{Key: key, Version: known[w], Value: []byte(strconv.Itoa(i))})
					switch {
					case err == nil:
						known[w], unsure[w] = r.Version, 0
					case errors.Is(err, store.ErrUnsure):
						unsure[w]++
						return
					case errors.Is(err, store.ErrConflict):
						t.Errorf("%s: a conflict with nobody", key)
						return
					default:
						return
					}
				}
			})
		}
		<-time.After(200 * time.Millisecond)
		s.Kill()
		all.Wait()
		stop()
		s.Start()
		for w := range writers {
			key := fmt.Sprintf("%d/%d", round, w)
			var got store.Record
			eventually(t, func() (err error) {
				got, err = st.Get(t.Context(), key)
				if errors.Is(err, store.ErrNotFound) {
					return nil
				}
				return err
			})
			if got.Version != known[w] && unsure[w] == 0 {
				t.Errorf("%s is of version %q, acknowledged was %q", key, got.Version, known[w])
			}
		}
	}
}

// TestUnansweredWriteIsUnsure: what was sent and not answered may have
// happened, and here does.
func TestUnansweredWriteIsUnsure(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	r := put(t, st, "a", "", "one")
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := st.Put(ctx, store.Record{Key: "a", Version: r.Version, Value: []byte("two")})
	if !errors.Is(err, store.ErrUnsure) || time.Since(began) > 2*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	s.Resume()
	eventually(t, func() error {
		got, err := st.Get(t.Context(), "a")
		if err == nil && string(got.Value) != "two" {
			err = fmt.Errorf("the value is %s", got.Value)
		}
		return err
	})
}

// TestLostConnectionMakesAWriteUnsure, and it is not sent a second time: the
// counter of scripts says so.
func TestLostConnectionMakesAWriteUnsure(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	r := put(t, st, "a", "", "one")
	put(t, st, "b", "", "one")
	admin := s.Admin()
	before := entriesAdded(t, s)
	if err := admin.Do(t.Context(), admin.B().Arbitrary("CLIENT", "PAUSE", "1000", "WRITE").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() {
		_, err := st.Put(context.Background(), store.Record{Key: "a", Version: r.Version, Value: []byte("two")})
		result <- err
	}()
	<-time.After(300 * time.Millisecond)
	if err := admin.Do(t.Context(), admin.B().Arbitrary("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, store.ErrUnsure) {
		t.Errorf("Put on a connection that was cut: %v", err)
	}
	<-time.After(time.Second)
	if n := entriesAdded(t, s) - before; n > 1 {
		t.Errorf("one Put wrote %d times", n)
	}
	eventually(t, func() error { _, err := st.Get(t.Context(), "a"); return err })
}

// entriesAdded is how many writes the stream has ever told of.
func entriesAdded(t *testing.T, s *server) int {
	t.Helper()
	c := s.Admin()
	defer c.Close()
	info, err := c.Do(t.Context(), c.B().Arbitrary("XINFO", "STREAM", "{hufu}:changes").Build()).AsMap()
	if err != nil {
		t.Fatal(err)
	}
	added := info["entries-added"]
	n, err := added.AsInt64()
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

func TestWriteWaitsForReplicas(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	replica := startServer(t, "--replicaof", strings.ReplaceAll(s.Addr, ":", " "))
	online(t, s)
	st := s.open("replicas=1")
	var r store.Record
	eventually(t, func() error { // a replica on a busy machine may need longer than a write waits
		old, _ := st.Get(t.Context(), "a")
		got, err := st.Put(t.Context(), store.Record{Key: "a", Version: old.Version, Value: []byte("one")})
		r = got
		return err
	})
	if _, err := st.Put(t.Context(), store.Record{Key: "a", Value: []byte("x")}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a conflict is %v", err)
	}
	replica.Kill()
	if _, err := st.Put(t.Context(), store.Record{Key: "a", Version: r.Version, Value: []byte("two")}); !errors.Is(err, store.ErrUnsure) {
		t.Errorf("Put that no replica has: %v", err)
	}
	if got, err := st.Get(t.Context(), "a"); err != nil || string(got.Value) != "two" {
		t.Errorf("%s, %v", got.Value, err)
	}
}

func TestDamagedRecordIsUnreadableAndCanBeReplaced(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	put(t, st, "a", "", "one")
	put(t, st, "b", "", "one")
	s.Do("SET", "{hufu}:r:a", "of no format\n")
	got, err := st.Get(t.Context(), "a")
	if !errors.Is(err, store.ErrUnreadable) || got.Version == "" || got.Now.IsZero() || errors.Is(err, store.ErrLater) {
		t.Fatalf("%+v, %v", got, err)
	}
	var listed []string
	var last error
	for r, err := range st.List(t.Context(), "") {
		if last = err; err == nil {
			listed = append(listed, r.Key)
		}
	}
	if len(listed) != 1 || listed[0] != "b" || !errors.Is(last, store.ErrUnreadable) {
		t.Errorf("List gives %v, %v", listed, last)
	}
	if _, err := st.Put(t.Context(), store.Record{Key: "a", Value: []byte("x")}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("create over it: %v", err)
	}
	put(t, st, "a", got.Version, "two")
}

// During an upgrade nobody replaces what a newer node wrote.
func TestRecordOfALaterFormatIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	const later = "2 of a later format\n"
	s.Do("SET", "{hufu}:r:a", later)
	got, err := st.Get(t.Context(), "a")
	if !errors.Is(err, store.ErrUnreadable) || !errors.Is(err, store.ErrLater) || got.Version != "" || !strings.Contains(err.Error(), "format is 2") {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := st.Put(t.Context(), store.Record{Key: "a", Version: got.Version, Value: []byte("x")}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("put over it: %v", err)
	}
	if err := st.Delete(t.Context(), "a", got.Version); !errors.Is(err, store.ErrConflict) {
		t.Errorf("delete it: %v", err)
	}
	if there := s.Do("GET", "{hufu}:r:a"); there != later {
		t.Errorf("there is %q", there)
	}
}

func TestExpiredRecordsLeaveRedis(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	now := put(t, st, "stays", "", "x").Now
	long, err := st.Put(t.Context(), store.Record{Key: "goes later", Now: now, Expires: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Do("TTL", "{hufu}:r:goes later"); got != "-1" {
		t.Errorf("a record has a time to live, which a policy called volatile would use: %s", got)
	}
	if err := st.Delete(t.Context(), long.Key, long.Version); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if _, err := st.Put(t.Context(), store.Record{Key: fmt.Sprintf("goes/%d", i), Now: now, Expires: now.Add(200 * time.Millisecond)}); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(300 * time.Millisecond)
	for range 3 {
		r, _ := st.Get(t.Context(), "stays")
		put(t, st, "stays", r.Version, "y")
	}
	if got := s.Do("KEYS", "{hufu}:r:*"); got != "[{hufu}:r:stays]" {
		t.Errorf("there is %s", got)
	}
	if got := s.Do("ZCARD", "{hufu}:index"); got != "1" {
		t.Errorf("the index holds %s", got)
	}
}

// TestTimeDoesNotGoBackWithTheServersClock: another server, or this one set
// right, may be hours behind.
func TestTimeDoesNotGoBackWithTheServersClock(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	r := put(t, st, "a", "", "one")
	ahead := r.Written.Add(time.Hour)
	s.Do("HSET", "{hufu}:state", "last", strconv.FormatInt(ahead.UnixMicro(), 10))
	got, err := st.Get(t.Context(), "a")
	if err != nil || got.Now.Before(ahead) {
		t.Fatalf("now is %v after %v, %v", got.Now, ahead, err)
	}
	r = put(t, st, "a", r.Version, "two")
	if r.Written.Before(got.Now) {
		t.Errorf("written at %v, after it was %v", r.Written, got.Now)
	}
	<-time.After(20 * time.Millisecond)
	got, err = st.Get(t.Context(), "a")
	if err != nil || got.Now.Sub(r.Written) < 20*time.Millisecond || got.Now.Sub(ahead) > 20*time.Second {
		t.Errorf("time stands still, or runs: %v after %v, %v", got.Now, r.Written, err)
	}
}

// TestIdThatComesAgainIsAnotherVersion: a stream that has lost its end gives
// the same id to another write.
func TestIdThatComesAgainIsAnotherVersion(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	st := s.open("")
	var versions []string
	for range 2 {
		s.Do("DEL", "{hufu}:changes", "{hufu}:r:a")
		s.Do("XADD", "{hufu}:changes", "99999999999999-0", "key", "b", "nonce", "1")
		versions = append(versions, put(t, st, "a", "", "x").Version)
	}
	if id := "99999999999999-1-"; !strings.HasPrefix(versions[0], id) || !strings.HasPrefix(versions[1], id) || versions[0] == versions[1] {
		t.Errorf("versions %v, want two of %s", versions, id)
	}
}
