package webauth

import (
	"testing"

	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

// A browser that fetches a callback twice, follows both answers, and meets a
// WeChat whose answer is lost, comes back with two codes for one login.
func TestALostAnswerAndADoubleFetchArriveBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	w.sim.Fail(wxsim.Fault{Path: "/sns/oauth2/access_token", Mode: wxsim.LostAnswer, Count: 1})
	anew := p.begin(callback)
	if again := p.begin(callback); again != anew {
		t.Fatalf("%s, then %s", anew, again)
	}
	first, second := p.consent(anew), p.consent(anew)
	if first == second {
		t.Fatal("WeChat gave the same code twice")
	}
	for _, callback := range []string{first, second} {
		if a := w.redeem("phantom", p.arrive(callback).Get("code")); a["openid"] != wxsim.OpenID(shop, "xiaoming") {
			t.Errorf("%s: %v", callback, a)
		}
	}
	if n := w.exchanges(); n != 2 {
		t.Errorf("%d exchanges: one was lost, and one counts", n)
	}
	stranger := w.phone()
	isPage(t, stranger.get(second), 400, "请重新登录")
}
