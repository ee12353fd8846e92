//go:build unix

package redis

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
)

const canary = "c4n4ry0123456789"

// refuses asks that Open say want, soon, and not the password.
func refuses(t *testing.T, address, want string) {
	t.Helper()
	began := time.Now()
	s, err := Open(t.Context(), parsed(t, address))
	if err == nil {
		_ = s.Close()
		t.Fatalf("it opens; want %s", want)
	}
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
		t.Errorf("%v; want %s", err, want)
	}
	if time.Since(began) > patience/2 {
		t.Errorf("it says so after %v", time.Since(began))
	}
}

func TestServerThatMustNotHoldTheRecordsIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	refuses(t, "redis://"+s.Addr, "set noeviction")
	s.Do("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
	s.open("")
	refuses(t, "redis://"+s.Addr+"?cluster=true", "take cluster=true out")
	s.Do("REPLICAOF", "127.0.0.1", "1")
	refuses(t, "redis://"+s.Addr, "replica")
	s.Do("REPLICAOF", "NO", "ONE")
	s.Do("CONFIG", "SET", "requirepass", canary)
	refuses(t, "redis://"+s.Addr, "asks for a password")
	refuses(t, "redis://:"+canary+"x@"+s.Addr, "refuses the user or the password")
	refuses(t, "redis://nobody:"+canary+"@"+s.Addr, "refuses the user or the password")
	openAt(t, "redis://:"+canary+"@"+s.Addr)
	refuses(t, "redis://:"+canary+"@"+s.Addr+"/99", "out of range")
}

func TestNodeOfAClusterIsNotTakenForAServer(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--cluster-enabled", "yes")
	s.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	eventually(t, func() error {
		if !strings.Contains(s.Do("CLUSTER", "INFO"), "cluster_state:ok") {
			return errors.New("not yet")
		}
		return nil
	})
	refuses(t, "redis://"+s.Addr, "add cluster=true")
}

func TestDoubtsAreSaid(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"":                        nil,
		"has no append-only file": {"--appendonly", "no"},
	} {
		s := startServer(t, args...)
		if got := strings.Join(s.open("").Doubts(), " "); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("doubts %q, want %q", got, want)
		}
	}
}

// TestOpenWaitsForAServerThatStarts, as it does when all are started at once.
func TestOpenWaitsForAServerThatStarts(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.Kill()
	started := make(chan struct{})
	time.AfterFunc(time.Second, func() {
		defer close(started)
		s.Start()
	})
	s.open("")
	<-started
	s.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, parsed(t, "redis://"+s.Addr))
	if err == nil || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), s.Addr) {
		t.Errorf("nobody is there: %v", err)
	}
}

// acl is the line of docs/operations.md.
const acl = "on resetkeys resetchannels -@all ~{hufu}* +eval +evalsha +get +set +del +time +hmget +hset +zadd +zrem " +
	"+zrangebylex +zrangebyscore +xadd +xread +xrange +xrevrange +ping +select +info"

func TestUserMayDoWhatIsDocumentedAndNoMore(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"operations.md", "operations.zh-CN.md"} {
		doc, err := os.ReadFile(filepath.Join("../../../docs", name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(doc), acl) {
			t.Errorf("%s does not have the line %s", name, acl)
		}
	}
	s := startServer(t)
	s.Do(append([]string{"ACL", "SETUSER", "hufu", ">" + canary}, strings.Fields(acl)...)...)
	st := openAt(t, "redis://hufu:"+canary+"@"+s.Addr+"/1?prefix=a")
	w := watch(t, st, "")
	r := put(t, st, "a", "", "one")
	<-w // "" or the key: the stream was empty
	now := r.Now
	if _, err := st.Put(t.Context(), store.Record{Key: "b", Now: now, Expires: now.Add(50 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	<-time.After(100 * time.Millisecond)
	r = put(t, st, "a", r.Version, "two")
	for r, err := range st.List(t.Context(), "") {
		if err != nil || r.Key != "a" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if err := st.Delete(t.Context(), "a", r.Version); err != nil {
		t.Error(err)
	}
	if got := s.Do("ACL", "LOG"); got != "[]" && got != "<nil>" {
		t.Errorf("it tried what it may not: %s", got)
	}

	// Nothing is written by halves when a right is missing.
	s.Do("ACL", "SETUSER", "hufu", "-xadd")
	if _, err := st.Put(t.Context(), store.Record{Key: "c"}); err == nil || !strings.Contains(err.Error(), "can't run") {
		t.Errorf("without +xadd: %v", err)
	}
	if _, err := st.Get(t.Context(), "c"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a record of a refused write: %v", err)
	}
	s.Do("ACL", "SETUSER", "hufu", "-info")
	open := openAt(t, "redis://hufu:"+canary+"@"+s.Addr+"/1")
	if got := strings.Join(open.Doubts(), " "); !strings.Contains(got, "may not look") {
		t.Errorf("doubts %q", got)
	}
}

func TestTLSIsCheckedAgainstTheGivenAuthority(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := enginetest.NewAuthority(t, dir, "ca")
	enginetest.NewAuthority(t, dir, "stranger")
	ca.Issue(t, dir, "server")
	ca.Issue(t, dir, "client")
	file := func(name string) string { return filepath.Join(dir, name) }
	_, port, _ := net.SplitHostPort(enginetest.FreeAddr(t))
	s := startServer(t, "--tls-port", port, "--tls-cert-file", file("server.pem"), "--tls-key-file", file("server.key"),
		"--tls-ca-cert-file", file("ca.pem"), "--tls-auth-clients", "optional")
	addr := "127.0.0.1:" + port
	st := openAt(t, "rediss://"+addr+"?ca_file="+file("ca.pem"))
	put(t, st, "a", "", "one")
	refuses(t, "rediss://"+addr, "ca_file=")
	refuses(t, "rediss://"+addr+"?ca_file="+file("stranger.pem"), "ca_file=")
	s.Do("CONFIG", "SET", "tls-auth-clients", "yes")
	openAt(t, "rediss://"+addr+"?ca_file="+file("ca.pem")+"&cert_file="+file("client.pem")+"&key_file="+file("client.key"))
	refusedSoon(t, "rediss://"+addr+"?ca_file="+file("ca.pem"))
}

// refusedSoon is for a server that hangs up, which may also mean that it is
// about to start: Open would try for long.
func refusedSoon(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if s, err := Open(ctx, parsed(t, address)); err == nil {
		_ = s.Close()
		t.Error("it opens without a certificate of its own")
	}
}
