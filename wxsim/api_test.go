package wxsim

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestErrorsAreStatus200WithAnID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{Quirks: RandomRID})
		rid := regexp.MustCompile(`^invalid url rid: ([0-9a-f]{8})-[0-9a-f]{8}-[0-9a-f]{8}$`)
		a, b := k.do("GET", "/cgi-bin/nothing", ""), k.do("GET", "/cgi-bin/nothing", "")
		k.wantCode("unknown path", a, 40066)
		m := rid.FindStringSubmatch(a.errmsg)
		if m == nil || a.errmsg == b.errmsg {
			t.Fatalf("got %q and %q", a.errmsg, b.errmsg)
		}
		if want := "386d4380"; m[1] != want { // 2000-01-01, where a bubble's time begins
			t.Errorf("first group: got %s, want the time %s", m[1], want)
		}
		if ct := a.header.Get("Content-Type"); ct != "application/json; encoding=utf-8" {
			t.Errorf("content type: got %q", ct)
		}
	})
}

func TestSuccessHasNoErrcode(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	token := k.classic()
	bodies := []string{
		token.body, k.stableAsk(false).body,
		k.do("GET", "/cgi-bin/get_api_domain_ip?access_token="+token.token, "").body,
		k.do("GET", "/cgi-bin/getcallbackip?access_token="+token.token, "").body,
	}
	for _, b := range bodies {
		var v map[string]any
		if err := json.Unmarshal([]byte(b), &v); err != nil || v["errcode"] != nil || len(v) == 0 {
			t.Errorf("got %q", b)
		}
	}
}

func TestTokenCountsInTheQueryOnly(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	token := k.stableAsk(false).token
	k.wantCode("none", k.do("GET", "/cgi-bin/get_api_domain_ip", ""), 41001)
	k.wantCode("empty", k.do("GET", "/cgi-bin/get_api_domain_ip?access_token=", ""), 41001)
	k.wantCode("body", k.do("POST", "/cgi-bin/openapi/quota/get", `{"access_token":"`+token+`","cgi_path":"/cgi-bin/token"}`), 41001)
	k.wantRules("body", TokenMisplaced)
	k.wantCode("bogus", k.do("GET", "/cgi-bin/get_api_domain_ip?access_token=x", ""), 40001)
	k.wantCode("method", k.do("POST", "/cgi-bin/get_api_domain_ip?access_token="+token, ""), 43001)
	k.wantCode("method", k.do("GET", "/cgi-bin/openapi/quota/get?access_token="+token, ""), 43002)
	k.wantCode("good", k.do("GET", "/cgi-bin/get_api_domain_ip?access_token="+token, ""), 0)
}

func TestBadTokenText(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	g := k.do("GET", "/cgi-bin/getcallbackip?access_token=x", "")
	if !strings.HasPrefix(g.errmsg, "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r rid: ") {
		t.Errorf("got %q", g.errmsg)
	}
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	const follower, stranger = "oFollower", "oAbCdEfGhIjKlMnOpQrStUvWxYz0"
	s := New(Options{Quirks: NoQuirks})
	k := &kit{T: t, Sim: s, tr: s.Transport()}
	must(t, s.AddApp(App{ID: appID, Secret: secret, Followers: []string{follower}}))
	token := k.classic().token
	info := func(openid string) got {
		return k.do("GET", "/cgi-bin/user/info?access_token="+token+"&openid="+openid+"&lang=zh_CN", "")
	}
	if g := info(follower); !strings.Contains(g.body, `"subscribe":1,"openid":"oFollower","subscribe_time":`) {
		t.Errorf("follower: got %s", g.body)
	}
	if g := info(stranger); g.body != `{"subscribe":0,"openid":"`+stranger+`"}` {
		t.Errorf("stranger: got %s", g.body)
	}
	k.wantCode("no openid", info(""), 40003)
	k.wantCode("bad openid", info("x"), 40003)
}

func TestRevokedAndExpiredTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		classic, stable := k.classic().token, k.stableAsk(false).token
		must(t, k.Revoke(appID))
		if k.use(classic) != 40001 || k.use(stable) != 40001 || k.Valid(appID, stable) {
			t.Error("a revoked token must be 40001")
		}
		if k.stableAsk(false).token != stable {
			t.Error("the stable line must not know that its token was revoked")
		}
		time.Sleep(time.Minute)
		if next := k.stableAsk(true).token; !k.Valid(appID, next) || k.Valid(appID, stable) {
			t.Error("force_refresh must give a live token and not revive the dead one")
		}
		classic, stable = k.classic().token, k.stableAsk(false).token
		must(t, k.Expire(appID))
		if k.use(classic) != 42001 || k.use(stable) != 42001 {
			t.Error("an expired token must be 42001")
		}
		if next := k.stableAsk(false).token; next == stable || !k.Valid(appID, next) {
			t.Error("the stable line must replace an expired token")
		}
	})
}

func TestOutsidersReplaceTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		classic, stable := k.classic().token, k.stableAsk(false).token
		must(t, k.Outsider(appID))
		must(t, k.OutsiderForce(appID))
		if !k.Valid(appID, classic) || !k.Valid(appID, stable) {
			t.Error("replaced tokens have an overlap")
		}
		if k.Current(appID, Classic) == classic || k.Current(appID, Stable) == stable {
			t.Error("an outsider gets a new token")
		}
		if k.Issues(appID) != 2 || k.Asked(appID, Classic) != 1 {
			t.Error("an outsider's token is not the caller's")
		}
		time.Sleep(5 * time.Minute)
		if k.use(classic) != 40001 || k.use(stable) != 40001 {
			t.Error("after the overlap the caller's tokens must be refused")
		}
		if k.stableAsk(false).token != k.Current(appID, Stable) {
			t.Error("a normal request must give the outsider's stable token")
		}
	})
}

func TestActsNameAnApp(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	for name, err := range map[string]error{
		"outsider": s.Outsider("x"), "force": s.OutsiderForce("x"), "revoke": s.Revoke("x"), "expire": s.Expire("x"), "excuse": s.Excuse("x"),
		"freeze": s.Freeze("x"), "unfreeze": s.Unfreeze("x"), "reset": s.ResetSecret("x", "y"), "allow": s.AllowIPs("x"),
		"confirm": s.ConfirmIP("x", "127.0.0.1"), "deny": s.DenyIP("x", "127.0.0.1"), "punish": s.Punish("x", 0), "require": s.RequireConfirm("x", true),
	} {
		if err == nil || !strings.Contains(err.Error(), `no app "x"`) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	must(t, s.AddApp(App{ID: "x", Secret: "y"}))
	for name, err := range map[string]error{
		"twice": s.AddApp(App{ID: "x", Secret: "y"}), "no id": s.AddApp(App{Secret: "y"}), "no secret": s.AddApp(App{ID: "z"}),
		"bad ip": s.AddApp(App{ID: "z", Secret: "y", AllowIPs: []string{"?"}}), "empty secret": s.ResetSecret("x", ""), "confirm": s.ConfirmIP("x", "?"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
