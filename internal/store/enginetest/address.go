package enginetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// taken are the addresses that FreeAddr gave in this run.
var taken sync.Map

// FreeAddr gives an address of loopback that nobody listens on, and that nobody
// gets by chance while a server is not there: its port, and another one 10,000
// above, lie below those that systems give away by themselves.
func FreeAddr(t testing.TB) string {
	t.Helper()
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 11000+rand.IntN(9000))
		if _, twice := taken.LoadOrStore(addr, true); twice {
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}
