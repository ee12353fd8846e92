package postgres

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

	"github.com/jackc/pgx/v5"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
)

func TestNodesMayStartAtOnce(t *testing.T) {
	t.Parallel()
	a := emptySchema(t, sharedServer(t))
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
	a.Password = credential.NewSecret("canary")
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
	on := sharedServer(t)
	owner := emptySchema(t, on)
	raw := connect(t, owner)
	limited := owner
	limited.User = "u" + owner.Schema
	run(t, raw, "CREATE ROLE "+limited.User+" LOGIN")
	run(t, raw, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", owner.Schema, limited.User))
	refused(t, limited, "GRANT")
	if _, err := raw.PgConn().Exec(t.Context(), Schema).ReadAll(); err != nil {
		t.Fatal(err)
	}
	refused(t, limited, "GRANT SELECT, INSERT, UPDATE, DELETE")
	run(t, raw, "GRANT SELECT, INSERT, UPDATE ON hufu_records TO "+limited.User)
	refused(t, limited, "GRANT SELECT, INSERT, UPDATE, DELETE")
	run(t, raw, "GRANT SELECT, INSERT, UPDATE, DELETE ON hufu_records TO "+limited.User)
	s := openAt(t, limited)
	watch := s.Watch(t.Context(), "")
	next(t, watch)
	r, err := s.Put(t.Context(), store.Record{Key: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if key := next(t, watch); key != "a" && key != "" {
		t.Errorf("the watch tells of %q", key)
	}
	if err := s.Delete(t.Context(), "a", r.Version); err != nil {
		t.Error(err)
	}
}

func TestUnfitServersAreRefusedInWords(t *testing.T) {
	t.Parallel()
	on := enginetest.For(t, enginetest.Postgres)
	_ = openAt(t, at(on)).Close()
	raw := connect(t, at(on))
	run(t, raw, "CREATE SCHEMA other; CREATE TABLE other.hufu_records (key bytea PRIMARY KEY, value bytea)")
	other, away, absent := at(on), at(on), at(on)
	other.Schema, absent.Database, away.Socket, away.Addrs = "other", "nodb", "", []string{"127.0.0.1:1"}
	refused(t, other, "not Hufu's")
	run(t, raw, "UPDATE hufu_records SET value = '7' WHERE key = ''")
	refused(t, at(on), "form 7")
	refused(t, absent, "CREATE DATABASE")
	refused(t, away, "open store on PostgreSQL at 127.0.0.1:1, database postgres")

	// A standby is what a server with this file is.
	on.Kill()
	beStandby(t, on)
	if err := on.Start(); err != nil {
		t.Fatal(err)
	}
	refused(t, at(on), "standby")
}

func TestStandbyThatIsPromotedServes(t *testing.T) {
	t.Parallel()
	on := enginetest.For(t, enginetest.Postgres)
	s := openAt(t, at(on))
	watch := s.Watch(t.Context(), "")
	next(t, watch)
	r, err := s.Put(t.Context(), store.Record{Key: "a"})
	if err != nil {
		t.Fatal(err)
	}
	on.Kill()
	beStandby(t, on)
	if err := on.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), r); err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("Put to a standby: %v", err)
	}
	run(t, connect(t, at(on)), "SELECT pg_promote()")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err = s.Put(t.Context(), r); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the promotion: %v", err)
		}
	}
	for next(t, watch) != "" { // until the gap is told
		continue
	}
}

// beStandby makes the stopped server one that recovers until it is promoted.
func beStandby(t *testing.T, on *enginetest.Server) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(on.Dir, "data", "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestUnsafeServerIsWarnedOf(t *testing.T) {
	t.Parallel()
	s := openAt(t, emptySchema(t, sharedServer(t)))
	if said := strings.Join(s.Doubts(), "\n"); !strings.Contains(said, "fsync") {
		t.Errorf("of fsync=off it says: %s", said)
	}
}

