package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/web"
)

// limits holds the calls of this node to their bounds.
type limits struct {
	total   atomic.Int64
	start   time.Time
	clients sync.Map // by name, *meter
}

// meter is what one client does. Clients are configured, so there are not many.
type meter struct {
	mu   sync.Mutex
	now  int           // calls under way
	next time.Duration // when the pace allows another call and nothing was saved up, since start
}

func newMeter() *meter { return &meter{next: -time.Second} }

func newLimits() *limits { return &limits{start: time.Now()} }

var (
	errTooMany = &web.WeChatRefusal{Code: 45011, Text: "api minute-quota reach limit  mustslower  retry next minute: limits of this client in Hufu's configuration"}
	errFull    = &web.WeChatRefusal{Code: -1, Text: "system error: Hufu has as many calls under way as gateway.concurrency allows"}
)

// enter lets a call of a client begin; release ends it. The error is a
// WeChatRefusal.
func (l *limits) enter(c *registry.Client, most int) (release func(), err error) {
	if l.total.Add(1) > int64(most) {
		l.total.Add(-1)
		return nil, errFull
	}
	if c.Limits.Rate == 0 && c.Limits.Concurrency == 0 {
		return func() { l.total.Add(-1) }, nil
	}
	m, ok := l.clients.Load(c.Name)
	if !ok {
		m, _ = l.clients.LoadOrStore(c.Name, newMeter())
	}
	if !m.(*meter).begin(time.Since(l.start), c.Limits.Rate, c.Limits.Concurrency) {
		l.total.Add(-1)
		return nil, errTooMany
	}
	return func() {
		l.total.Add(-1)
		m.(*meter).end()
	}, nil
}

// begin counts a call, if it may begin: so many under way at a time, so many in
// a second, as many again at once after a second of rest.
func (m *meter) begin(now time.Duration, rate, concurrency int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if concurrency > 0 && m.now >= concurrency {
		return false
	}
	if rate > 0 {
		next := max(m.next, now-time.Second) + time.Second/time.Duration(rate)
		if next > now {
			return false
		}
		m.next = next
	}
	m.now++
	return true
}

func (m *meter) end() {
	m.mu.Lock()
	m.now--
	m.mu.Unlock()
}
