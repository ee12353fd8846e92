package webauth

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

// refusal looks whether an answer is WeChat's refusal with that number.
func refusal(t testing.TB, what string, a map[string]any, code float64, texts ...string) {
	t.Helper()
	text, _ := a["errmsg"].(string)
	if a["errcode"] != code || !strings.Contains(text, " rid: ") {
		t.Errorf("%s: %v, want %v", what, a, code)
	}
	for _, want := range texts {
		if !strings.Contains(text, want) {
			t.Errorf("%s: %q does not say %q", what, text, want)
		}
	}
}

// calls is how many requests came to a path of WeChat's.
func (w *world) calls(path string) (n int) {
	for _, r := range w.sim.History() {
		if r.Path == path {
			n++
		}
	}
	return n
}

func TestRedemptionRefusesAsWeChatDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.phone().code(site, wechat.ScopeBase)
	key := w.keys["phantom"]
	for name, c := range map[string]struct {
		query []string
		code  float64
		text  string
	}{
		"no appid":      {[]string{"secret", key, "code", code, "grant_type", "authorization_code"}, 41002, "appid missing"},
		"no secret":     {[]string{"appid", shop, "code", code, "grant_type", "authorization_code"}, 41004, "appsecret missing"},
		"no code":       {[]string{"appid", shop, "secret", key, "grant_type", "authorization_code"}, 41008, "missing code"},
		"no grant":      {[]string{"appid", shop, "secret", key, "code", code}, 40002, "invalid grant_type"},
		"wrong key":     {[]string{"appid", shop, "secret", key + "x", "code", code, "grant_type", "authorization_code"}, 40125, "invalid appsecret"},
		"an AppSecret":  {[]string{"appid", shop, "secret", secret, "code", code, "grant_type", "authorization_code"}, 40125, "invalid appsecret"},
		"unknown app":   {[]string{"appid", "wxunknown", "secret", key, "code", code, "grant_type", "authorization_code"}, 40013, "invalid appid"},
		"another app":   {[]string{"appid", website, "secret", key, "code", code, "grant_type", "authorization_code"}, 40029, "invalid code"},
		"no right":      {[]string{"appid", shop, "secret", w.keys["nologin"], "code", code, "grant_type", "authorization_code"}, 48001, "may not log users in"},
		"wrong code":    {[]string{"appid", shop, "secret", key, "code", draw(), "grant_type", "authorization_code"}, 40029, "invalid code"},
		"no such code":  {[]string{"appid", shop, "secret", key, "code", "../../x", "grant_type", "authorization_code"}, 40029, "invalid code"},
		"too long code": {[]string{"appid", shop, "secret", key, "code", strings.Repeat("a", 4096), "grant_type", "authorization_code"}, 40029, "invalid code"},
	} {
		refusal(t, name, w.sns("/sns/oauth2/access_token", c.query...), c.code, c.text)
	}
	before := w.exchanges()
	if a := w.redeem("phantom", code); a["openid"] == nil {
		t.Error("the tries used it up:", a)
	}
	refusal(t, "second", w.redeem("phantom", code), 40163, "code been used")
	refusal(t, "another client's, of a used code", w.redeem("real", code), 40029, "invalid code")
	if w.exchanges() != before {
		t.Error("WeChat was asked")
	}
}

