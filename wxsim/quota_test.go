package wxsim

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDailyQuotaEndsAtBeijingMidnight(t *testing.T) {
	t.Parallel()
	for _, speed := range []float64{1, 60} {
		synctest.Test(t, func(t *testing.T) {
			s := New(Options{Quirks: NoQuirks, Speed: speed})
			k := &kit{T: t, Sim: s, tr: s.Transport()}
			must(t, s.AddApp(App{ID: appID, Secret: secret, DailyQuota: 3}))
			for range 3 {
				k.wantToken("within the quota", k.classic())
			}
			g := k.classic()
			k.wantCode("the fourth", g, 45009)
			if !strings.HasPrefix(g.errmsg, "reach max api daily quota limit, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r rid: ") {
				t.Errorf("errmsg: got %q", g.errmsg)
			}
			k.wantToken("the stable line has its own", k.stableAsk(false))
			left := midnight(s.Now()).Sub(s.Now())
			if hh := midnight(s.Now()).UTC().Format("15:04"); hh != "16:00" {
				t.Errorf("midnight in Beijing is 16:00 UTC, got %s", hh)
			}
			left = time.Duration(float64(left) / speed)
			time.Sleep(left - time.Millisecond)
			k.wantCode("a moment before midnight", k.classic(), 45009)
			time.Sleep(2 * time.Millisecond)
			k.wantToken("after midnight", k.classic())
		})
	}
}

func TestSandboxHasTwoHundred(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Quirks: NoQuirks})
		k := &kit{T: t, Sim: s, tr: s.Transport()}
		must(t, s.AddApp(App{ID: appID, Secret: secret, Sandbox: true}))
		for range 200 {
			k.wantToken("within the quota", k.classic())
		}
		k.wantCode("the next", k.classic(), 45009)
	})
}

func TestMinuteLimitWhenTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{MinuteLimit: 2})
		for range 2 {
			k.wantToken("within the limit", k.classic())
		}
		g := k.classic()
		k.wantCode("the third", g, 45011)
		if !strings.HasPrefix(g.errmsg, "api minute-quota reach limit  mustslower  retry next minute rid: ") {
			t.Errorf("errmsg: got %q", g.errmsg)
		}
		time.Sleep(time.Minute)
		k.wantToken("a minute later", k.classic())
	})
}

func TestClearQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Quirks: NoQuirks})
		k := &kit{T: t, Sim: s, tr: s.Transport()}
		must(t, s.AddApp(App{ID: appID, Secret: secret, DailyQuota: 1}))
		token := k.classic().token
		for i := range 5 {
			k.wantCode("used up", k.classic(), 45009)
			k.wantCode("with a token", k.do("POST", "/cgi-bin/clear_quota?access_token="+token, `{"appid":"`+appID+`"}`), 0)
			k.wantToken("again", k.classic())
			v2 := [2]string{"/cgi-bin/clear_quota/v2", `{"appid":"` + appID + `","appsecret":"` + secret + `"}`}
			if i%2 == 1 {
				v2 = [2]string{v2[0] + "?appid=" + appID + "&appsecret=" + secret, ""}
			}
			k.wantCode("with the secret", k.do("POST", v2[0], v2[1]), 0)
			token = k.wantToken("and again", k.classic()).token
		}
		k.wantCode("the 11th this month", k.do("POST", "/cgi-bin/clear_quota/v2?appid="+appID+"&appsecret="+secret, ""), 48006)
		k.wantCode("by any way", k.do("POST", "/cgi-bin/clear_quota?access_token="+token, `{"appid":"`+appID+`"}`), 48006)
		time.Sleep(32 * 24 * time.Hour)
		k.wantCode("next month", k.do("POST", "/cgi-bin/clear_quota/v2?appid="+appID+"&appsecret="+secret, ""), 0)
	})
}

func TestClearQuotaRefusals(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	token := k.classic().token
	for _, c := range []struct {
		target, body string
		code         int
	}{
		{"/cgi-bin/clear_quota/v2", "", 41002},
		{"/cgi-bin/clear_quota/v2", `{"appid":"wx-nobody"}`, 40013},
		{"/cgi-bin/clear_quota/v2", `{"appid":"` + appID + `"}`, 41004},
		{"/cgi-bin/clear_quota/v2", `{"appid":"` + appID + `","appsecret":"x"}`, 40125},
		{"/cgi-bin/clear_quota", `{"appid":"` + appID + `"}`, 41001},
		{"/cgi-bin/clear_quota?access_token=" + token, "", 47001},
		{"/cgi-bin/clear_quota?access_token=" + token, "{}", 41002},
		{"/cgi-bin/clear_quota?access_token=" + token, `{"appid":"wx-other"}`, 40013},
	} {
		k.wantCode(c.target+" "+c.body, k.do("POST", c.target, c.body), c.code)
	}
	must(t, k.AllowIPs(appID, "203.0.113.9"))
	k.wantCode("from elsewhere", k.do("POST", "/cgi-bin/clear_quota/v2", `{"appid":"`+appID+`","appsecret":"`+secret+`"}`), 40164)
}

func TestQuotaGetShowsTheCounters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		k.classic()
		k.classic()
		token := k.stableAsk(false).token
		k.use(token)
		ask := func(path string) got {
			return k.do("POST", "/cgi-bin/openapi/quota/get?access_token="+token, fmt.Sprintf(`{"cgi_path":%q}`, path))
		}
		for path, want := range map[string]string{
			"/cgi-bin/token":             `{"errcode":0,"errmsg":"ok","quota":{"daily_limit":2000,"used":2,"remain":1998}}`,
			"/cgi-bin/stable_token":      `{"errcode":0,"errmsg":"ok","quota":{"daily_limit":500000,"used":1,"remain":499999},"rate_limit":{"call_count":10000,"refresh_second":60},"component_rate_limit":{"call_count":1050000,"refresh_second":60}}`,
			"/cgi-bin/get_api_domain_ip": `{"errcode":0,"errmsg":"ok","quota":{"daily_limit":0,"used":1,"remain":0}}`,
		} {
			if g := ask(path); g.body != want {
				t.Errorf("%s: got %s, want %s", path, g.body, want)
			}
		}
		k.wantCode("unknown path", ask("/cgi-bin/nothing"), 76003)
	})
}

func TestRIDGetKnowsTheAppsOwnRequests(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{Quirks: RandomRID})
	token := k.classic().token
	g := k.do("GET", "/cgi-bin/user/info?openid=x&access_token="+token, "")
	_, rid, _ := strings.Cut(g.errmsg, " rid: ")
	ask := func(rid string) got {
		return k.do("POST", "/cgi-bin/openapi/rid/get?access_token="+token, fmt.Sprintf(`{"rid":%q}`, rid))
	}
	if g := ask(rid); g.errcode != 0 || !strings.Contains(g.body, `"client_ip":"127.0.0.1"`) || strings.Contains(g.body, token) {
		t.Errorf("got %s", g.body)
	}
	k.wantCode("unknown", ask("6aac005a-01bfdbee-79769285"), 76001)
	k.wantCode("no id", ask("x"), 76002)
	must(t, k.AddApp(App{ID: "wx-other", Secret: "s"}))
	token = k.do("GET", classicURL("wx-other", "s"), "").token
	k.wantCode("of another app", ask(rid), 76001)
}
