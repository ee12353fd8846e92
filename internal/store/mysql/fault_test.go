package mysql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
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

// A write that has its place and has not committed keeps those behind it
// waiting: nobody can read past it.
func TestLateCommitIsTold(t *testing.T) {
	t.Parallel()
	a := emptyDatabase(t, sharedServer(t))
	s, raw := openAt(t, a), connect(t, a)
	watch := s.Watch(t.Context(), "")
	next(t, watch)
	mine, late := nonce(), []byte("late")
	text, _ := strings.CutSuffix(createSQL, "; COMMIT")
	run(t, raw, text, late, late, mine, []byte("x"), nil, late, late)
	soon := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), store.Record{Key: "soon"})
		soon <- err
	}()
	select {
	case err := <-soon:
		t.Errorf("a later write went past one that had not committed: %v", err)
	case key := <-watch:
		t.Errorf("the watch tells of %q, which is not committed", key)
	case <-time.After(beat + beat/2): // a look lies in between
	}
	run(t, raw, "COMMIT")
	if err := <-soon; err != nil {
		t.Error(err)
	}
	told := map[string]bool{next(t, watch): true, next(t, watch): true}
	if !told["late"] || !told["soon"] {
		t.Errorf("the watch tells of %v", told)
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

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	t.Parallel()
	on := enginetest.For(t, enginetest.MariaDB)
	s := openAt(t, emptyDatabase(t, on))
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

func TestKilledConnectionsLoseNothing(t *testing.T) {
	t.Parallel()
	on := enginetest.For(t, enginetest.MariaDB)
	a := emptyDatabase(t, on)
	s, raw := openAt(t, a), connect(t, a)
	sure, _, _ := writers(t, s, func() {
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			rows, err := raw.QueryContext(t.Context(), "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()")
			if err != nil {
				t.Error(err)
				return
			}
			var ids []int64
			for rows.Next() {
				var id int64
				if err := rows.Scan(&id); err != nil {
					t.Error(err)
				}
				ids = append(ids, id)
			}
			_ = rows.Close()
			for _, id := range ids {
				_, _ = raw.ExecContext(t.Context(), fmt.Sprintf("KILL %d", id))
			}
		}
	})
	if sure < 10 {
		t.Errorf("only %d writes were acknowledged", sure)
	}
}