func TestAPhantomUserTokenWorksThroughHufuOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.redeem("phantom", w.phone().code(site, wechat.ScopeUserInfo))
	token, refresh, openid := a["access_token"].(string), a["refresh_token"].(string), a["openid"].(string)
	if a["unionid"] != wxsim.UnionID("op", "xiaoming") || !strings.HasPrefix(token, "10_") || !strings.HasPrefix(refresh, "10_") {
		t.Error(a)
	}
	info := func(token string) map[string]any {
		t.Helper()
		return w.sns("/sns/userinfo", "access_token", token, "openid", openid, "lang", "zh_CN")
	}
	if got := info(token); got["nickname"] != "小明" || got["openid"] != openid {
		t.Error(got)
	}
	if got := w.sns("/sns/auth", "access_token", token, "openid", openid); got["errcode"] != 0.0 || got["errmsg"] != "ok" {
		t.Error(got)
	}
	// WeChat's own token ends; Hufu renews it behind the phantom.
	must(t, w.sim.ExpireUser(shop, "xiaoming"))
	if got := info(token); got["nickname"] != "小明" {
		t.Error("after its end:", got)
	}
	if n := w.calls("/sns/oauth2/refresh_token"); n != 1 {
		t.Errorf("renewed %d times", n)
	}
	b := w.sns("/sns/oauth2/refresh_token", "appid", shop, "grant_type", "refresh_token", "refresh_token", refresh)
	fresh, _ := b["access_token"].(string)
	if fresh == token || b["refresh_token"] != refresh || b["openid"] != openid || b["scope"] != "snsapi_userinfo" || b["expires_in"] != 7200.0 {
		t.Error(b)
	}
	if got := info(fresh); got["nickname"] != "小明" {
		t.Error(got)
	}

	before := len(w.sim.History())
	refusal(t, "another's openid", w.sns("/sns/userinfo", "access_token", token, "openid", "o_else"), 40003, "invalid openid")
	refusal(t, "no openid", w.sns("/sns/userinfo", "access_token", token), 41009)
	refusal(t, "no token", w.sns("/sns/userinfo", "openid", openid), 41001)
	refusal(t, "unknown", info("91_somebodyElses"), 40001, "not a user's token")
	refusal(t, "refresh token", info(refresh), 40001, "refresh_token")
	refusal(t, "access token", w.sns("/sns/oauth2/refresh_token", "appid", shop, "grant_type", "refresh_token", "refresh_token", token), 40030)
	refusal(t, "another app", w.sns("/sns/oauth2/refresh_token", "appid", website, "grant_type", "refresh_token", "refresh_token", refresh), 40030)
	refusal(t, "no refresh token", w.sns("/sns/oauth2/refresh_token", "appid", shop, "grant_type", "refresh_token"), 41003)
	ofApp := access.Phantom{Type: access.AppPhantom, App: shop, Client: "phantom", End: time.Now().Add(time.Hour)}
	w.clients[0].Allow = config.Actions{config.Login, config.Token}
	w.declare()
	ofApp.KeyID = access.KeyID(w.clients[0].KeySHA256[0][:4])
	refusal(t, "the app's token", info(w.auth.Phantoms.Mint(ofApp).Reveal()), 40001, "this is the app's token")
	old := ofApp
	old.Type, old.End = access.UserPhantom, time.Now().Add(-time.Hour)
	refusal(t, "an old token", info(w.auth.Phantoms.Mint(old).Reveal()), 42001, "expired")
	old.Type = access.RefreshPhantom
	refusal(t, "an old refresh token", w.sns("/sns/oauth2/refresh_token", "appid", shop, "grant_type", "refresh_token", "refresh_token", w.auth.Phantoms.Mint(old).Reveal()), 42002)
	w.clients[0].From = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	w.declare()
	refusal(t, "from elsewhere", info(token), 40164)
	w.clients[0].From = nil
	w.clients[0].Apps = []credential.App{website}
	w.declare()
	refusal(t, "withdrawn", info(token), 40001)
	if len(w.sim.History()) != before {
		t.Error("WeChat was asked")
	}
}

func TestTheTokenBehindAPhantomIsRenewedBeforeItIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.redeem("phantom", w.phone().code(site, wechat.ScopeUserInfo))
	f, err := w.auth.Phantoms.Parse(a["access_token"].(string))
	must(t, err)
	var s session
	r, err := w.auth.read(t.Context(), sessionKey(f.Session), &s)
	must(t, err)
	s.User.Ends = r.Now.Add(30 * time.Second)
	_, err = w.auth.write(t.Context(), r, s, 0)
	must(t, err)
	for range 2 {
		if got := w.sns("/sns/userinfo", "access_token", a["access_token"].(string), "openid", a["openid"].(string)); got["nickname"] != "小明" {
			t.Error(got)
		}
	}
	if n := w.calls("/sns/oauth2/refresh_token"); n != 1 {
		t.Errorf("renewed %d times", n)
	}
	if left := r.Expires.Sub(r.Now); left < refreshLife-time.Minute || left > refreshLife {
		t.Errorf("it is kept for %v", left)
	}
}

func TestARealUserTokenIsKnownForAsLongAsItLives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.redeem("real", w.phone().code("https://real.example.com/cb", wechat.ScopeUserInfo))
	token, refresh, openid := a["access_token"].(string), a["refresh_token"].(string), a["openid"].(string)
	if e := a["expires_in"].(float64); strings.HasPrefix(token, "10_") || e < 7100 || e > 7200 {
		t.Error(a)
	}
	if got := w.sns("/sns/userinfo", "access_token", token, "openid", openid); got["nickname"] != "小明" {
		t.Error(got)
	}
	must(t, w.sim.ExpireUser(shop, "xiaoming"))
	refusal(t, "expired at WeChat", w.sns("/sns/userinfo", "access_token", token, "openid", openid), 42001)
	b := w.sns("/sns/oauth2/refresh_token", "appid", shop, "grant_type", "refresh_token", "refresh_token", refresh)
	fresh, _ := b["access_token"].(string)
	if got := w.sns("/sns/userinfo", "access_token", fresh, "openid", openid); got["nickname"] != "小明" {
		t.Error(b, got)
	}
	before := len(w.sim.History())
	refusal(t, "a refresh token of somebody else", w.sns("/sns/oauth2/refresh_token", "appid", shop, "grant_type", "refresh_token", "refresh_token", "91_x"), 40030)
	w.clients[1].Allow = nil
	w.declare()
	refusal(t, "withdrawn", w.sns("/sns/userinfo", "access_token", fresh, "openid", openid), 48001)
	if len(w.sim.History()) != before {
		t.Error("WeChat was asked")
	}
}

