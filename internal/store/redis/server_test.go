package redis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store"
)

// server is a redis-server of a test's own.
type server struct {
	t    testing.TB
	addr string
	dir  string
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// program gives the path of a program that the test needs.
func program(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("this test needs %s: apt-get install %s", name, debian)
	}
	t.Skipf("this test needs %s: apt-get install %s", name, debian)
	return ""
}

// startServer starts a redis-server on a free port, with an append-only file
// unless args say otherwise.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), addr: freeAddr(t)}
	_, port, _ := net.SplitHostPort(s.addr)
	s.args = append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "yes",
		"--loglevel", "warning", "--logfile", "server.log", "--repl-diskless-sync-delay", "0",
	}, args...)
	t.Cleanup(s.kill)
	s.start()
	return s
}

// freeAddr gives an address that nobody listened on a moment ago, and whose
// cluster port is one too.
func freeAddr(t testing.TB) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if l.Addr().(*net.TCPAddr).Port < 55000 {
			return l.Addr().String()
		}
	}
}

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(program(s.t, "redis-server", "redis-server"), s.args...)
	s.cmd.Dir = s.dir
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, done := s.cmd, make(chan struct{})
	s.done = done
	go func() { _ = cmd.Wait(); close(done) }()
	eventually(s.t, func() error {
		select {
		case <-done:
			log, _ := os.ReadFile(filepath.Join(s.dir, "server.log"))
			s.t.Fatalf("redis-server %s has ended:\n%s", strings.Join(s.args, " "), log)
		default:
		}
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// kill is kill -9. A second one does nothing.
func (s *server) kill() { s.end(syscall.SIGKILL) }

// stop lets the server write what it has to.
func (s *server) stop() { s.end(syscall.SIGTERM) }

func (s *server) end(sig syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Signal(sig)
	<-s.done
}

// pause stops the process without ending it.
func (s *server) pause()  { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *server) resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// admin is a client of the test's own.
func (s *server) admin() rueidis.Client {
	s.t.Helper()
	var c rueidis.Client
	eventually(s.t, func() (err error) {
		c, err = rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.addr}, ForceSingleClient: true, DisableCache: true, DisableRetry: true})
		return err
	})
	s.t.Cleanup(c.Close)
	return c
}

// do runs one command and gives its answer as text.
func (s *server) do(command ...string) string {
	s.t.Helper()
	c := s.admin()
	defer c.Close()
	answer, err := c.Do(context.Background(), c.B().Arbitrary(command...).Build()).ToAny()
	if err != nil && !rueidis.IsRedisNil(err) {
		s.t.Fatalf("%s: %v", strings.Join(command, " "), err)
	}
	return fmt.Sprint(answer)
}

// open opens a store at the server.
func (s *server) open(query string) *Store { return openAt(s.t, "redis://"+s.addr+"?"+query) }

func openAt(t testing.TB, address string) *Store {
	t.Helper()
	st, err := Open(context.Background(), parsed(t, address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func parsed(t testing.TB, address string) config.Redis {
	t.Helper()
	a, err := config.ParseRedis(address)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return a
}

// eventually tries until f has no error, for half a minute at most.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it does not come: %v", err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func put(t testing.TB, s *Store, key, version, value string) store.Record {
	t.Helper()
	r, err := s.Put(context.Background(), store.Record{Key: key, Version: version, Value: []byte(value)})
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return r
}