// proxied gives a store behind a network that can fail, and one that is not.
func proxied(t *testing.T) (s, direct *Store, p *enginetest.Proxy) {
	t.Helper()
	on := sharedServer(t)
	near := emptyDatabase(t, on)
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
	on := enginetest.For(t, enginetest.MariaDB)
	a := emptyDatabase(t, on)
	raw := connect(t, a)
	a.User = "plain"
	run(t, raw, "CREATE USER plain@localhost")
	run(t, raw, "GRANT ALL ON "+a.Database+".* TO plain@localhost")
	s := openAt(t, a)
	watch := s.Watch(t.Context(), "")
	next(t, watch)
	r, err := s.Put(t.Context(), store.Record{Key: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for key := ""; key != "a"; key = next(t, watch) {
		continue
	}
	run(t, raw, "SET GLOBAL read_only = 1")
	if _, err := s.Put(t.Context(), r); err == nil || errors.Is(err, store.ErrUnsure) || errors.Is(err, store.ErrConflict) {
		t.Errorf("Put to a read-only server: %v; want an error that says nothing was written", err)
	}
	if key := next(t, watch); key != "" {
		t.Errorf("the watch tells of %q, want the empty key", key)
	}
	refused(t, a, "read-only")
	run(t, raw, "SET GLOBAL read_only = 0")
	if _, err := s.Put(t.Context(), r); err != nil {
		t.Error(err)
	}
}

// A full disk, said by a trigger. What the write had done so far is undone at
// once, and holds up nobody.
func TestFullDiskWritesNothing(t *testing.T) {
	t.Parallel()
	a := emptyDatabase(t, sharedServer(t))
	s, raw := openAt(t, a), connect(t, a)
	run(t, raw, "CREATE TRIGGER full_disk BEFORE INSERT ON hufu_records FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021")
	if _, err := s.Put(t.Context(), store.Record{Key: "a"}); err == nil || errors.Is(err, store.ErrUnsure) || errors.Is(err, store.ErrConflict) {
		t.Errorf("Put on a full disk: %v; want an error that says nothing was written", err)
	}
	run(t, raw, "SET SESSION lock_wait_timeout = 5")
	run(t, raw, "DROP TRIGGER full_disk")
	if _, err := s.Put(t.Context(), store.Record{Key: "a"}); err != nil {
		t.Error(err)
	}
}

func TestNodesMayStartAtOnce(t *testing.T) {
	t.Parallel()
	a := emptyDatabase(t, sharedServer(t))
	nodes := make([]*Store, 8)
	var all sync.WaitGroup
	for i := range nodes {
		all.Go(func() { nodes[i] = openAt(t, a) })
	}
	all.Wait()
	r, err := nodes[0].Put(t.Context(), store.Record{Key: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range nodes {
		if got, err := s.Get(t.Context(), "a"); err != nil || got.Version != r.Version {
			t.Errorf("node %d: %+v, %v", i, got, err)
		}
	}
}

// refused is the error of opening.
func refused(t *testing.T, a config.SQL, want string) {
	t.Helper()
	s, err := Open(t.Context(), a)
	if err == nil {
		_ = s.Close()
		t.Fatalf("%+v was opened", a)
	}
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
		t.Errorf("the error is: %v\nwant in it: %s", err, want)
	}
}

func TestUserOfFewRights(t *testing.T) {
	t.Parallel()
	owner := emptyDatabase(t, sharedServer(t))
	raw := connect(t, owner)
	limited := owner
	limited.User = "u" + owner.Database
	user := limited.User + "@localhost"
	run(t, raw, "CREATE USER "+user+" IDENTIFIED BY 'canary'")
	refused(t, limited, "look at user and password")
	limited.Password = credential.NewSecret("canary")
	run(t, raw, "GRANT SELECT ON "+owner.Database+".* TO "+user)
	refused(t, limited, "GRANT SELECT, INSERT, UPDATE, DELETE")
	run(t, raw, Schema)
	refused(t, limited, "GRANT SELECT, INSERT, UPDATE, DELETE")
	run(t, raw, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+owner.Database+".hufu_records TO "+user)
	s := openAt(t, limited)
	r, err := s.Put(t.Context(), store.Record{Key: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "a", r.Version); err != nil {
		t.Error(err)
	}
	if n, err := s.sweepOnce(t.Context()); err != nil || n != 0 {
		t.Errorf("swept %d, %v", n, err)
	}
}

func TestUnfitServersAreRefusedInWords(t *testing.T) {
	t.Parallel()
	on := enginetest.For(t, enginetest.MariaDB, "innodb-flush-log-at-trx-commit=2")
	a := emptyDatabase(t, on)
	s := openAt(t, a)
	if said := strings.Join(s.Doubts(), "\n"); !strings.Contains(said, "innodb_flush_log_at_trx_commit") {
		t.Errorf("of a flush a second it says: %s", said)
	}
	_ = s.Close()
	raw := connect(t, a)
	run(t, raw, "UPDATE hufu_records SET value = '7' WHERE k = ''")
	refused(t, a, "form 7")
	run(t, raw, "ALTER TABLE hufu_records ENGINE=Aria")
	refused(t, a, "ENGINE=InnoDB")
	run(t, raw, "SET GLOBAL TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
	refused(t, a, "READ-UNCOMMITTED")
	absent := a
	absent.Database = "nodb"
	refused(t, absent, "CREATE DATABASE")
}

func TestTLSIsCheckedAsAsked(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "hufu-") // the server is of another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ca := enginetest.NewAuthority(t, dir, "ca")
	enginetest.NewAuthority(t, dir, "stranger")
	ca.Issue(t, dir, "server")
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(file("server.key"), 0o644), os.Chmod(file("server.pem"), 0o644)); err != nil {
		t.Fatal(err)
	}
	on := enginetest.For(t, enginetest.MariaDB, "ssl-cert="+file("server.pem"), "ssl-key="+file("server.key"))
	_, port, _ := net.SplitHostPort(enginetest.NewProxy(t, on).Addr)
	parsed := func(host, query string) config.SQL {
		t.Helper()
		a, err := config.ParseSQL("mysql://root@" + host + ":" + port + "/mysql?" + query)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	known := "&ca_file=" + file("ca.pem")
	for where, query := range map[string]string{"127.0.0.1": "sslmode=verify-full" + known, "localhost": "sslmode=verify-ca" + known} {
		s := openAt(t, parsed(where, query))
		var name, cipher string
		if err := s.db.QueryRowContext(t.Context(), "SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher); err != nil || cipher == "" {
			t.Errorf("%s: cipher %q, %v", query, cipher, err)
		}
	}
	for _, a := range []config.SQL{
		parsed("localhost", "sslmode=verify-full"+known), // the certificate is not of that name
		parsed("127.0.0.1", "sslmode=verify-full"),
		parsed("127.0.0.1", "sslmode=verify-full&ca_file="+file("stranger.pem")),
		parsed("127.0.0.1", "sslmode=verify-ca&ca_file="+file("stranger.pem")),
	} {
		refused(t, a, "certificate")
	}
}

func TestOldVersionsAreTold(t *testing.T) {
	t.Parallel()
	for version, old := range map[string]bool{
		"5.6.51": true, "5.7.44-log": false, "8.0.36": false, "9.1.0": false, "10.3.39-MariaDB": true,
		"10.11.6-MariaDB-0+deb12u1": false, "5.5.5-10.11.6-MariaDB": false, "11.4.2-MariaDB": false, "5.5.68-MariaDB": true,
	} {
		if tooOld(version) != old {
			t.Errorf("%s: old %v, want %v", version, !old, old)
		}
	}
}

// What expired goes, what was deleted stays until nobody can have missed it.
func TestExpiredRecordsAreSwept(t *testing.T) {
	t.Parallel()
	a := emptyDatabase(t, sharedServer(t))
	s, raw := openAt(t, a), connect(t, a)
	at := time.Now()
	for _, key := range []string{"old", "new", "stays"} {
		r := store.Record{Key: key, Now: at}
		if key != "stays" {
			r.Expires = at.Add(time.Microsecond)
		}
		if _, err := s.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	run(t, raw, "UPDATE hufu_records SET expires = expires - INTERVAL 1 HOUR WHERE k = 'old'")
	if n, err := s.sweepOnce(t.Context()); err != nil || n != 1 {
		t.Errorf("swept %d, %v; want 1", n, err)
	}
	if _, err := s.Get(t.Context(), "stays"); err != nil {
		t.Error(err)
	}
}
