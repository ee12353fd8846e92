//go:build unix

package enginetest

import (
	"os/exec"
	"syscall"
)

// prepare gives cmd a process group of its own, so that Kill reaches what it
// starts, and the server's user.
func (s *Server) prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Dir = s.Dir
	if s.owner != nil {
		uid, gid := s.ids()
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
}

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// Pause stops the server's own process (not those of its connections) and
// gives the way to let it go on.
func (s *Server) Pause() (resume func()) {
	group := -s.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGSTOP)
	return func() { _ = syscall.Kill(group, syscall.SIGCONT) }
}
