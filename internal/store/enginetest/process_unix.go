//go:build unix

package enginetest

import (
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

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
