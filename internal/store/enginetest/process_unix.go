//go:build unix

package enginetest

import (
	"errors"
	"os/exec"
	"syscall"
)

// separate gives cmd a process group of its own, so that Kill reaches what it
// starts, and the server's user.
func (s *Server) separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.owner != nil {
		uid, gid := s.ids()
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
}

// askToQuit is PostgreSQL's immediate shutdown.
func askToQuit(cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGQUIT) }

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// Pause lets a process that this one started stand still, and returns when it
// does: the signal alone leaves each of its threads a moment, which on a busy
// machine is enough for an answer. Nobody may kill it meanwhile.
func Pause(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		var s syscall.WaitStatus
		_, err := syscall.Wait4(cmd.Process.Pid, &s, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case s.Stopped():
			return nil
		default:
			return errors.New("the process has ended")
		}
	}
}

// Resume lets it go on.
func Resume(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGCONT) }
