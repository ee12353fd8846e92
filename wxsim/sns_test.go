package wxsim

import (
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// login is what /sns answers, whichever of its calls it was.
type login struct {
	got
	Access   string `json:"access_token"`
	Expires  int    `json:"expires_in"`
	Refresh  string `json:"refresh_token"`
	OpenID   string
	Scope    string
	UnionID  string
	Snapshot int `json:"is_snapshotuser"`
	Nickname string
	Avatar   string `json:"headimgurl"`
	Session  string `json:"session_key"`
}

func (k *kit) sns(path string, pairs ...string) (l login) {
	k.Helper()
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	l.got = k.do("GET", path+"?"+q.Encode(), "")
	_ = json.Unmarshal([]byte(l.body), &l) // errors are no logins
	return l
}

func (k *kit) exchange(app, secret, code string) login {
	k.Helper()
	return k.sns(pathExchange, "appid", app, "secret", secret, "code", code, "grant_type", "authorization_code")
}

func (k *kit) code(app, scope string) string {
	k.Helper()
	v, err := k.Code(app, "xiaoming", scope)
	must(k.T, err)
	return v
}

func (k *kit) login(app, scope string) login {
	k.Helper()
	l := k.exchange(app, secret, k.code(app, scope))
	if l.err != nil || l.Access == "" {
		k.Fatalf("got %s, %v; want a login", l.body, l.err)
	}
	return l
}

func (k *kit) refresh(app, token string) login {
	k.Helper()
	return k.sns(pathRefresh, "appid", app, "grant_type", "refresh_token", "refresh_token", token)
}

func (k *kit) userinfo(l login) login {
	k.Helper()
	return k.sns("/sns/userinfo", "access_token", l.Access, "openid", l.OpenID, "lang", "zh_CN")
}

func TestExchangeGivesTheUser(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	l := k.login(appID, scopeBase)
	if len(l.Access) != 110 || len(l.Refresh) != 110 || l.Expires != 7200 || l.OpenID != OpenID(appID, "xiaoming") || l.Scope != scopeBase || l.UnionID != "" || l.Snapshot != 0 {
		t.Errorf("got %+v", l)
	}
	if strings.Contains(l.body, "err") || l.header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %s as %s", l.body, l.header.Get("Content-Type"))
	}
	l = k.login(siteApp, scopeLogin)
	if l.UnionID != UnionID("op", "xiaoming") || l.Scope != scopeLogin {
		t.Errorf("a bound website: got %+v", l)
	}
	must(t, k.AddApp(App{ID: "wx-bound", Secret: secret, OpenPlatform: "op"}))
	if l := k.login("wx-bound", scopeBase); l.UnionID != "" {
		t.Errorf("snsapi_base tells no unionid: got %+v", l)
	}
	if l := k.login("wx-bound", scopeUserinfo); l.UnionID != UnionID("op", "xiaoming") || l.OpenID == OpenID(siteApp, "xiaoming") {
		t.Errorf("apps of one account see one unionid: got %+v", l)
	}
	if k.Logins(appID) != 1 || k.Logins("wx-bound") != 2 || k.Issues(appID) != 0 {
		t.Errorf("got %d and %d logins, %d tokens of the app", k.Logins(appID), k.Logins("wx-bound"), k.Issues(appID))
	}
	k.wantRules("good exchanges")
}

