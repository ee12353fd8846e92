package wxsim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestChecksComeInWeChatsOrder walks one request from everything wrong to all right: mending what
// was complained about brings up the next complaint.
func TestChecksComeInWeChatsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{MinuteLimit: 1})
		const me, risky = "127.0.0.1", "127.0.0.1"
		must(t, k.Freeze(appID))
		must(t, k.AllowIPs(appID, "203.0.113.9"))
		must(t, k.RequireConfirm(appID, true))
		must(t, k.DenyIP(appID, risky))
		must(t, k.DenyIP(appID, risky))
		must(t, k.Punish(appID, 50004))

		q := map[string]string{}
		method, body := "GET", "not JSON"
		steps := []struct {
			code int
			mend func()
		}{
			{43002, func() { method = "POST" }},
			{47001, func() { body = "" }},
			{41002, func() { q["appid"] = "wx-nobody" }},
			{40013, func() { q["appid"] = appID }},
			{40002, func() { q["grant_type"] = "client_credential" }},
			{41004, func() { q["secret"] = "wrong" }},
			{40125, func() { q["secret"] = secret }},
			{40243, func() { must(t, k.Unfreeze(appID)) }},
			{40164, func() { must(t, k.AllowIPs(appID, me)) }},
			{89506, func() { time.Sleep(24 * time.Hour) }},
			{89503, func() { must(t, k.ConfirmIP(appID, risky)) }},
			{50004, func() { must(t, k.Punish(appID, 48004)) }},
			{48004, func() { must(t, k.Punish(appID, 0)) }},
			{0, func() { must(t, k.Punish(appID, 50007)) }},
			{50007, func() { must(t, k.Punish(appID, 0)) }},
			{45011, func() { time.Sleep(time.Minute) }},
			{0, func() {}},
		}
		for i, step := range steps {
			b := body
			if b == "" {
				var fields []string
				for n, v := range q {
					fields = append(fields, fmt.Sprintf("%q:%q", n, v))
				}
				slices.Sort(fields)
				b = "{" + strings.Join(fields, ",") + "}"
			}
			g := k.do(method, pathStable, b)
			k.wantCode(fmt.Sprintf("stable, step %d", i), g, step.code)
			step.mend()
		}
	})
}

func TestClassicRefusals(t *testing.T) {
	t.Parallel()
	const good = "grant_type=client_credential&appid=" + appID + "&secret=" + secret
	for _, c := range []struct {
		name   string
		method string
		query  string
		body   string
		code   int
		text   string
	}{
		{"no parameter", "GET", "", "", 41002, "appid missing rid: "},
		{"unknown appid before grant_type", "GET", "appid=wx-nobody", "", 40013, "invalid appid rid: "},
		{"no grant_type", "GET", "appid=" + appID + "&secret=" + secret, "", 40002, "invalid grant_type rid: "},
		{"other grant_type", "GET", strings.Replace(good, "client_credential", "authorization_code", 1), "", 40002, "invalid grant_type rid: "},
		{"no secret", "GET", strings.Replace(good, secret, "", 1), "", 41004, "appsecret missing rid: "},
		{"wrong secret", "GET", good + "0", "", 40125, "invalid appsecret rid: "},
		{"POST", "POST", good, "", 43001, "require GET method rid: "},
		{"parameters in the body only", "GET", "", `{"appid":"` + appID + `"}`, 41002, "appid missing rid: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := dull(t, Options{})
			g := k.do(c.method, pathToken+"?"+c.query, c.body)
			k.wantCode(c.name, g, c.code)
			if !strings.HasPrefix(g.errmsg, c.text) {
				t.Errorf("errmsg: got %q, want %q and an id", g.errmsg, c.text)
			}
			if k.Issues(appID) != 0 {
				t.Error("a refused request issued a token")
			}
		})
	}
}

func TestStableTakesNothingFromTheQuery(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	k.wantCode("query only", k.do("POST", pathStable+"?grant_type=client_credential&appid="+appID+"&secret="+secret, "{}"), 41002)
	for _, body := range []string{
		"", "null", "[]", `"x"`, "{", `{"appid":1}`,
		`{"grant_type":"client_credential","appid":"` + appID + `","secret":"` + secret + `","force_refresh":"yes"}`,
	} {
		k.wantCode(body, k.do("POST", pathStable, body), 47001)
	}
	k.wantToken("without force_refresh", k.do("POST", pathStable, `{"grant_type":"client_credential","appid":"`+appID+`","secret":"`+secret+`"}`))
}

