//go:build unix

package peers

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store/redis/redistest"
	"github.com/hufu-project/hufu/wxsim"
)

// world is what one peer lives in during one experiment: a WeChat, a store, and
// processes. All of it ends with the test.
type world struct {
	*upstream
	t     *testing.T
	peer  peer
	dir   string
	life  time.Duration
	redis *redistest.Server // nil: the peer has none
	nodes []*node           // of Hufu, if the peer is Hufu's
	key   clientKey         // for them
}

func newWorld(t *testing.T, p peer, o wxsim.Options) *world {
	t.Helper()
	w := &world{t: t, peer: p, dir: t.TempDir(), life: o.Life, upstream: newUpstream(t, o)}
	if w.life == 0 {
		w.life = 2 * time.Hour
	}
	if p.redis {
		w.redis = redistest.Start(t)
	}
	return w
}

// limit is how long anything may take that is waited for.
const limit = 90 * time.Second

// until waits for something that comes by itself.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	late := time.After(limit)
	for !done() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-late:
			t.Fatalf("not in time: %s", what)
		}
	}
}
