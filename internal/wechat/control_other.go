//go:build !linux

package wechat

import "syscall"

func control(_, _ string, _ syscall.RawConn) error { return nil }
