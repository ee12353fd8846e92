//go:build unix

package local_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/server"
	"github.com/hufu-project/hufu/internal/store/enginetest"
	"github.com/hufu-project/hufu/internal/store/redis/redistest"
	"github.com/hufu-project/hufu/local"
)

// shared is what several processes have together: a WeChat and a store.
type shared struct {
	*world
	api, store, keyFile string
}

// newShared makes a WeChat that is reached over the network, and the master key
// that all processes need for a store that they share.
func newShared(t *testing.T, store string) *shared {
	t.Helper()
	w := newWorld(t)
	api := httptest.NewServer(w.sim)
	t.Cleanup(api.Close)
	s := &shared{w, api.URL, store, filepath.Join(w.dir, "hufu.key")}
	if !strings.HasPrefix(store, "bolt:") {
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		w.must(os.WriteFile(s.keyFile, []byte("hufu-master-key-1 "+base64.StdEncoding.EncodeToString(key)+"\n"), 0o600))
	}
	return s
}

func (s *shared) start() *process {
	s.t.Helper()
	p, a := s.try()
	if a.Err != "" {
		s.t.Fatal(a.Err)
	}
	return p
}

func (s *shared) try() (*process, answered) {
	s.t.Helper()
	return start(s.t, s.log, storeVariable+"="+s.store, keyVariable+"="+s.keyFile, wechatVariable+"="+s.api)
}

// quiet holds what the processes logged to holding no secret.
func (s *shared) quiet() {
	s.t.Helper()
	said := s.log.String()
	secrets := []string{secret, "canary"}
	for _, token := range s.sim.Tokens(shop) {
		secrets = append(secrets, token.Value)
	}
	for _, secret := range secrets {
		if at := strings.Index(said, secret); at >= 0 {
			s.t.Errorf("a secret is in the log: …%s…", said[max(0, at-200):min(len(said), at+200)])
		}
	}
	if !strings.Contains(said, "issued") {
		s.t.Errorf("no issue was logged: %s", said)
	}
}

// Processes that share a store have one token, and WeChat issues each
// generation once, whoever asks, whoever reports and whoever is killed. The line
// is classic: a second issue would end the first.
func TestProcessesShareAStore(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) string{
		"redis": func(t *testing.T) string {
			return "redis://:canary-password@" + redistest.Start(t, "--requirepass", "canary-password").Addr
		},
		"postgres": func(t *testing.T) string {
			return "postgres://postgres@/postgres?socket=" + enginetest.For(t, enginetest.Postgres).Dir
		},
		"mysql": func(t *testing.T) string {
			return "mysql://root@/mysql?socket=" + enginetest.For(t, enginetest.MariaDB).Socket
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t, open(t))
			all := []*process{s.start(), s.start(), s.start()}
			value := s.agree(all, 1)
			for generation := uint64(2); generation <= 3; generation++ {
				all[0].kill() // kill -9: the one that has issued, as likely as not
				all = append(all[1:], s.start())
				if s.agree(all, generation-1) != value {
					t.Error("another token, because a process was killed")
				}
				s.must(s.sim.Revoke(shop))
				value = s.report(all, value)
				if s.agree(all, generation) != value {
					t.Error("the reports were answered with another token than the next reads")
				}
			}
			for _, p := range all {
				s.must(p.end())
			}
			if n := s.sim.Issues(shop); n != 3 {
				t.Errorf("%d issues for 3 generations", n)
			}
			for _, v := range s.sim.Violations() {
				t.Errorf("WeChat would mind: %v", v)
			}
			s.quiet()
		})
	}
}

// agree waits until all processes have the generation, and gives its value,
// which must be alive.
func (s *shared) agree(all []*process, generation uint64) (value string) {
	s.t.Helper()
	for i, p := range all {
		redistest.Eventually(s.t, func() error {
			a := p.do("get")
			switch {
			case a.Err != "":
				s.t.Fatalf("a read failed: %s", a.Err)
			case a.Generation != generation:
				return errors.New("it has another generation")
			case !s.sim.Valid(shop, a.Value) || i > 0 && a.Value != value:
				s.t.Fatalf("process %d was given another token, or a dead one", i)
			}
			value = a.Value
			return nil
		})
	}
	return value
}

// report has all processes report at once that WeChat refuses a value, until
// they are given another.
func (s *shared) report(all []*process, refused string) string {
	s.t.Helper()
	var reporting sync.WaitGroup
	given := make([]string, len(all))
	for i, p := range all {
		reporting.Go(func() {
			for given[i] == "" && !s.t.Failed() {
				if a := p.do("report " + refused); a.Err == "" && a.Value != refused {
					given[i] = a.Value
				}
			}
		})
	}
	reporting.Wait()
	for i := range given {
		if given[i] != given[0] {
			s.t.Fatal("the reports were answered with different tokens")
		}
	}
	return given[0]
}

