//go:build unix

package peers

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

const lateOK, lateCalls = "20 calls", "token calls meanwhile"

var late = newTable("E6 late answer", lateOK, lateCalls)

// Two processes share a store. The first asks for a token, and its answer takes
// 400 ms; the second asks meanwhile and is answered at once. When the token that WeChat replaced has
// died (the overlap is 1 s here), each makes ten calls.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	shared := func(p peer) bool { return p.redis || p.program == "fastwego" }
	each(t, 3, shared, func(t *testing.T, p peer) {
		w := newWorld(t, p, wxsim.Options{Overlap: time.Second})
		release := w.hold()
		w.serve() // the first of Hufu's nodes asks by itself
		all := w.workers(2)
		if !p.ours() {
			all[0].begin(read)
		}
		until(t, "a token call", func() bool { return w.asked() == 1 })
		w.admit()
		time.AfterFunc(400*time.Millisecond, release)
		if p.ours() {
			all[0].begin(read)
		}
		all[1].do(read)
		all[0].answer()
		time.Sleep(1200 * time.Millisecond)
		before := w.asked()
		got := together(all, order{Call: true, N: 10, Wide: 1})
		if more := w.asked() - before; p.ours() && (got.OK != 20 || more != 0) {
			t.Errorf("%d of 20 ok, %d token calls: %q", got.OK, more, got.Errors)
		}
		late.count(p, lateOK, got.OK, "%s of 20 ok")
		late.count(p, lateCalls, w.asked()-before, "%s")
	})
}