func TestExchangeErrorsInOrder(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	code := k.code(appID, scopeBase)
	for _, path := range []string{pathExchange, pathJSSession} {
		name := "code"
		if path == pathJSSession {
			name = "js_code"
		}
		for _, c := range []struct {
			what   string
			app    string
			secret string
			code   string
			grant  string
			want   int
			text   string
		}{
			{"nothing", "", "", "", "", 41002, "appid missing, rid: "},
			{"an unknown app", "wx-nobody", "", "", "", 40013, "invalid appid, rid: "},
			{"no secret", appID, "", "", "", 41004, "appsecret missing, rid: "},
			{"no code", appID, "x", "", "", 41008, "missing code, rid: "},
			{"no grant_type", appID, "x", "bogus", "", 40002, "invalid grant_type, rid: "},
			{"a wrong secret", appID, "x", "bogus", "authorization_code", 40125, "invalid appsecret, rid: "},
			{"a wrong code", appID, secret, "bogus", "authorization_code", 40029, "invalid code, rid: "},
		} {
			l := k.sns(path, "appid", c.app, "secret", c.secret, name, c.code, "grant_type", c.grant)
			k.wantCode(path+" "+c.what, l.got, c.want)
			if !strings.HasPrefix(l.errmsg, c.text) || l.header.Get("Content-Type") != "text/plain" {
				t.Errorf("%s: got %q as %s", c.what, l.errmsg, l.header.Get("Content-Type"))
			}
		}
	}
	if l := k.exchange(appID, secret, code); l.errcode != 0 {
		t.Errorf("requests without the code used it up: got %s", l.body)
	}
	k.wantCode("again", k.exchange(appID, secret, code).got, 40163)
	if l := k.exchange(appID, secret, code); !strings.HasPrefix(l.errmsg, "code been used, rid: ") {
		t.Errorf("got %q", l.errmsg)
	}
	must(t, k.Freeze(appID))
	k.wantCode("frozen", k.exchange(appID, secret, k.code(appID, scopeBase)).got, 40243)
}

func TestFailingAttemptUsesTheCodeUp(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	must(t, k.AddApp(App{ID: "wx-other", Secret: secret}))
	code := k.code(appID, scopeBase)
	k.wantCode("another app", k.exchange("wx-other", secret, code).got, 40029)
	k.wantCode("afterwards", k.exchange(appID, secret, code).got, 40163)
	code = k.code(appID, scopeBase)
	k.wantCode("a wrong secret", k.exchange(appID, "x", code).got, 40125)
	k.wantCode("afterwards", k.exchange(appID, secret, code).got, 40163)
	k.wantRules("four exchanges of two codes", CodeTwice, CodeTwice)
	code = k.code(miniApp, scopeJSCode)
	k.wantCode("a mini program's on the other path", k.exchange(miniApp, secret, code).got, 40029)
	k.wantCode("a site's on the mini program's path", k.sns(pathJSSession, "appid", appID, "secret", secret, "js_code", k.code(appID, scopeBase), "grant_type", "authorization_code").got, 40029)
}

func TestCodeLivesFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := web(t, Options{})
		code, late := k.code(appID, scopeBase), k.code(appID, scopeBase)
		time.Sleep(5*time.Minute - time.Nanosecond)
		if l := k.exchange(appID, secret, code); l.Access == "" {
			t.Errorf("a moment before: got %s", l.body)
		}
		k.wantRules("in time")
		time.Sleep(time.Nanosecond)
		k.wantCode("at five minutes", k.exchange(appID, secret, late).got, 40029)
		k.wantRules("too late", CodeTooLate)
	})
	synctest.Test(t, func(t *testing.T) {
		k := web(t, Options{Life: 24 * time.Minute})
		code := k.code(appID, scopeBase)
		time.Sleep(time.Minute)
		k.wantCode("a short life", k.exchange(appID, secret, code).got, 40029)
	})
}

func TestFiftyExchangesGiveOneLogin(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	code := k.code(appID, scopeBase)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { k.exchange(appID, secret, code) })
	}
	wg.Wait()
	if k.Logins(appID) != 1 || k.Exchanges(code) != 50 || len(k.Violations()) != 49 {
		t.Errorf("got %d logins, %d exchanges, %d violations", k.Logins(appID), k.Exchanges(code), len(k.Violations()))
	}
}

