package access

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestWrongKeysArePacedByAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter()
		ip := netip.MustParseAddr("203.0.113.9")
		for i := range wrongBurst {
			if wait := l.take(ip); wait != 0 {
				t.Fatalf("try %d has to wait %v", i+1, wait)
			}
		}
		if wait := l.take(ip); wait != wrongEvery {
			t.Errorf("the try after the burst has to wait %v, want %v", wait, wrongEvery)
		}
		time.Sleep(wrongEvery)
		if wait := l.take(ip); wait != 0 {
			t.Errorf("%v later it has to wait %v", wrongEvery, wait)
		}
		if wait := l.take(ip); wait == 0 {
			t.Error("a second one gets through in the same moment")
		}
		time.Sleep(time.Hour)
		n := 0
		for l.take(ip) == 0 {
			n++
		}
		if n != wrongBurst {
			t.Errorf("%d tries after an hour of rest, want %d", n, wrongBurst)
		}
	})
}

func TestOneNetworkDoesNotGetManyPaces(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	n := 0
	for i := range 1000 {
		if l.take(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i))) == 0 {
			n++
		}
	}
	// The test may run for a second or two on a busy machine.
	if n > 2*wrongBurst {
		t.Errorf("%d tries from one /64", n)
	}
}

// TestManyAddressesCostNoMemory: the table is the memory, whatever comes.
func TestManyAddressesCostNoMemory(t *testing.T) {
	l := newLimiter()
	i := uint32(0)
	if n := testing.AllocsPerRun(10_000, func() {
		i++
		l.take(netip.AddrFrom4([4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}))
	}); n != 0 {
		t.Errorf("%v allocations for each address", n)
	}
}
