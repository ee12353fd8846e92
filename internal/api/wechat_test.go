package api_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/wxsim"
)

// wechat asks as an SDK does and takes the rid off the text.
func (w *world) wechat(method, target, body string) map[string]any {
	w.t.Helper()
	a := w.ask(method, target, "", body)
	if a.status != 200 || a.header.Get("Content-Type") != "application/json; encoding=utf-8" || a.header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("%s %s: %d %v", method, target, a.status, a.header)
	}
	m := a.json(w.t)
	if text, ok := m["errmsg"].(string); ok {
		rid := regexp.MustCompile(` rid: ([0-9a-f]{8})-[0-9a-f]{8}-[0-9a-f]{8}$`).FindStringSubmatchIndex(text)
		if rid == nil {
			w.t.Fatalf("%s %s: no rid in %q", method, target, text)
		}
		var at int64
		_, _ = fmt.Sscanf(text[rid[2]:rid[3]], "%x", &at)
		if age := time.Since(time.Unix(at, 0)); age < -time.Second || age > time.Minute {
			w.t.Errorf("the rid %q is %v old", text, age)
		}
		m["errmsg"] = text[:rid[0]]
	}
	return m
}

func classic(parameters ...string) string {
	q := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	return "/cgi-bin/token?" + q.Encode()
}

func stable(appid, key string) string {
	return fmt.Sprintf(`{"grant_type":"client_credential","appid":%q,"secret":%q,"force_refresh":false}`, appid, key)
}

const good = "client_credential"

func TestSDKsAreGivenTheToken(t *testing.T) {
	t.Parallel()
	for _, source := range []string{config.Stable, config.Classic} {
		w := newWorld(t, options{source: source})
		key, value := w.keys["real"], w.value("real")
		for _, test := range [][3]string{
			{"GET", classic("grant_type", good, "appid", shop, "secret", key), ""},
			{"GET", "/cgi-bin/token?secret=" + key + "&appid=" + shop + "&grant_type=client_credential", ""},
			{"GET", "/cgi-bin/token?access_token=&secret=" + key + "&&x=&appid=" + shop + "&grant_type=client_credential&", ""},
			{"GET", "/cgi-bin/token?access_token=T&secret=" + key + "&appid=" + shop + "&grant_type=client_credential", ""},
			{"POST", "/cgi-bin/stable_token", stable(shop, key)},
			{"POST", "/cgi-bin/stable_token?access_token=T", stable(shop, key)},
			{"POST", "/cgi-bin/stable_token", fmt.Sprintf(`{"appid":%q,"secret":%q,"grant_type":"client_credential"}`, shop, key)},
			{"POST", "/cgi-bin/stable_token", fmt.Sprintf(` {"extra":[1,{"a":null}],"appid":%q,"secret":%q,"grant_type":"client_credential","force_refresh":null}`+"\n", shop, key)},
		} {
			m := w.wechat(test[0], test[1], test[2])
			left, _ := m["expires_in"].(float64)
			if m["access_token"] != value || len(m) != 2 || left > 7200 || left < 5000 {
				t.Errorf("%s: %s %s %s: %v", source, test[0], test[1], test[2], m)
			}
			// Until the planned renewal, the overlap and the drain on classic.
			if source == config.Classic && left > 5400*1.1+300 {
				t.Errorf("classic: %v s are promised", left)
			}
		}
		if n := w.sim.Issues(shop); n != 1 {
			t.Errorf("%s: %d issues", source, n)
		}
		w.noSecretOut(value)
	}
}

func TestSDKsAreRefusedInWeChatsWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	value := w.value("real")
	key := w.keys["real"]
	for _, test := range []struct {
		name, method, target, body string
		code                       int
		text                       string
	}{
		{"method", "GET", "/cgi-bin/stable_token", "", 43002, "require POST method"},
		{"method", "HEAD", "/cgi-bin/stable_token", "", 0, ""},
		{"method", "POST", classic("grant_type", good, "appid", shop, "secret", key), "", 43001, "require GET method"},
		{"json", "POST", "/cgi-bin/stable_token", "", 47001, "data format error"},
		{"json", "POST", "/cgi-bin/stable_token", "appid=" + shop, 47001, "data format error"},
		{"json", "POST", "/cgi-bin/stable_token", `{"appid":7}`, 47001, "data format error"},
		{"json", "POST", "/cgi-bin/stable_token", stable(shop, key) + "x", 47001, "data format error"},
		{"json", "POST", "/cgi-bin/stable_token", strings.Repeat("[", 20000), 47001, "data format error"},
		{"json", "POST", "/cgi-bin/stable_token", `{"a":"` + strings.Repeat("x", 70000) + `"}`, 47001, "data format error"},
		{"appid", "GET", "/cgi-bin/token", "", 41002, "appid missing"},
		{"appid", "GET", classic("grant_type", "x", "appid", "", "secret", ""), "", 41002, "appid missing"},
		{"appid", "POST", "/cgi-bin/stable_token", `{}`, 41002, "appid missing"},
		{"unknown before grant_type", "GET", classic("grant_type", "x", "appid", "wxnowhere", "secret", key), "", 40013, "invalid appid"},
		{"not granted before grant_type", "GET", classic("grant_type", "x", "appid", other, "secret", key), "", 40013, "invalid appid"},
		{"not granted", "GET", classic("grant_type", good, "appid", other, "secret", key), "", 40013, "invalid appid"},
		{"unknown", "POST", "/cgi-bin/stable_token", stable("wxnowhere", key), 40013, "invalid appid"},
		{"grant_type", "GET", classic("grant_type", "x", "appid", shop, "secret", key), "", 40002, "invalid grant_type"},
		{"grant_type before secret", "GET", classic("appid", shop), "", 40002, "invalid grant_type"},
		{"secret", "GET", classic("grant_type", good, "appid", shop), "", 41004, "appsecret missing"},
		{"secret", "POST", "/cgi-bin/stable_token", stable(shop, ""), 41004, "appsecret missing"},
		{"wrong", "GET", classic("grant_type", good, "appid", shop, "secret", secret), "", 40125, "invalid appsecret"},
		{"wrong", "POST", "/cgi-bin/stable_token", stable(shop, wrongly), 40125, "invalid appsecret"},
		{"wrong, and an app that is not there", "POST", "/cgi-bin/stable_token", stable("wxnowhere", wrongly), 40125, "invalid appsecret"},
		{"place", "GET", classic("grant_type", good, "appid", shop, "secret", w.keys["away"]), "", 40164, "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist"},
		{
			"right", "POST", "/cgi-bin/stable_token", stable(shop, w.keys["caller"]), 48001,
			"api unauthorized: client caller may not be given tokens; add token to allow of this client",
		},
	} {
		if test.method == "HEAD" {
			if a := w.ask("HEAD", test.target, "", ""); a.body != "" {
				t.Errorf("HEAD: %v", a)
			}
			continue
		}
		want := map[string]any{"errcode": float64(test.code), "errmsg": test.text}
		got := w.wechat(test.method, test.target, test.body)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s %s %.100s (-want +got):\n%s", test.name, test.method, test.target, test.body, diff)
		}
	}
	if n := w.sim.Issues(shop); n != 1 {
		t.Errorf("%d issues", n)
	}
	for client, want := range map[string]int{"caller": 1, "away": 1} {
		if n := w.recorded("client", client, "decision", "denied"); n != want {
			t.Errorf("%d denials of %s recorded, want %d", n, client, want)
		}
	}
	w.noSecretOut(value)
}

