//go:build !unix

package enginetest

import "os/exec"

func (s *Server) separate(*exec.Cmd) {}

func askToQuit(cmd *exec.Cmd) { killGroup(cmd) }

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