func TestEveryPunishmentIsReachable(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	for _, code := range []int{-1, 40001, 48004, 50002, 50004, 50007, 61024, 89501, 89502, 89504, 89505} {
		must(t, k.Punish(appID, code))
		k.wantCode("classic", k.classic(), code)
		k.wantCode("stable", k.stableAsk(false), code)
	}
	if k.Punish(appID, 12345) == nil || k.Punish("wx-nobody", 50004) == nil {
		t.Error("an unknown errcode or app was taken")
	}
}

func TestResetSecretEndsTheOldOneAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{Quirks: SlowConsole})
		token := k.classic().token
		must(t, k.ResetSecret(appID, "another"))
		k.wantCode("old secret", k.classic(), 40125)
		k.wantToken("new secret", k.do("GET", classicURL(appID, "another"), ""))
		if !k.Valid(appID, token) {
			t.Error("the token did not outlive its secret")
		}
	})
}

func TestFreezeActsAfterTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{Quirks: SlowConsole})
		must(t, k.Freeze(appID))
		k.wantToken("just frozen", k.classic())
		time.Sleep(10 * time.Minute)
		g := k.classic()
		k.wantCode("frozen", g, 40243)
		if !strings.Contains(g.errmsg, "冻结") {
			t.Errorf("errmsg: got %q", g.errmsg)
		}
		must(t, k.Unfreeze(appID))
		k.wantCode("just thawed", k.classic(), 40243)
		time.Sleep(10 * time.Minute)
		k.wantToken("thawed", k.classic())
	})
}

func TestAddressNotListed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list, remote, text string
	}{
		{"203.0.113.9", "203.0.113.9:4711", ""},
		{"203.0.113.9", "203.0.113.10:4711", "invalid ip 203.0.113.10 ipv6 ::ffff:203.0.113.10, not in whitelist rid: "},
		{"203.0.113.0/24", "203.0.113.200:1", ""},
		{"172.0.0.1/24", "172.0.0.77:1", ""},
		{"203.0.113.*", "203.0.113.200:1", ""},
		{"203.0.*.*", "203.0.7.200:1", ""},
		{"203.0.113.*", "203.0.114.1:1", "invalid ip 203.0.114.1 ipv6 ::ffff:203.0.114.1, not in whitelist rid: "},
		{"2001:db8::/32", "[2001:db8::1]:1", ""},
		{"203.0.113.9", "[2001:db8::1]:1", "invalid ip 2001:db8::1 ipv6 2001:db8::1, not in whitelist rid: "},
		{"203.0.113.9", "[::ffff:203.0.113.9]:1", ""},
		{"203.0.113.9", "203.0.113.9", ""},
	} {
		k := dull(t, Options{})
		must(t, k.AllowIPs(appID, "198.51.100.1", c.list))
		k.tr.RemoteAddr = c.remote
		g := k.classic()
		if c.text == "" {
			k.wantToken(c.list+" "+c.remote, g)
			continue
		}
		k.wantCode(c.list+" "+c.remote, g, 40164)
		if !strings.HasPrefix(g.errmsg, c.text) {
			t.Errorf("%s: got %q, want %q and an id", c.list, g.errmsg, c.text)
		}
	}
	k := dull(t, Options{})
	for _, bad := range []string{"", "203.0.113", "203.0.113.9:80", "*.*.*.*", "203.*.113.*", "x", "203.0.113.0/33"} {
		if k.AllowIPs(appID, bad) == nil {
			t.Errorf("%q was taken as an address", bad)
		}
	}
}

func TestAllowListActsAfterTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{Quirks: SlowConsole})
		must(t, k.AllowIPs(appID, "203.0.113.9"))
		k.wantToken("before", k.classic())
		time.Sleep(10 * time.Minute)
		k.wantCode("after", k.classic(), 40164)
	})
}

func TestNewAddressWaitsForAPerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		must(t, k.RequireConfirm(appID, true))
		k.wantCode("new address", k.classic(), 89503)
		must(t, k.DenyIP(appID, "127.0.0.1"))
		k.wantCode("denied", k.classic(), 89507)
		time.Sleep(time.Hour)
		k.wantCode("asked again", k.classic(), 89503)
		must(t, k.DenyIP(appID, "127.0.0.1"))
		k.wantCode("denied twice", k.classic(), 89506)
		time.Sleep(24*time.Hour - 1)
		k.wantCode("still", k.classic(), 89506)
		must(t, k.ConfirmIP(appID, "127.0.0.1"))
		k.wantToken("confirmed", k.classic())
		k.tr.RemoteAddr = "203.0.113.9:1"
		k.wantCode("another address", k.classic(), 89503)
	})
}