func TestMiniProgramCodesAreBroughtToWeChatOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	login := func(code string) map[string]any {
		t.Helper()
		return w.sns("/sns/jscode2session", "appid", mini, "secret", w.keys["phantom"], "js_code", code, "grant_type", "authorization_code")
	}
	code, err := w.sim.Code(mini, "xiaoming", "jscode")
	must(t, err)
	if a := login(code); a["openid"] != wxsim.OpenID(mini, "xiaoming") || a["session_key"] == nil {
		t.Error(a)
	}
	refusal(t, "again", login(code), 40163)
	refusal(t, "wrong", login("013wrong0000000000000000000wrong"), 40029)
	refusal(t, "wrong, again", login("013wrong0000000000000000000wrong"), 40163)
	if n := w.calls("/sns/jscode2session"); n != 2 {
		t.Errorf("WeChat was asked %d times", n)
	}
	refusal(t, "no code", login(""), 41008)
	refusal(t, "no key", w.sns("/sns/jscode2session", "appid", mini, "js_code", "x", "grant_type", "authorization_code"), 41004)

	// Nor is one whose answer was lost.
	code, err = w.sim.Code(mini, "xiaoming", "jscode")
	must(t, err)
	lost := w.sim.Fail(wxsim.Fault{Path: "/sns/", Mode: wxsim.LostAnswer})
	refusal(t, "lost", login(code), -1, "system error")
	lost()
	before := w.calls("/sns/jscode2session")
	refusal(t, "after a lost answer", login(code), 40163)
	if w.calls("/sns/jscode2session") != before {
		t.Error("a code was brought to WeChat twice")
	}

	// What was never sent may be tried again.
	code, err = w.sim.Code(mini, "xiaohong", "jscode")
	must(t, err)
	clear := w.sim.Fail(wxsim.Fault{Path: "/sns/", Mode: wxsim.Outage})
	refusal(t, "outage", login(code), -1, "system error")
	clear()
	if a := login(code); a["openid"] != wxsim.OpenID(mini, "xiaohong") {
		t.Error(a)
	}
}

// While the AppSecret is being changed the wrong one costs a code, never a
// login, and is not tried twice.
func TestASecondAppSecretIsUsedWhenTheFirstIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range w.apps {
		w.apps[i].Secrets = []credential.Secret{credential.NewSecret("ffffffffffffffffffffffffffffffff"), credential.NewSecret(secret)}
	}
	w.declare()
	p := w.phone()
	again := p.get(p.callback(authorize(shop, site, wechat.ScopeBase, "S"))).Header.Get("Location")
	p.arrive(p.consent(again))
	if p.code(site, wechat.ScopeBase); w.exchanges() != 3 {
		t.Errorf("%d exchanges for two logins and one wrong try", w.exchanges())
	}
	w.sim.ClearViolations() // WeChat minds the wrong AppSecret, rightly
}

// No code, token or state of anybody stands in the store in clear, nor in a key.
func TestTheStoreShowsNoTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "canary-state"))
	code := p.arrive(callback).Get("code")
	unused := p.arrive(callback).Get("code")
	a := w.redeem("phantom", code)
	b := w.redeem("real", w.phone().code("https://real.example.com/cb", wechat.ScopeUserInfo))
	hidden := []string{"canary-state", code, unused, stateOf(t, callback), p.cookies["__Host-hufu"].Value}
	for _, m := range []map[string]any{a, b} {
		hidden = append(hidden, m["access_token"].(string), m["refresh_token"].(string), m["openid"].(string))
	}
	n := 0
	for r, err := range w.raw.List(t.Context(), "") {
		must(t, err)
		n++
		for _, s := range hidden {
			if strings.Contains(r.Key, s) || strings.Contains(string(r.Value), s) {
				t.Errorf("%s shows %q", r.Key, s)
			}
		}
	}
	for _, s := range hidden {
		if strings.Contains(w.log.String(), s) {
			t.Errorf("the log shows %q", s)
		}
	}
	if n < 6 {
		t.Errorf("%d records", n)
	}
}
