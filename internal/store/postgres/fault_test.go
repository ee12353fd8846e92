package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
)

// next waits for the next key that the watch tells.
func next(t *testing.T, watch <-chan string) string {
	t.Helper()
	select {
	case key := <-watch:
		return key
	case <-time.After(20 * time.Second):
		t.Fatal("the watch is silent")
	}
	return ""
}

// A transaction may commit after one that began later. Who reads on behind the
// latest number would never hear of it.
func TestLateCommitIsTold(t *testing.T) {
	t.Parallel()
	a := emptySchema(t, sharedServer(t))
	s, raw := openAt(t, a), connect(t, a)
	for round, rings := range []bool{true, false} {
		watch := s.Watch(t.Context(), "")
		next(t, watch)
		late, soon := fmt.Sprintf("late/%d", round), fmt.Sprintf("soon/%d", round)
		tx, err := raw.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), createSQL, []byte(late), nonce(), []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
		for i := range 3 { // and the place moves on
			key := fmt.Sprintf("%s/%d", soon, i)
			if _, err := s.Put(t.Context(), store.Record{Key: key}); err != nil {
				t.Fatal(err)
			}
			if got := next(t, watch); got != key {
				t.Fatalf("the watch tells of %q, want %q", got, key)
			}
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if rings {
			run(t, raw, "SELECT pg_notify($1, '')", s.channel)
		}
		if got := next(t, watch); got != late {
			t.Errorf("round %d: the watch tells of %q, want %q", round, got, late)
		}
		t.Logf("round %d: told after %v", round, time.Since(began))
	}
}

// A bell that nobody hears costs a beat, no more.
func TestLostNoticeIsMadeUpForInTwoSeconds(t *testing.T) {
	t.Parallel()
	a := emptySchema(t, sharedServer(t))
	s, raw := openAt(t, a), connect(t, a)
	watch := s.Watch(t.Context(), "")
	next(t, watch)
	fastest := time.Hour
	for i := range 5 {
		key := fmt.Sprintf("k/%d", i)
		run(t, raw, createSQL, []byte(key), nonce(), []byte("x"), nil)
		began := time.Now()
		if got := next(t, watch); got != key {
			t.Fatalf("the watch tells of %q, want %q", got, key)
		}
		fastest = min(fastest, time.Since(began))
	}
	if fastest > 2*time.Second {
		t.Errorf("told after %v at best, without notices", fastest)
	}
}

// there reads what is under key; a connection that died may cost a try.
func there(t *testing.T, s *Store, key string) (r store.Record) {
	t.Helper()
	var err error
	for range 20 {
		if r, err = s.Get(t.Context(), key); err == nil || errors.Is(err, store.ErrNotFound) {
			return r
		}
	}
	t.Fatal(err)
	return r
}