// What expired goes, what was deleted stays until nobody can have missed it.
func TestExpiredRecordsAreSwept(t *testing.T) {
	t.Parallel()
	a := emptySchema(t, sharedServer(t))
	s, raw := openAt(t, a), connect(t, a)
	at := time.Now()
	for _, key := range []string{"old", "new", "stays", "deleted"} {
		r := store.Record{Key: key, Now: at}
		if key == "old" || key == "new" {
			r.Expires = at.Add(time.Microsecond)
		}
		got, err := s.Put(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if key == "deleted" {
			if err := s.Delete(t.Context(), key, got.Version); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(t, raw, "UPDATE hufu_records SET expires = expires - interval '1 hour' WHERE key = 'old'")
	if n, err := s.sweepOnce(t.Context()); err != nil || n != 1 {
		t.Errorf("swept %d, %v; want 1", n, err)
	}
	run(t, raw, "UPDATE hufu_records SET expires = expires - interval '1 hour' WHERE expires IS NOT NULL")
	if n, err := s.sweepOnce(t.Context()); err != nil || n != 2 {
		t.Errorf("swept %d, %v; want 2", n, err)
	}
	if _, err := s.Get(t.Context(), "stays"); err != nil {
		t.Error(err)
	}
}

// A dump that is put back carries the numbers of another server.
func TestRecordsOfADumpAreToldOnce(t *testing.T) {
	t.Parallel()
	a := emptySchema(t, sharedServer(t))
	s, raw := openAt(t, a), connect(t, a)
	if _, err := s.Put(t.Context(), store.Record{Key: "a"}); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	run(t, raw, "UPDATE hufu_records SET tx = 1 << 60")
	s = openAt(t, a)
	watch := s.Watch(t.Context(), "")
	next(t, watch)
	time.Sleep(beat + beat/2)
	for _, key := range []string{"b", "c"} {
		if _, err := s.Put(t.Context(), store.Record{Key: key}); err != nil {
			t.Fatal(err)
		}
		for {
			got := next(t, watch)
			if got == key {
				break
			}
			if got == "a" {
				t.Fatal("the watch tells again of what was in the dump")
			}
		}
	}
}

func TestTLSIsCheckedAsAsked(t *testing.T) {
	t.Parallel()
	addr := enginetest.FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	on := enginetest.For(t, enginetest.Postgres, "port="+port, "listen_addresses=127.0.0.1")
	file := func(name string) string { return filepath.Join(on.Dir, name) }
	ca := enginetest.NewAuthority(t, on.Dir, "ca")
	enginetest.NewAuthority(t, on.Dir, "stranger")
	ca.Issue(t, on.Dir, "server")
	ca.Issue(t, on.Dir, "client")
	for _, name := range []string{"ca.pem", "server.pem", "server.key"} {
		if err := on.Own(file(name)); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := pgx.Connect(t.Context(), "host="+on.Dir+" port="+port+" user=postgres dbname=postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close(context.Background())
	for name, value := range map[string]string{"ssl_ca_file": file("ca.pem"), "ssl_cert_file": file("server.pem"), "ssl_key_file": file("server.key"), "ssl": "on"} {
		run(t, raw, "ALTER SYSTEM SET "+name+" = '"+value+"'")
	}
	run(t, raw, "SELECT pg_reload_conf()")

	parsed := func(host, query string) config.SQL {
		t.Helper()
		a, err := config.ParseSQL("postgres://postgres@" + host + ":" + port + "/postgres?" + query)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	known := "&ca_file=" + file("ca.pem")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) { // until it has read its configuration
		s, err := Open(t.Context(), parsed("127.0.0.1", "sslmode=require"))
		if err == nil {
			_ = s.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	for where, query := range map[string]string{
		"127.0.0.1": "sslmode=verify-full&cert_file=" + file("client.pem") + "&key_file=" + file("client.key") + known,
		"localhost": "sslmode=verify-ca" + known, // the certificate is not of that name
	} {
		s := openAt(t, parsed(where, query))
		var encrypted bool
		var client string
		if err := s.pool.QueryRow(t.Context(), "SELECT ssl, coalesce(client_dn, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted, &client); err != nil || !encrypted {
			t.Errorf("%s: encrypted %v, %v", query, encrypted, err)
		}
		if strings.Contains(query, "cert_file") != (client == "/CN=client") {
			t.Errorf("%s: the client is %q", query, client)
		}
	}
	refused(t, parsed("localhost", "sslmode=verify-full"+known), "certificate")
	refused(t, parsed("127.0.0.1", "sslmode=verify-full"), "certificate")
	refused(t, parsed("127.0.0.1", "sslmode=verify-full&ca_file="+file("stranger.pem")), "certificate")
	refused(t, parsed("127.0.0.1", "sslmode=verify-ca&ca_file="+file("stranger.pem")), "certificate")
}
