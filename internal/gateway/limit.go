package gateway

import (
	"sync"
	"sync/atomic"

	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/web"
)

// limits holds the calls under way on this node to their bounds. How many a
// client begins in a second is bound where it is let in, in access.
type limits struct {
	total   atomic.Int64
	clients sync.Map // by name, *atomic.Int64; clients are configured, so there are not many
}

var (
	errTooMany = &web.WeChatRefusal{Code: 45011, Text: "api minute-quota reach limit  mustslower  retry next minute: this client has as many calls under way as its limits.concurrency in the configuration allows"}
	errFull    = &web.WeChatRefusal{Code: -1, Text: "system error: Hufu has as many calls under way as gateway.concurrency allows"}
)

// enter lets a call of a client begin; release ends it. The error is a
// WeChatRefusal.
func (l *limits) enter(c *registry.Client, most int) (release func(), err error) {
	leave, ok := enter(&l.total, most)
	if !ok {
		return nil, errFull
	}
	if c.Limits.Concurrency == 0 {
		return leave, nil
	}
	under, ok := l.clients.Load(c.Name)
	if !ok {
		under, _ = l.clients.LoadOrStore(c.Name, &atomic.Int64{})
	}
	leaveOwn, ok := enter(under.(*atomic.Int64), c.Limits.Concurrency)
	if !ok {
		leave()
		return nil, errTooMany
	}
	return func() { leaveOwn(); leave() }, nil
}

// enter counts one more, up to most.
func enter(n *atomic.Int64, most int) (leave func(), ok bool) {
	leave = func() { n.Add(-1) }
	if n.Add(1) > int64(most) {
		leave()
		return nil, false
	}
	return leave, true
}
