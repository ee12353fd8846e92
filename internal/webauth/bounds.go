package webauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// Logins that were begun here and not finished are counted, so that nobody can
// fill the store with them: in all, per browser, and, with a high bound since
// carriers put thousands of people behind one address, per address. Each is
// forgotten when its record is, after ten minutes. Every node counts its own,
// and at its start those that are in the store. For each login there may be one
// more that was begun in its place (anew), so the store holds twice as many.
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
	b.sweep(time.Now())
	if b.total >= maxLogins || b.browsers[browser] >= perBrowser || addr.IsValid() && b.addrs[addr] >= perAddress {
		return false
	}
	b.add(&begun{key: key, browser: browser, addr: addr, at: time.Now()})
	return true
}

// sweep forgets what is over.
func (b *bounds) sweep(now time.Time) {
	for len(b.queue) > 0 && (b.queue[0].key == "" || now.Sub(b.queue[0].at) >= beginLife) {
		b.forget(b.queue[0])
		b.queue[0] = nil
		b.queue = b.queue[1:]
	}
	if len(b.queue) > 2*b.total+1000 { // what was ended in the middle holds memory, too
		b.queue = slices.DeleteFunc(b.queue, func(l *begun) bool { return l.key == "" })
	}
}

// add counts a login that is no older than those that count already.
func (b *bounds) add(l *begun) {
	b.queue = append(b.queue, l)
	b.byKey[l.key] = l
	b.total++
	b.browsers[l.browser]++
	b.addrs[l.addr]++
}

// pass lets a login that is begun in place of another count for it.
func (b *bounds) pass(from, to string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.byKey[from]; l != nil {
		next := begun{key: to, browser: l.browser, addr: l.addr, at: time.Now()}
		b.forget(l)
		b.add(&next)
	}
}

// recall counts logins that were begun before this process, from where nobody
// knows any more.
func (b *bounds) recall(all []*begun) {
	slices.SortFunc(all, func(x, y *begun) int { return x.at.Compare(y.at) })
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range all {
		b.add(l)
	}
}

// count is how many count now.
func (b *bounds) count() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(time.Now())
	return uint64(b.total)
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

// Recall counts the logins that the store holds from before this process began,
// so that the bounds hold across restarts. It must be called before the
// surfaces serve, and blocks as long as the store takes; after an error those
// logins do not count.
func (a *Auth) Recall(ctx context.Context) error {
	var all []*begun
	for r, err := range a.Store.List(ctx, "login/") {
		if errors.Is(err, store.ErrUnreadable) {
			break // the others were read
		}
		if err != nil {
			return fmt.Errorf("count the logins under way: %w", err)
		}
		var l login
		if json.Unmarshal(r.Value, &l) == nil && l.User == nil && len(l.Browser) == 32 {
			all = append(all, &begun{key: r.Key, browser: [32]byte(l.Browser), at: time.Now().Add(r.Expires.Sub(r.Now) - beginLife)})
		}
	}
	a.bounds.recall(all)
	return nil
}
