package access

import (
	"fmt"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/registry"
)

// paces hold clients to their limits.rate on this node. Clients are configured,
// so there are not many.
type paces struct {
	start   time.Time
	clients sync.Map // by name, *pace
}

func newPaces() *paces { return &paces{start: time.Now()} }

// pace is that of one client.
type pace struct {
	mu   sync.Mutex
	next time.Duration // when another request may begin and nothing was saved up, since start
}

func newPace() *pace { return &pace{next: -time.Second} }

// take uses up one request of a client. Where none is left the error is
// ErrLimited, with when there is one again.
func (p *paces) take(c *registry.Client) error {
	rate := c.Limits.Rate
	if rate == 0 {
		return nil
	}
	of, ok := p.clients.Load(c.Name)
	if !ok {
		of, _ = p.clients.LoadOrStore(c.Name, newPace())
	}
	wait := of.(*pace).take(time.Since(p.start), rate)
	if wait == 0 {
		return nil
	}
	return &Refusal{
		Err: ErrLimited, Reason: fmt.Sprintf("client %s asks more often than limits.rate allows: %d times in a second", c.Name, rate),
		Hint: "ask less often, or raise limits.rate of this client in the configuration", RetryAfter: wait,
	}
}

// take lets so many begin in a second, and as many again at once after a second of
// rest. It returns how long until the next may.
func (p *pace) take(now time.Duration, rate int) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := max(p.next, now-time.Second) + time.Second/time.Duration(rate)
	if next > now {
		return next - now
	}
	p.next = next
	return 0
}
