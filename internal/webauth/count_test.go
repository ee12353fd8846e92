package webauth

import (
	"maps"
	"net/http"
	"testing"

	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

// nonzero leaves out what was not counted.
func nonzero(m map[string]uint64) map[string]uint64 {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ string, n uint64) bool { return n == 0 })
	return m
}

func same(t *testing.T, what string, got, want map[string]uint64) {
	t.Helper()
	if !maps.Equal(nonzero(got), want) {
		t.Errorf("%s: %v, want %v", what, nonzero(got), want)
	}
}

func TestEverythingIsCountedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	l := w.logIn("phantom", site) // begun, arrived, exchanged, redeemed
	l.info()
	w.sns("/sns/userinfo", "access_token", "x", "openid", "o")
	must(t, w.sim.ExpireUser(shop, "xiaoming"))
	clear := w.sim.Fail(wxsim.Fault{Path: refreshPath, Mode: wxsim.HTML})
	l.info()
	clear()
	l.renew()
	callback := p.callback(authorize(shop, "https://relay.example.com/cb", wechat.ScopeBase, "S"))
	p.arrive(callback + "&followed=1")
	p.get(callback) // again
	state := stateOf(t, p.begin(authorize(shop, site, wechat.ScopeUserInfo, "S")))
	p.get(callbackPath + "?state=" + state)
	w.phone().get(callback)
	p.get(authorize(shop, site+"?", wechat.ScopeBase, "S"))
	p.get(authorize(shop, site, "snsapi_all", "S"))
	p.get("/nowhere", func(r *http.Request) { r.Method = http.MethodHead })

	c := w.auth.Counts()
	if c.Begun != 3 || c.Again != 1 || c.UnderWay != 2 {
		t.Errorf("begun %d, again %d, under way %d", c.Begun, c.Again, c.UnderWay)
	}
	same(t, "arrived", c.Arrived, map[string]uint64{"code": 1, "wechat_code": 1, "denied": 1})
	same(t, "refused", c.Refused, map[string]uint64{"redirect_uri": 1, "scope": 1})
	same(t, "pages", c.Pages, map[string]uint64{"refused": 2, "elsewhere": 1, "nothing": 1})
	same(t, "exchanges", c.Exchanges, map[string]uint64{"done": 1})
	same(t, "renewals", c.Renewals, map[string]uint64{"done": 1, "ambiguous": 1})
	same(t, "redeemed", c.Calls["redeem_code"], map[string]uint64{"done": 1})
	same(t, "user info", c.Calls["user_info"], map[string]uint64{"done": 1, "refused": 1, "failed": 1})
	same(t, "refreshed", c.Calls["refresh_user_token"], map[string]uint64{"done": 1})
}