// writers write while trouble goes on, each to keys of its own, and hold what
// they were told against what is there afterwards.
func writers(t *testing.T, s *Store, trouble func()) (sure, unsure, nothing int) {
	t.Helper()
	type try struct {
		before, value string
		err           error
	}
	ctx, stop := context.WithCancel(t.Context())
	tries := make([]map[string]try, 8)
	var all sync.WaitGroup
	for w := range tries {
		tries[w] = map[string]try{}
		all.Go(func() {
			var r store.Record
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Sprintf("w/%d/%d", w, i/5)
				if i%5 == 0 || r.Key != key {
					r = store.Record{Key: key}
				}
				before := string(r.Value)
				r.Value = fmt.Appendf(nil, "value %d", i)
				call, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				got, err := s.Put(call, r)
				cancel()
				tries[w][key] = try{before: before, value: string(r.Value), err: err}
				if r = got; err != nil {
					r = store.Record{} // never the same key again
					i += 5
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	trouble()
	stop()
	all.Wait()
	for _, mine := range tries {
		for key, try := range mine {
			r := there(t, s, key)
			there := string(r.Value)
			switch {
			case try.err == nil:
				sure++
				if there != try.value {
					t.Errorf("%s: acknowledged %q, there is %q", key, try.value, there)
				}
			case errors.Is(try.err, store.ErrUnsure):
				unsure++
				if there != try.value && there != try.before {
					t.Errorf("%s: there is %q, neither %q nor %q", key, there, try.before, try.value)
				}
			default:
				nothing++
				if there != try.before {
					t.Errorf("%s: there is %q, want %q since Put said: %v", key, there, try.before, try.err)
				}
			}
		}
	}
	t.Logf("%d acknowledged, %d unsure, %d surely not written", sure, unsure, nothing)
	return sure, unsure, nothing
}

// The user's default would lose what was acknowledged in the last seconds.
func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	t.Parallel()
	on := enginetest.For(t, enginetest.Postgres, "wal_writer_delay=10s", "synchronous_commit=off", "wal_writer_flush_after=0")
	run(t, connect(t, at(on)), "ALTER ROLE postgres SET synchronous_commit = off")
	s := openAt(t, at(on))
	watch := s.Watch(t.Context(), "none of these/")
	next(t, watch)
	sure, _, _ := writers(t, s, func() {
		for range 2 {
			time.Sleep(300 * time.Millisecond)
			on.Kill()
			time.Sleep(100 * time.Millisecond)
			if err := on.Start(); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(300 * time.Millisecond)
	})
	if sure < 10 {
		t.Errorf("only %d writes were acknowledged", sure)
	}
	if key := next(t, watch); key != "" {
		t.Errorf("after the server was away, the watch tells of %q", key)
	}
}

func TestTerminatedBackendsLoseNothing(t *testing.T) {
	t.Parallel()
	on := enginetest.For(t, enginetest.Postgres)
	s, raw := openAt(t, at(on)), connect(t, at(on))
	sure, _, _ := writers(t, s, func() {
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			run(t, raw, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
		}
	})
	if sure < 10 {
		t.Errorf("only %d writes were acknowledged", sure)
	}
}

func TestBackendThatEndsBeforeItWroteIsNotUnsure(t *testing.T) {
	t.Parallel()
	a := emptySchema(t, sharedServer(t))
	s, raw := openAt(t, a), connect(t, a)
	r, err := s.Put(t.Context(), store.Record{Key: "a", Value: []byte("one")})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := raw.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM hufu_records WHERE key = 'a' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	put := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), r)
		put <- err
	}()
	for ended := 0; ended == 0; {
		err := tx.QueryRow(t.Context(), "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE NOT granted AND $1::int = ANY(pg_blocking_pids(pid))", raw.PgConn().PID()).Scan(&ended)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-put; err == nil || errors.Is(err, store.ErrUnsure) || errors.Is(err, store.ErrConflict) {
		t.Errorf("Put whose backend was ended while it waited: %v; want an error that says nothing was written", err)
	}
	_ = tx.Rollback(t.Context())
	if _, err := s.Put(t.Context(), r); err != nil {
		t.Errorf("and the next: %v", err)
	}
}

// proxied gives a store behind a network that can fail, and one that is not.
func proxied(t *testing.T) (s, direct *Store, p *enginetest.Proxy) {
	t.Helper()
	on := sharedServer(t)
	near := emptySchema(t, on)
	p = enginetest.NewProxy(t, on)
	far := near
	far.Socket, far.Addrs = "", []string{p.Addr}
	return openAt(t, far), openAt(t, near), p
}

func TestLostAnswerIsUnsure(t *testing.T) {
	t.Parallel()
	s, direct, p := proxied(t)
	for mode, written := range map[int]bool{enginetest.LoseAnswers: true, enginetest.LoseCalls: false} {
		key := fmt.Sprintf("k/%d", mode)
		first, err := s.Put(t.Context(), store.Record{Key: key, Value: []byte("one")})
		if err == nil {
			first, err = s.Put(t.Context(), first) // the server knows the statement
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Set(mode)
		first.Value = []byte("two")
		_, err = s.Put(t.Context(), first)
		p.Set(enginetest.Pass)
		if !errors.Is(err, store.ErrUnsure) {
			t.Errorf("Put whose answer is lost: %v, want ErrUnsure", err)
		}
		for deadline := time.Now().Add(5 * time.Second); ; {
			r, err := direct.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if (string(r.Value) == "two") == written {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("mode %d: %q is there", mode, r.Value)
			}
		}
	}
}

func TestSilentNetworkIsTold(t *testing.T) {
	t.Parallel()
	s, direct, p := proxied(t)
	watch := s.Watch(t.Context(), "")
	next(t, watch)
	p.Set(enginetest.Hold)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Get(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get through a silent network: %v", err)
	}
	if key := next(t, watch); key != "" {
		t.Errorf("the watch tells of %q, want the empty key", key)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("told after %v that the store is lost", took)
	}
	if _, err := direct.Put(t.Context(), store.Record{Key: "a"}); err != nil {
		t.Fatal(err)
	}
	p.Set(enginetest.Pass)
	p.Cut()
	if key := next(t, watch); key != "" {
		t.Errorf("the watch tells of %q once the network is back, want the empty key", key)
	}
}

func TestReadOnlyServerWritesNothing(t *testing.T) {
	t.Parallel()
	on := enginetest.For(t, enginetest.Postgres)
	s, raw := openAt(t, at(on)), connect(t, at(on))
	r, err := s.Put(t.Context(), store.Record{Key: "a", Value: []byte("one")})
	if err != nil {
		t.Fatal(err)
	}
	set := func(value string) {
		run(t, raw, "ALTER SYSTEM SET default_transaction_read_only = "+value)
		run(t, raw, "SELECT pg_reload_conf()")
	}
	set("on")
	for refused := false; !refused; {
		r.Value = append(r.Value, '.')
		got, err := s.Put(t.Context(), r)
		switch refused = err != nil; {
		case !refused:
			r = got // the server has not read its configuration yet
		case errors.Is(err, store.ErrUnsure) || errors.Is(err, store.ErrConflict):
			t.Fatalf("Put to a read-only server: %v; want an error that says nothing was written", err)
		}
	}
	run(t, raw, "SET default_transaction_read_only = off") // this session's
	set("off")
	for {
		if _, err = s.Put(t.Context(), r); err == nil {
			return
		}
		if errors.Is(err, store.ErrUnsure) || errors.Is(err, store.ErrConflict) || t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

// A full disk, said by a trigger.
func TestFullDiskWritesNothing(t *testing.T) {
	t.Parallel()
	a := emptySchema(t, sharedServer(t))
	s, raw := openAt(t, a), connect(t, a)
	run(t, raw, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '53100'; END $$`)
	run(t, raw, `CREATE TRIGGER full_disk BEFORE INSERT ON hufu_records FOR EACH ROW EXECUTE FUNCTION full_disk()`)
	if _, err := s.Put(t.Context(), store.Record{Key: "a"}); err == nil || errors.Is(err, store.ErrUnsure) || errors.Is(err, store.ErrConflict) {
		t.Errorf("Put on a full disk: %v; want an error that says nothing was written", err)
	}
	run(t, raw, `DROP TRIGGER full_disk ON hufu_records`)
	if _, err := s.Put(t.Context(), store.Record{Key: "a"}); err != nil {
		t.Error(err)
	}
}

// Who runs with a stricter isolation is told conflict as everybody else.
func TestStricterIsolationChangesNothing(t *testing.T) {
	t.Parallel()
	a := emptySchema(t, sharedServer(t))
	raw := connect(t, a)
	a.User = "strict" + a.Schema
	run(t, raw, "CREATE ROLE "+a.User+" SUPERUSER LOGIN")
	run(t, raw, "ALTER ROLE "+a.User+" SET default_transaction_isolation = serializable")
	s := openAt(t, a)
	r, err := s.Put(t.Context(), store.Record{Key: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		var won, lost int
		var mu sync.Mutex
		var all sync.WaitGroup
		old := r
		for range 8 {
			all.Go(func() {
				got, err := s.Put(t.Context(), old)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won, r = won+1, got
				case errors.Is(err, store.ErrConflict):
					lost++
				default:
					t.Errorf("Put: %v", err)
				}
			})
		}
		all.Wait()
		if won != 1 || lost != 7 {
			t.Fatalf("%d writers won and %d lost, of 8", won, lost)
		}
	}
}
