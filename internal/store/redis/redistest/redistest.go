//go:build unix

// Package redistest starts real redis-servers for tests.
package redistest

import (
	"context"
	"errors"
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

	"github.com/hufu-project/hufu/internal/store/enginetest"
)

// Server is a redis-server of a test's own. A method that cannot do what it is
// for ends the test.
type Server struct {
	Addr string
	Dir  string   // what it keeps is here, and server.log
	Args []string // of the program

	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// program gives the path of redis-server. Without it the test is skipped; in CI
// it fails.
func program(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("this test needs redis-server: apt-get install redis-server")
	}
	if err != nil {
		t.Skip("this test needs redis-server: apt-get install redis-server")
	}
	return path
}

// Start starts a redis-server on a free port of loopback, with an append-only
// file unless args say otherwise. It is killed when the test ends.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := New(t)
	_, port, _ := net.SplitHostPort(s.Addr)
	s.Args = append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--appendonly", "yes",
		"--loglevel", "warning", "--logfile", "server.log", "--repl-diskless-sync-delay", "0",
	}, args...)
	s.Start()
	return s
}

// New is a server that is not started yet and has no Args.
func New(t testing.TB) *Server {
	s := &Server{Addr: enginetest.FreeAddr(t), Dir: t.TempDir(), t: t}
	t.Cleanup(s.Kill)
	return s
}

// At is a server that somebody else started.
func At(t testing.TB, addr string) *Server { return &Server{Addr: addr, t: t} }

// Start starts the program and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.cmd = exec.Command(program(s.t), s.Args...)
	s.cmd.Dir = s.Dir
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, done := s.cmd, make(chan struct{})
	s.done = done
	go func() { _ = cmd.Wait(); close(done) }()
	Eventually(s.t, func() error {
		err := s.ping()
		select {
		case <-done:
			log, _ := os.ReadFile(filepath.Join(s.Dir, "server.log"))
			s.t.Fatalf("redis-server %s has ended:\n%s", strings.Join(s.Args, " "), log)
		default:
		}
		return err
	})
}

// ping asks for any answer of Redis: that it is there, wants a password, or
// still reads its file.
func (s *Server) ping() error {
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	answer := make([]byte, 1)
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	_, err = conn.Read(answer)
	return err
}

// Kill is kill -9. A second one does nothing.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop lets the server write what it has to.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

func (s *Server) end(sig syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Signal(sig)
	<-s.done
}

// Pause lets the process stand still until Resume.
func (s *Server) Pause() {
	s.t.Helper()
	if err := enginetest.Pause(s.cmd); err != nil {
		s.t.Fatal(err)
	}
}

// Resume lets it go on.
func (s *Server) Resume() { _ = enginetest.Resume(s.cmd) }

// Admin is a client of the test's own.
func (s *Server) Admin() rueidis.Client {
	s.t.Helper()
	var c rueidis.Client
	Eventually(s.t, func() (err error) {
		c, err = rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Addr}, ForceSingleClient: true, DisableCache: true, DisableRetry: true})
		return err
	})
	s.t.Cleanup(c.Close)
	return c
}

// Do runs one command and gives its answer as text.
func (s *Server) Do(command ...string) string {
	s.t.Helper()
	c := s.Admin()
	defer c.Close()
	answer, err := c.Do(context.Background(), c.B().Arbitrary(command...).Build()).ToAny()
	if err != nil && !rueidis.IsRedisNil(err) {
		s.t.Fatalf("%s: %v", strings.Join(command, " "), err)
	}
	return fmt.Sprint(answer)
}

// Eventually tries until f has no error, for a minute at most.
func Eventually(t testing.TB, f func() error) {
	t.Helper()
	end := time.Now().Add(time.Minute)
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

// Sentinels starts three that watch over the primary as "tally", and gives their
// addresses. One replica of its has to be there.
func Sentinels(t testing.TB, primary *Server) (addrs []string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(primary.Addr)
	// They ask for replicas only now and then.
	Eventually(t, func() error {
		if !strings.Contains(primary.Do("INFO", "replication"), "state=online") {
			return errors.New("the replica is not there yet")
		}
		return nil
	})
	for range 3 {
		s := New(t)
		_, own, _ := net.SplitHostPort(s.Addr)
		file := filepath.Join(s.Dir, "sentinel.conf")
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\nlogfile server.log\nsentinel monitor tally %s %s 2\n"+
			"sentinel down-after-milliseconds tally 1000\nsentinel failover-timeout tally 3000\n", own, host, port)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Args = []string{file, "--sentinel"}
		s.Start()
		addrs = append(addrs, s.Addr)
	}
	// Each must know the other two before anything fails.
	for _, addr := range addrs {
		s := At(t, addr)
		Eventually(t, func() error {
			if m := s.Do("SENTINEL", "MASTER", "tally"); !strings.Contains(m, "num-other-sentinels:2") || !strings.Contains(m, "num-slaves:1") {
				return errors.New("the sentinels do not know each other")
			}
			return nil
		})
	}
	return addrs
}
