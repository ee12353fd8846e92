package wechat

import "syscall"

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h.
const tcpUserTimeout = 0x12

// control bounds how long the kernel goes on re-sending what was written to a
// connection that died: a ghost of an issue must not reach WeChat minutes
// later.
func control(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, 8000)
	})
}
