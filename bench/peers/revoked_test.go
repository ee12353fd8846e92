//go:build unix

package peers

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// All have the token in hand, and WeChat ends it before its time. Then 100 calls
// are made at once, and 20 more one by one. A request for a token takes 20 ms.
func TestEarlyDeath(t *testing.T) {
	const (
		ok1, calls1, then1 = "1 process: ok", "token calls", "then ok"
		ok4, calls4, then4 = "4 processes: ok", "token calls ", "then ok "
		kind1              = "kind: ok, 1 process"
	)
	tb := newTable("E2 early death", ok1, calls1, then1, ok4, calls4, then4, kind1)
	run := func(t *testing.T, p peer, o wxsim.Options, processes int) (ok, calls, then int) {
		w := newWorld(t, p, o)
		w.slow(20 * time.Millisecond)
		w.serve()
		all := w.workers(processes)
		for _, one := range all {
			one.do(order{N: 1, Wide: 1})
		}
		before := w.asked()
		if err := w.Revoke(appID); err != nil {
			t.Fatal(err)
		}
		first := together(all, order{Call: true, N: 100 / processes, Wide: 100 / processes})
		calls = w.asked() - before
		second := together(all, order{Call: true, N: 20 / processes, Wide: 1})
		if p.ours() {
			most := 1
			if p.stable {
				most = 2 // the stable line gives its dead token again, until it is forced
			}
			if first.OK != 100 || second.OK != 20 || calls > most || w.asked()-before > most {
				t.Errorf("%d of 100 and %d of 20 ok, %d token calls and %d later: %q", first.OK, second.OK, calls, w.asked()-before-calls, append(first.Errors, second.Errors...))
			}
		}
		return first.OK, calls, second.OK
	}
	each(t, 3, nil, func(t *testing.T, p peer) {
		ok, calls, then := run(t, p, wxsim.Options{}, 1)
		tb.put(p, ok1, ok, "%s of 100")
		tb.put(p, calls1, calls, "%s")
		tb.put(p, then1, then, "%s of 20")
	})
	each(t, 3, nil, func(t *testing.T, p peer) {
		ok, calls, then := run(t, p, wxsim.Options{}, 4)
		tb.put(p, ok4, ok, "%s of 100")
		tb.put(p, calls4, calls, "%s")
		tb.put(p, then4, then, "%s of 20")
	})
	each(t, 1, nil, func(t *testing.T, p peer) {
		ok, _, _ := run(t, p, wxsim.Options{Quirks: wxsim.ThreeTokens}, 1)
		tb.put(p, kind1, ok, "%s of 100")
	})
}
