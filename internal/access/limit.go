package access

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Wrong keys are answered 401 and written down one by one up to this pace per
// source address, and 429 above it. A right key is never held up: a program
// with an old key behind the same address must not lock its neighbours out,
// and 226 bits are not found by trying.
const (
	wrongBurst = 20
	wrongEvery = time.Second
	// wrongSlots is how many sources are told apart. Two that fall into one
	// slot share its pace; the memory stays the same whatever comes.
	wrongSlots = 4096
)

// limiter holds a pace per source address in a fixed table.
type limiter struct {
	seed  maphash.Seed
	start time.Time

	mu    sync.Mutex
	slots [wrongSlots]time.Duration // when the slot is idle again, since start
}

func newLimiter() *limiter { return &limiter{seed: maphash.MakeSeed(), start: time.Now()} }

// take uses up one try of the source at ip. Where none is left it returns how
// long until there is.
func (l *limiter) take(ip netip.Addr) (wait time.Duration) {
	// Whoever has one IPv6 address has its whole /64.
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			ip = p.Addr()
		}
	}
	slot := maphash.Comparable(l.seed, ip) % wrongSlots
	now := time.Since(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	idle := max(l.slots[slot], now)
	if over := idle - now - (wrongBurst-1)*wrongEvery; over > 0 {
		return over
	}
	l.slots[slot] = idle + wrongEvery
	return 0
}
