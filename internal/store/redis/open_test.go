//go:build unix

package redis

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/redis/redistest"
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
	time.AfterFunc(time.Second, s.Start)
	s.open("")
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
	ca := newAuthority(t, dir, "ca")
	newAuthority(t, dir, "stranger")
	ca.issue(t, dir, "server")
	ca.issue(t, dir, "client")
	file := func(name string) string { return filepath.Join(dir, name) }
	_, port, _ := net.SplitHostPort(redistest.FreeAddr(t))
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

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir, name string) authority {
	t.Helper()
	a := authority{key: newKey(t)}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.write(t, dir, name, a.cert, a.key)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a authority) issue(t *testing.T, dir, name string) {
	t.Helper()
	a.write(t, dir, name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, newKey(t))
}

func (a authority) write(t *testing.T, dir, name string, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: raw},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