// A file is one process's. Another is told so, and what to do; when the one is
// killed, the next goes on with what it left.
func TestOneProcessAtATimeHasAFile(t *testing.T) {
	t.Parallel()
	s := newShared(t, "")
	s.store = "bolt:" + filepath.Join(s.dir, "hufu.db")
	one := s.start()
	value := s.agree([]*process{one}, 1)
	_, a := s.try()
	if !strings.Contains(a.Err, "another hufu is running with this file") || !strings.Contains(a.Hint, "one process at a time") {
		t.Errorf("the second process: %+v", a)
	}
	one.kill()
	two := s.start()
	if s.agree([]*process{two}, 1) != value || s.sim.Issues(shop) != 1 {
		t.Errorf("%d issues, or another token", s.sim.Issues(shop))
	}
	s.must(two.end())
	s.quiet()
}

// A program and a server share a store, so that programs can move from one to
// the other one by one. From a file they move one after the other. Nothing is
// issued for it.
func TestAProgramAndAServerShareAStore(t *testing.T) {
	t.Parallel()
	s := newShared(t, "redis://"+redistest.Start(t).Addr)
	remote := s.serve()
	k := s.keep()
	value := s.token(k)
	if token, err := remote.Token(t.Context(), shop); err != nil || token != value || s.sim.Issues(shop) != 1 {
		t.Errorf("%d issues, or different tokens: %v", s.sim.Issues(shop), err)
	}
	s.must(k.Close())

	s = newShared(t, "bolt:")
	s.store += filepath.Join(s.dir, "hufu.db")
	k = s.keep()
	value = s.token(k)
	s.must(k.Close())
	if token, err := s.serve().Token(t.Context(), shop); err != nil || token != value || s.sim.Issues(shop) != 1 {
		t.Errorf("from a file: %d issues, or different tokens: %v", s.sim.Issues(shop), err)
	}
}

// Nobody draws a master key for a store that others may have; who has none is
// told how to make it.
func TestASharedStoreNeedsItsMasterKey(t *testing.T) {
	t.Parallel()
	s := newShared(t, "redis://"+redistest.Start(t).Addr)
	s.must(os.Remove(s.keyFile))
	o := s.options()
	o.Store, o.MasterKeyFile = s.store, s.keyFile
	_, err := local.Open(t.Context(), o)
	if e, ok := errors.AsType[*hufu.Error](err); !ok || !strings.Contains(e.Hint, "make it once") || !strings.Contains(e.Hint, s.keyFile) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(s.keyFile); err == nil {
		t.Error("a key was drawn")
	}
}

// The store is killed and comes back: who reads does not notice, and then all
// goes on.
func TestAStoreThatIsAwayIsNotNoticed(t *testing.T) {
	t.Parallel()
	on := redistest.Start(t, "--appendfsync", "always")
	s := newShared(t, "redis://"+on.Addr)
	k := s.keep()
	value, source := s.token(k), k.Source(shop)
	on.Kill()
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if token, err := source.Token(); err != nil || token != value {
			t.Fatalf("a read failed, or brought another token: %v", err)
		}
	}
	on.Start()
	s.must(s.sim.Revoke(shop))
	redistest.Eventually(t, func() error {
		next, err := k.Report(t.Context(), shop, value, 40001)
		if err == nil && (next == value || !s.sim.Valid(shop, next)) {
			err = errors.New("the token is still the dead one")
		}
		return err
	})
	if n := s.sim.Issues(shop); n != 2 {
		t.Errorf("%d issues", n)
	}
}

// keep opens the store in this process.
func (s *shared) keep() *local.Keeper {
	s.t.Helper()
	o := s.options()
	o.Store, o.MasterKeyFile = s.store, s.keyFile
	k, err := local.Open(s.t.Context(), o)
	s.must(err)
	s.t.Cleanup(func() { _ = k.Close() })
	return k
}

// serve starts a server on the store, and gives a client of it.
func (s *shared) serve() *hufu.Client {
	s.t.Helper()
	key, sum := access.NewKey()
	cfg := config.Default[config.Config]()
	cfg.Listen = config.Listen{API: "127.0.0.1:0", Web: "127.0.0.1:0", Admin: "127.0.0.1:0"}
	cfg.Store, cfg.MasterKeyFile, cfg.WeChat.APIURL = credential.NewSecret(s.store), s.keyFile, s.api
	cfg.Audit.File = filepath.Join(s.dir, "audit.jsonl")
	client := config.Default[config.Client]()
	client.Name, client.KeySHA256, client.Tokens = "shop", []config.KeyHash{sum}, config.Real
	client.Apps, client.Allow = []credential.App{config.AllApps}, config.Actions{config.Token}
	app := config.Default[config.App]()
	app.AppID, app.Secrets = shop, []credential.Secret{credential.NewSecret(secret)}
	cfg.Clients, cfg.Apps = []config.Client{client}, []config.App{app}
	s.must(cfg.Check())
	node, err := server.New(&cfg, server.Options{Log: slog.New(slog.NewTextHandler(s.log, nil)), Version: "test"})
	s.must(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	c, err := hufu.New(node.URL("api"), key.Reveal())
	s.must(err)
	s.t.Cleanup(func() {
		_ = c.Close()
		stop()
		s.must(<-ended)
	})
	return c
}
