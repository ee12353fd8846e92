// Package enginetest starts the real engines that tests of a store need: a
// PostgreSQL or a MariaDB of their own, in a temporary folder, reached by a
// Unix socket. Only tests import it.
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// ErrMissing: the engine is not installed on this machine. The error says
// which package to install.
var ErrMissing = errors.New("not installed")

// Server is one engine with its data.
type Server struct {
	// Dir holds data and socket.
	Dir string
	// Socket is where the server listens.
	Socket string

	owner   *user.User // nil: ours
	command func() *exec.Cmd
	ready   func(ctx context.Context) error
	cleans  bool // it cleans up where it is asked to end: killed, it leaves shared memory on the machine

	mu      sync.Mutex
	cmd     *exec.Cmd
	out     *bytes.Buffer
	stopped chan struct{} // closed when the process is gone
}

// patience is how long a server may take to start on a busy machine.
const patience = 60 * time.Second

// grace is how long it may take to end.
const grace = 10 * time.Second

// New makes a folder for a server that runs as one of the named users where
// this process runs as root, since engines refuse to; as ourselves elsewhere.
func newServer(users ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "hufu-") // short: a socket's path must be
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir}
	if os.Geteuid() != 0 {
		return s, nil
	}
	for _, name := range users {
		if s.owner, err = user.Lookup(name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return s, s.Own(dir)
}

// Own hands a file to the user that the server runs as.
func (s *Server) Own(path string) error {
	if s.owner == nil {
		return nil
	}
	uid, gid := s.ids()
	return os.Chown(path, uid, gid)
}

func (s *Server) ids() (uid, gid int) {
	uid, _ = strconv.Atoi(s.owner.Uid)
	gid, _ = strconv.Atoi(s.owner.Gid)
	return uid, gid
}

// run runs a program as the server's user to its end.
func (s *Server) run(name string, args ...string) error {
	cmd := s.as(exec.Command(name, args...))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// as makes cmd one of the server's user, in its folder. A MariaDB that starts
// cleans up after all others in the common temporary folder, so it gets its own.
func (s *Server) as(cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), "TMPDIR="+s.Dir)
	s.separate(cmd)
	return cmd
}

// Start starts the server and waits until it answers.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = &bytes.Buffer{}
	s.cmd = s.as(s.command())
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		return err
	}
	stopped, cmd := make(chan struct{}), s.cmd
	s.stopped = stopped
	go func() {
		defer close(stopped)
		_ = cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-stopped:
			return fmt.Errorf("the server ended: %s", s.out)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server and all its processes at once (kill -9).
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		killGroup(s.cmd)
		<-s.stopped
		s.cmd = nil
	}
}

// quit asks the server to end at once, and gives it a moment for that.
func (s *Server) quit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	askToQuit(s.cmd)
	select {
	case <-s.stopped:
	case <-time.After(grace):
	}
}

// Remove ends the server and removes all it had.
func (s *Server) Remove() {
	if s.cleans {
		s.quit()
	}
	s.Kill()
	_ = os.RemoveAll(s.Dir)
}

// Save copies the data of a stopped server; Restore puts the copy back.
func (s *Server) Save() error { return s.copyData("data", "copy") }

// Restore puts back what Save copied.
func (s *Server) Restore() error { return s.copyData("copy", "data") }

func (s *Server) copyData(from, to string) error {
	to = filepath.Join(s.Dir, to)
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return s.run("cp", "-a", filepath.Join(s.Dir, from), to)
}

// For gives the server that start starts for the length of a test. Where the
// engine is not installed the test is skipped; in CI it fails.
func For(t testing.TB, start func(settings ...string) (*Server, error), settings ...string) *Server {
	t.Helper()
	s, err := start(settings...)
	Need(t, err)
	t.Cleanup(s.Remove)
	return s
}

// Need skips the test if err says that the engine is not installed, unless this
// is CI, and fails it for any other error.
func Need(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrMissing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// find looks for a program in the folders where distributions keep what is not
// for every user's PATH, the newest first, and then in PATH.
func find(program, pkg string, folders ...string) (string, error) {
	for _, folder := range folders {
		if found, _ := filepath.Glob(filepath.Join(folder, program)); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%s is %w: apt-get install %s", program, ErrMissing, pkg)
	}
	return filepath.EvalSymlinks(path)
}
