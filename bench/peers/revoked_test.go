//go:build unix

package peers

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

const (
	deadOK1, deadCalls1, deadThen1, deadKind1 = "1 process: ok", "token calls", "then ok", "ok, if three live"
	deadOK4, deadCalls4, deadThen4, deadKind4 = "4 processes: ok", "token calls ", "then ok ", "ok, if three live "
)

var revoked = newTable("E2 early death", deadOK1, deadCalls1, deadThen1, deadKind1, deadOK4, deadCalls4, deadThen4, deadKind4)

// All have the token in hand, and WeChat ends it before its time. Then 100 calls
// are made at once, and 20 more one by one. A request for a token takes 20 ms.
func TestEarlyDeath(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, p peer, o wxsim.Options, processes int) (ok, calls, then int) {
		w := newWorld(t, p, o)
		w.slow(20 * time.Millisecond)
		w.serve()
		all := w.workers(processes)
		for _, one := range all {
			one.do(read)
		}
		before := w.asked()
		if err := w.Revoke(appID); err != nil {
			t.Fatal(err)
		}
		first := together(all, order{Call: true, N: 100 / processes, Wide: 100 / processes})
		second := together(all, order{Call: true, N: 20 / processes, Wide: 1})
		calls = w.asked() - before
		if p.ours() {
			most := 1
			if p.stable {
				most = 2 // the stable line gives its dead token again, until it is forced
			}
			if first.OK != 100 || second.OK != 20 || calls > most {
				t.Errorf("%d of 100 and %d of 20 ok, %d token calls: %q", first.OK, second.OK, calls, append(first.Errors, second.Errors...))
			}
		}
		return first.OK, calls, second.OK
	}
	each(t, 3, nil, func(t *testing.T, p peer) {
		ok, calls, then := run(t, p, wxsim.Options{}, 1)
		revoked.count(p, deadOK1, ok, "%s of 100")
		revoked.count(p, deadCalls1, calls, "%s")
		revoked.count(p, deadThen1, then, "%s of 20")
	})
	each(t, 3, nil, func(t *testing.T, p peer) {
		ok, calls, then := run(t, p, wxsim.Options{}, 4)
		revoked.count(p, deadOK4, ok, "%s of 100")
		revoked.count(p, deadCalls4, calls, "%s")
		revoked.count(p, deadThen4, then, "%s of 20")
	})
	lenient := wxsim.Options{Quirks: wxsim.ThreeTokens}
	each(t, 1, nil, func(t *testing.T, p peer) {
		ok, _, _ := run(t, p, lenient, 1)
		revoked.count(p, deadKind1, ok, "%s of 100")
	})
	each(t, 1, nil, func(t *testing.T, p peer) {
		ok, _, _ := run(t, p, lenient, 4)
		revoked.count(p, deadKind4, ok, "%s of 100")
	})
}
