package config

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// betweenLooks keeps the tests away from the instants of the looks.
const betweenLooks = lookEvery / 3

// follow runs a follower of the file in a bubble and gives what it called back
// with: "ok", or the error.
func follow(t *testing.T, name string, e Env) (f *Follower, calls func() []string) {
	t.Helper()
	c, err := Load(name, e)
	if err != nil {
		t.Fatal(err)
	}
	f = NewFollower(c)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	var mu sync.Mutex
	var got []string
	go func() {
		defer close(done)
		f.Run(ctx, func(c *Config, err error) {
			mu.Lock()
			defer mu.Unlock()
			if (c == nil) == (err == nil) {
				t.Errorf("called with %v and %v", c, err)
			}
			if err != nil {
				got = append(got, err.Error())
			} else {
				got = append(got, "ok "+c.WebURL)
			}
		})
	}()
	t.Cleanup(func() { stop(); <-done })
	time.Sleep(betweenLooks)
	return f, func() []string {
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		out := got
		got = nil
		return out
	}
}

func TestChangedFileIsReadAgainAndBadOneLeavesTheOldInForce(t *testing.T) {
	t.Parallel()
	name := write(t, "web_url: https://a.example\n")
	synctest.Test(t, func(t *testing.T) {
		f, calls := follow(t, name, env())
		want := func(what string, want ...string) {
			t.Helper()
			got := calls()
			if len(got) != len(want) {
				t.Fatalf("%s: called with %q, want %q", what, got, want)
			}
			for i := range got {
				if !strings.Contains(got[i], want[i]) {
					t.Errorf("%s: called with %q, want %q", what, got[i], want[i])
				}
			}
		}
		want("nothing changed")
		f.Reload()
		want("told, and nothing changed")
		put(t, name, "web_url: https://b.example\n")
		want("changed", "ok https://b.example")
		put(t, name, "web_ulr: x\n")
		want("broken", "did you mean \"web_url\"?")
		want("still broken")
		f.Reload()
		want("told, and still broken", "did you mean \"web_url\"?")
		put(t, name, "web_url: https://b.example\n")
		want("as it was", "ok https://b.example")
		if err := os.Chmod(name, 0o640); err != nil {
			t.Fatal(err)
		}
		want("other permissions", "ok https://b.example")
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		want("gone", "no such file")
		put(t, name, "web_url: https://c.example\n")
		want("back", "ok https://c.example")
	})
}

// TestSwappedLinkIsSeen does what Kubernetes does with a mounted secret.
func TestSwappedLinkIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, v := range []string{"1", "2"} {
		if err := os.Mkdir(filepath.Join(dir, v), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, v, "secret"), "s3cret"+v)
	}
	link := func(v string) {
		tmp := filepath.Join(dir, "tmp")
		if err := os.Symlink(v, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, "data")); err != nil {
			t.Fatal(err)
		}
	}
	link("1")
	name := filepath.Join(dir, "hufu.yaml")
	put(t, name, "apps: [{appid: wx1, secret_file: data/secret}]\n")
	synctest.Test(t, func(t *testing.T) {
		_, calls := follow(t, name, env())
		link("2")
		if got := calls(); len(got) != 1 {
			t.Errorf("called with %q", got)
		}
	})
}

func TestFileThatIsStillBeingWrittenIsNotRead(t *testing.T) {
	t.Parallel()
	name := write(t, "web_url: https://a.example\n")
	synctest.Test(t, func(t *testing.T) {
		_, calls := follow(t, name, env())
		time.Sleep(lookEvery - betweenLooks - settle/2)
		// The look at lookEvery sees a broken half, the one after it the whole.
		put(t, name, "web_url: https://b.exa\nlisten")
		time.Sleep(settle)
		put(t, name, "web_url: https://b.example\n")
		if got := calls(); len(got) != 1 || got[0] != "ok https://b.example" {
			t.Errorf("called with %q", got)
		}
	})
}

func TestCertificateIsFollowedAndMustFitItsKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "hufu.yaml")
	put(t, name, "listen: {api: ':0'}\ntls: {cert_file: c.pem, key_file: k.pem}\n")
	cert, key := selfSigned(t)
	cert2, key2 := selfSigned(t)
	put(t, filepath.Join(dir, "c.pem"), cert)
	put(t, filepath.Join(dir, "k.pem"), key)
	synctest.Test(t, func(t *testing.T) {
		_, calls := follow(t, name, env())
		put(t, filepath.Join(dir, "c.pem"), cert2)
		if got := calls(); len(got) != 1 || !strings.Contains(got[0], "tls.cert_file: private key does not match public key") {
			t.Errorf("half a pair: called with %q", got)
		}
		put(t, filepath.Join(dir, "k.pem"), key2)
		if got := calls(); len(got) != 1 || !strings.HasPrefix(got[0], "ok") {
			t.Errorf("called with %q", got)
		}
	})
}

func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	var c, p bytes.Buffer
	_ = pem.Encode(&c, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	_ = pem.Encode(&p, &pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	return c.String(), p.String()
}