func TestOracleKnowsWhichCodesWereUsed(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	a, b := k.code(appID, scopeBase), k.code(appID, scopeUserinfo)
	k.exchange(appID, secret, b)
	list := k.Codes(appID)
	if len(list) != 2 || list[0].Value != a || list[0].Used || list[0].Exchanges != 0 || !list[1].Used || list[1].Exchanges != 1 || list[1].User != "xiaoming" || list[1].Scope != scopeUserinfo {
		t.Errorf("got %+v", list)
	}
	if k.Exchanges(b) != 1 || k.Exchanges(a) != 0 || k.Exchanges("x") != 0 || k.Codes(siteApp) != nil {
		t.Error("exchanges were counted wrong")
	}
	if l := k.UserTokens(appID); len(l) != 1 || l[0].User != "xiaoming" || !l[0].Alive || l[0].OpenID != OpenID(appID, "xiaoming") {
		t.Errorf("got %+v", l)
	}
}

func TestRefreshProlongsOrReplaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := web(t, Options{})
		l := k.login(appID, scopeUserinfo)
		time.Sleep(time.Hour)
		r := k.refresh(appID, l.Refresh)
		if r.Access != l.Access || r.Expires != 7200 || r.Refresh != l.Refresh || r.OpenID != l.OpenID || r.Scope != l.Scope {
			t.Errorf("a live token is kept: got %s", r.body)
		}
		time.Sleep(2*time.Hour - time.Nanosecond)
		k.wantCode("prolonged", k.userinfo(l).got, 0)
		time.Sleep(time.Nanosecond)
		k.wantCode("over", k.userinfo(l).got, 42001)
		r = k.refresh(appID, l.Refresh)
		if r.Access == l.Access || r.Access == "" || r.Refresh != l.Refresh {
			t.Errorf("a dead token is replaced: got %s", r.body)
		}
		k.wantCode("the new one", k.userinfo(r).got, 0)
		k.wantCode("the old one", k.userinfo(l).got, 42001)
		time.Sleep(30*24*time.Hour - 3*time.Hour - time.Nanosecond)
		if r = k.refresh(appID, l.Refresh); r.Access == "" {
			t.Errorf("a moment before 30 days: got %s", r.body)
		}
		time.Sleep(time.Nanosecond)
		k.wantCode("30 days", k.refresh(appID, l.Refresh).got, 42002)
		k.wantRules("no secret is needed")
	})
}

func TestRefreshErrors(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	l := k.login(appID, scopeBase)
	k.wantCode("no app", k.sns(pathRefresh).got, 41002)
	k.wantCode("unknown app", k.refresh("wx-nobody", l.Refresh).got, 40013)
	k.wantCode("no token", k.sns(pathRefresh, "appid", appID).got, 41003)
	k.wantCode("no grant", k.sns(pathRefresh, "appid", appID, "refresh_token", l.Refresh).got, 40002)
	k.wantCode("unknown token", k.refresh(appID, "x").got, 40030)
	k.wantCode("an access token", k.refresh(appID, l.Access).got, 40030)
	k.wantCode("another app's", k.refresh(siteApp, l.Refresh).got, 40030)
	k.wantRules("so far")
	k.sns(pathRefresh, "appid", appID, "secret", secret, "grant_type", "refresh_token", "refresh_token", l.Refresh)
	k.sns("/sns/userinfo", "access_token", l.Access, "openid", l.OpenID, "secret", secret)
	k.wantRules("a secret where none is needed", SecretInURL, SecretInURL)

	must(t, k.ChangePassword("xiaoming"))
	k.wantCode("a new password", k.refresh(appID, l.Refresh).got, 42007)
	k.wantCode("a new password", k.userinfo(l).got, 42007)
	k.wantCode("a new login", k.sns("/sns/auth", "access_token", k.login(appID, scopeBase).Access, "openid", l.OpenID).got, 0)
}