// TestRidIsTheRequestID: what a person reads off an SDK's error is what stands
// in the audit record.
func TestRidIsTheRequestID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	text := w.ask("GET", classic("grant_type", good, "appid", shop, "secret", wrongly), "", "").json(t)["errmsg"].(string)
	_, rid, _ := strings.Cut(text, " rid: ")
	if n := w.recorded("request_id", rid, "decision", "denied"); n != 1 {
		t.Errorf("%s is not among %v", rid, w.records())
	}
}

func TestSDKsWithWrongKeysAreHeldUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	codes := map[any]int{}
	for range 100 {
		codes[w.wechat("POST", "/cgi-bin/stable_token", stable(shop, wrongly))["errcode"]]++
	}
	if codes[40125.0] < 10 || codes[45011.0] < 50 || len(codes) != 2 {
		t.Errorf("the answers were %v", codes)
	}
	if m := w.wechat("POST", "/cgi-bin/stable_token", stable(shop, w.keys["real"])); m["access_token"] == nil {
		t.Errorf("a right key: %v", m)
	}
}

func TestSDKsAreToldWhyNothingIsLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{first: func(s *wxsim.Sim) error { return s.Freeze(shop) }})
	m := w.wechat("POST", "/cgi-bin/stable_token", stable(shop, w.keys["real"]))
	if text, _ := m["errmsg"].(string); m["errcode"] != -1.0 || !strings.HasPrefix(text, "system error: no live token in hand: WeChat answered 40243") {
		t.Errorf("%v", m)
	}
}

func forced(appid, key string) string { return strings.Replace(stable(appid, key), "false", "true", 1) }

func TestForceRefreshReplacesNoTokenThatWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	value := w.value("real")
	for range 5 {
		if m := w.wechat("POST", "/cgi-bin/stable_token", forced(shop, w.keys["real"])); m["access_token"] != value {
			t.Errorf("a token that works is replaced: %v", m)
		}
	}
	if n := w.sim.Issues(shop); n != 1 {
		t.Errorf("%d issues", n)
	}
	if n := w.outcomes()["alive"]; n != 5 {
		t.Errorf("counted %v", w.outcomes())
	}
}

func TestForceRefreshReplacesADeadToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.value("real")
	must(t, w.sim.Revoke(shop))
	m := w.wechat("POST", "/cgi-bin/stable_token", forced(shop, w.keys["real"]))
	if token, _ := m["access_token"].(string); !w.sim.Valid(shop, token) {
		t.Errorf("%v", m)
	}
}

// TestAskingAgainIsAWeakHint: a client that comes back for what it has costs
// one probe in the background, however often it comes.
func TestAskingAgainIsAWeakHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	get := classic("grant_type", good, "appid", shop, "secret", w.keys["real"])
	probes := func() (n int) {
		for _, c := range w.sim.Counts()["/cgi-bin/get_api_domain_ip"] {
			n += c
		}
		return n
	}
	w.wechat("GET", get, "")
	if n := probes(); n != 0 {
		t.Errorf("%d probes after the first time", n)
	}
	for range 50 {
		w.wechat("GET", get, "")
	}
	w.until("a probe", func() bool { return probes() > 0 })
	if n := probes(); n != 1 {
		t.Errorf("%d probes", n)
	}
	if n := w.recorded("client", "real", "decision", "allowed"); n != 1 {
		t.Errorf("%d records", n)
	}
}

func TestBaseURLWithASlashIsExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	a := w.raw("GET", "GET /"+classic("appid", shop)+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if hint, _ := a.json(t)["hint"].(string); a.status != 400 || !strings.Contains(hint, "take the last / off the base URL") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
