//go:build unix

package peers

import (
	"testing"

	"github.com/hufu-project/hufu/wxsim"
)

const storeOK, storeCalls, storeWithout = "100 calls", "token calls", "100 calls, when its servers have died, too"

var stored = newTable("E3 the store dies", storeOK, storeCalls, storeWithout)

// The store dies while a good token is known, and 100 calls are made, ten at a
// time. For Hufu's library its servers are a store, too: they die in a second
// run.
func TestStoreDies(t *testing.T) {
	t.Parallel()
	hundred := order{Call: true, N: 100, Wide: 10}
	each(t, 1, func(p peer) bool { return p.redis }, func(t *testing.T, p peer) {
		w := newWorld(t, p, wxsim.Options{})
		w.serve()
		one := w.worker(0)
		one.do(read)
		before := w.asked()
		w.redis.Kill()
		got := one.do(hundred)
		if more := w.asked() - before; p.ours() && (got.OK != 100 || more != 0) {
			t.Errorf("%d of 100 ok, %d token calls: %q", got.OK, more, got.Errors)
		}
		stored.count(p, storeOK, got.OK, "%s ok")
		stored.count(p, storeCalls, w.asked()-before, "%s")
		if !p.ours() {
			return
		}
		for _, n := range w.nodes {
			n.kill()
		}
		got = one.do(hundred)
		if p.reads() && got.OK != 100 {
			t.Errorf("without servers %d of 100 ok: %q", got.OK, got.Errors)
		}
		stored.count(p, storeWithout, got.OK, "%s ok")
	})
}