func TestUserinfo(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	l := k.login(siteApp, scopeLogin)
	u := k.userinfo(l)
	if want := `{"openid":"` + l.OpenID + `","nickname":"小明","sex":0,"province":"","city":"","country":"","headimgurl":"https://thirdwx.qlogo.cn/mmopen/vi_32/simulatedxiaoming/132","privilege":[],"unionid":"` + l.UnionID + `"}`; u.body != want {
		t.Errorf("got %s, want %s", u.body, want)
	}
	k.wantCode("no token", k.sns("/sns/userinfo").got, 41001)
	k.wantCode("no openid", k.sns("/sns/userinfo", "access_token", l.Access).got, 41009)
	k.wantCode("another openid", k.sns("/sns/userinfo", "access_token", l.Access, "openid", OpenID(siteApp, "laowang")).got, 40003)
	base := k.login(appID, scopeBase)
	if g := k.userinfo(base); g.errcode != 48001 || !strings.HasPrefix(g.errmsg, "api unauthorized, rid: ") {
		t.Errorf("snsapi_base: got %s", g.body)
	}
	g := k.sns("/sns/userinfo", "access_token", "bogus", "openid", l.OpenID)
	if !strings.HasPrefix(g.errmsg, "invalid credential, access_token is invalid or not latest, rid: ") || g.errcode != 40001 {
		t.Errorf("got %s", g.body)
	}
	k.wantRules("so far")
	k.do("POST", "/sns/userinfo?openid="+l.OpenID, `{"access_token":"`+l.Access+`"}`)
	k.wantRules("in a body", TokenMisplaced)
	must(t, k.ExpireUser(siteApp, "xiaoming"))
	k.wantCode("expired by order", k.userinfo(l).got, 42001)
	k.wantCode("and of no other app", k.sns("/sns/auth", "access_token", base.Access, "openid", base.OpenID).got, 0)
}

func TestTheTwoTokensAreNotMixedUp(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	l, token := k.login(appID, scopeUserinfo), k.classic().token
	k.wantCode("an app's token on auth", k.sns("/sns/auth", "access_token", token, "openid", l.OpenID).got, 40014)
	k.wantCode("an app's token on userinfo", k.sns("/sns/userinfo", "access_token", token, "openid", l.OpenID).got, 40001)
	k.wantRules("the app's", WrongToken, WrongToken)
	if g := k.do("GET", "/cgi-bin/get_api_domain_ip?access_token="+l.Access, ""); g.errcode != 40001 || !strings.Contains(g.errmsg, "getStableAccessToken") {
		t.Errorf("a user's token on cgi-bin: got %s", g.body)
	}
	k.wantRules("the user's", WrongToken)
	k.wantCode("auth", k.sns("/sns/auth", "access_token", l.Access, "openid", l.OpenID).got, 0)
	k.wantCode("auth of another", k.sns("/sns/auth", "access_token", l.Access, "openid", "o").got, 40003)
	if !k.Valid(appID, token) {
		t.Error("the app's token died")
	}
	k.classic()
	k.wantRules("a refusal on /sns is no reason for a new token", AskedAgain)
}

func TestSnapshotUserIsAStranger(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	must(t, k.AddApp(App{ID: "wx-bound", Secret: secret, OpenPlatform: "op", CallbackDomains: []string{site}}))
	snapshot := k.phone()
	snapshot.Entry = FromSnapshot
	for name, try := range map[string]struct {
		b       *Browser
		address string
	}{
		"entry":         {snapshot, authorizeURL(scopeUserinfo, appID, "wx-bound")},
		"forceSnapShot": {k.phone(), authorizeURL(scopeUserinfo, appID, "wx-bound", "S1", "S1&forceSnapShot=true")},
	} {
		l := k.exchange("wx-bound", secret, k.callback(try.b, try.address).Query().Get("code"))
		if l.Snapshot != 1 || l.OpenID == OpenID("wx-bound", "xiaoming") || len(l.OpenID) != 28 || l.UnionID == UnionID("op", "xiaoming") {
			t.Errorf("%s: got %s", name, l.body)
		}
		if u := k.userinfo(l); u.Nickname != "微信用户" || u.Avatar != "" || u.UnionID != l.UnionID {
			t.Errorf("%s: got %s", name, u.body)
		}
	}
	if l := k.exchange("wx-bound", secret, k.callback(snapshot, authorizeURL(scopeBase, appID, "wx-bound")).Query().Get("code")); l.Snapshot != 0 {
		t.Errorf("snsapi_base: got %s", l.body)
	}
}

