package webauth

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Logins that were begun here and not finished are counted, so that nobody can
// fill the store with them: in all, per browser, and, with a high bound since
// carriers put thousands of people behind one address, per address. Each is
// forgotten when its record is, after ten minutes. Every node counts its own.
const (
	maxLogins  = 50_000
	perBrowser = 20
	perAddress = 10_000
)

type bounds struct {
	mu       sync.Mutex
	total    int
	queue    []*begun // oldest first
	byKey    map[string]*begun
	browsers map[[32]byte]int
	addrs    map[netip.Addr]int
}

// begun is one login that counts; without a key it counts no longer.
type begun struct {
	key     string
	browser [32]byte
	addr    netip.Addr
	at      time.Time
}

func newBounds() *bounds {
	return &bounds{byKey: map[string]*begun{}, browsers: map[[32]byte]int{}, addrs: map[netip.Addr]int{}}
}

// begin counts a login, or reports that there are too many.
func (b *bounds) begin(key string, browser [32]byte, addr netip.Addr) bool {
	if addr.Is6() { // whoever has one IPv6 address has its whole /64
		if p, err := addr.Prefix(64); err == nil {
			addr = p.Addr()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for len(b.queue) > 0 && (b.queue[0].key == "" || now.Sub(b.queue[0].at) >= beginLife) {
		b.forget(b.queue[0])
		b.queue[0] = nil
		b.queue = b.queue[1:]
	}
	if b.total >= maxLogins || b.browsers[browser] >= perBrowser || b.addrs[addr] >= perAddress {
		return false
	}
	l := &begun{key: key, browser: browser, addr: addr, at: now}
	if len(b.queue) > 2*b.total+1000 { // what was ended in the middle holds memory, too
		b.queue = slices.DeleteFunc(b.queue, func(l *begun) bool { return l.key == "" })
	}
	b.queue = append(b.queue, l)
	b.byKey[key] = l
	b.total++
	b.browsers[browser]++
	b.addrs[addr]++
	return true
}

// end stops counting a login that is finished; those of other nodes are not
// known here, which is well.
func (b *bounds) end(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.byKey[key]; l != nil {
		b.forget(l)
	}
}

func (b *bounds) forget(l *begun) {
	if l.key == "" {
		return
	}
	delete(b.byKey, l.key)
	l.key = ""
	b.total--
	less(b.browsers, l.browser)
	less(b.addrs, l.addr)
}

func less[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] <= 0 {
		delete(m, k)
	}
}
