//go:build unix

package peers

import (
	"testing"

	"github.com/hufu-project/hufu/wxsim"
)

const quotaCalls = "token calls for 100 calls"

var quota = newTable("E10 the quota is spent", quotaCalls)

// WeChat's quota for tokens is spent, there is no token, and 100 calls are made
// one by one. None can succeed; each further request for a token is in vain.
func TestQuotaIsSpent(t *testing.T) {
	t.Parallel()
	each(t, 1, nil, func(t *testing.T, p peer) {
		w := newWorld(t, p, wxsim.Options{})
		w.Fail(wxsim.Fault{Path: "/cgi-bin/token", Mode: wxsim.Errcode, Errcode: 45009})
		w.Fail(wxsim.Fault{Path: "/cgi-bin/stable_token", Mode: wxsim.Errcode, Errcode: 45009})
		w.serve()
		got := w.worker(0).do(order{Call: true, N: 100, Wide: 1})
		if got.OK != 0 {
			t.Fatalf("%d calls without a token were ok", got.OK)
		}
		if p.ours() && w.asked() > 1 {
			t.Errorf("%d token calls", w.asked())
		}
		quota.count(p, quotaCalls, w.asked(), "%s")
	})
}
