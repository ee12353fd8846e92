//go:build unix

package peers

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

const deathOK, deathThen, deathCalls, deathLenient = "100 calls at once", "then 20, one by one", "token calls", "100 at once, if three tokens live"

var (
	deathOne  = newTable("E2 early death, 1 process", deathOK, deathThen, deathCalls, deathLenient)
	deathFour = newTable("E2 early death, 4 processes", deathOK, deathThen, deathCalls, deathLenient)
)

// All have the token in hand, and WeChat ends it before its time. Then 100 calls
// are made at once, and 20 more one by one. A request for a token takes 20 ms.
func TestEarlyDeath(t *testing.T) {
	t.Parallel()
	for processes, tb := range map[int]*table{1: deathOne, 4: deathFour} {
		run := func(t *testing.T, p peer, o wxsim.Options) (ok, then, calls int) {
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
			most := 1
			if p.stable {
				most = 2 // the stable line gives its dead token again, until it is forced
			}
			if p.ours() && (first.OK != 100 || second.OK != 20 || calls > most) {
				t.Errorf("%d of 100 and %d of 20 ok, %d token calls: %q", first.OK, second.OK, calls, append(first.Errors, second.Errors...))
			}
			return first.OK, second.OK, calls
		}
		each(t, 3, nil, func(t *testing.T, p peer) {
			ok, then, calls := run(t, p, wxsim.Options{})
			tb.count(p, deathOK, ok, "%s ok")
			tb.count(p, deathThen, then, "%s ok")
			tb.count(p, deathCalls, calls, "%s")
		})
		if testing.Short() {
			continue
		}
		each(t, 1, nil, func(t *testing.T, p peer) {
			ok, _, _ := run(t, p, wxsim.Options{Quirks: wxsim.ThreeTokens})
			tb.count(p, deathLenient, ok, "%s ok")
		})
	}
}
