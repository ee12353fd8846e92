//go:build !unix

package enginetest

import "os/exec"

func (s *Server) prepare(cmd *exec.Cmd) { cmd.Dir = s.Dir }

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