func TestMiniProgramLogin(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	session := func(code string) login {
		return k.sns(pathJSSession, "appid", miniApp, "secret", secret, "js_code", code, "grant_type", "authorization_code")
	}
	code := k.code(miniApp, scopeJSCode)
	l := session(code)
	if len(l.Session) != 24 || l.OpenID != OpenID(miniApp, "xiaoming") || l.UnionID != UnionID("op", "xiaoming") || strings.Contains(l.body, "err") {
		t.Errorf("got %s", l.body)
	}
	k.wantCode("again", session(code).got, 40163)
	k.wantRules("again", CodeTwice)
	for range 99 {
		k.wantCode("within the limit", session(k.code(miniApp, scopeJSCode)).got, 0)
	}
	k.wantCode("the 101st of a minute", session(k.code(miniApp, scopeJSCode)).got, 45011)
	must(t, k.AddUser(User{ID: "risky", Blocked: true}))
	code, err := k.Code(miniApp, "risky", scopeJSCode)
	must(t, err)
	k.wantCode("a risky user", session(code).got, 40226)
	if k.Logins(miniApp) != 100 {
		t.Errorf("got %d logins", k.Logins(miniApp))
	}
}

func TestQuirksOfSNS(t *testing.T) {
	t.Parallel()
	old := func(k *kit) int {
		code := k.code(appID, scopeBase)
		k.exchange(appID, secret, code)
		return k.exchange(appID, secret, code).errcode
	}
	for name, c := range map[string]struct {
		quirk Quirk
		odd   func(k *kit) bool
	}{
		"OldScopes":       {OldScopes, func(k *kit) bool { return k.login(appID, scopeBase).Scope == "snsapi_base," }},
		"ContentTypes":    {ContentTypes, func(k *kit) bool { return k.sns("/sns/auth").header.Get("Content-Type") != "text/plain" }},
		"MixedCodeErrors": {MixedCodeErrors, func(k *kit) bool { return old(k) == 42003 }},
		"NewRefreshTokens": {NewRefreshTokens, func(k *kit) bool {
			l := k.login(appID, scopeBase)
			return k.refresh(appID, l.Refresh).Refresh != l.Refresh
		}},
		"Busy": {Busy, func(k *kit) bool {
			return k.exchange(appID, secret, k.code(appID, scopeBase)).errcode == -1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			odd := 0
			for _, quirk := range []Quirk{NoQuirks, c.quirk} {
				k := web(t, Options{Quirks: quirk})
				odd = 0
				for range 1200 {
					if c.odd(k) {
						odd++
					}
				}
				if quirk == NoQuirks && odd > 0 {
					t.Errorf("seen %d times without the quirk", odd)
				}
			}
			if odd == 0 || odd == 1200 {
				t.Errorf("seen %d times in 1200", odd)
			}
		})
	}
	k := web(t, Options{Quirks: NewRefreshTokens})
	l := k.login(appID, scopeBase)
	for range 20 {
		if r := k.refresh(appID, l.Refresh); r.Refresh != l.Refresh {
			k.wantCode("the replaced one", k.refresh(appID, l.Refresh).got, 40030)
			k.wantCode("the new one", k.refresh(appID, r.Refresh).got, 0)
			return
		}
	}
	t.Error("no refresh token was replaced")
}
