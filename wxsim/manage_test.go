package wxsim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func (k *kit) manage(method, path, body string, into any) int {
	k.Helper()
	w := httptest.NewRecorder()
	k.Management().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			k.Fatalf("%s %s: %v in %q", method, path, err, w.Body)
		}
	}
	return w.Code
}

func TestManagementShowsWhatHappened(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	token := k.classic().token
	k.use(token)
	k.classic()

	var history []Request
	k.manage("GET", "/history", "", &history)
	if len(history) != 3 || history[0].Line != "classic" || !history[0].Issued || history[1].Token != shortHash(token) || history[1].TokenGeneration != 1 {
		t.Errorf("history: got %+v", history)
	}
	k.manage("GET", "/history?path=/cgi-bin/token&limit=1&appid="+appID, "", &history)
	if len(history) != 1 || history[0].TokenGeneration != 2 {
		t.Errorf("part of the history: got %+v", history)
	}
	var violations []Violation
	k.manage("GET", "/violations", "", &violations)
	if len(violations) != 1 || violations[0].Rule != AskedAgain {
		t.Errorf("violations: got %+v", violations)
	}
	var tokens []TokenInfo
	k.manage("GET", "/tokens?appid="+appID, "", &tokens)
	if len(tokens) != 2 || tokens[0].Value != token || !tokens[0].Alive || tokens[0].Current || !tokens[1].Current {
		t.Errorf("tokens: got %+v", tokens)
	}
	var apps []App
	k.manage("GET", "/apps", "", &apps)
	if len(apps) != 1 || apps[0].ID != appID || apps[0].Secret != "" {
		t.Errorf("apps: got %+v", apps)
	}
	var counts map[string]map[string]int
	k.manage("GET", "/counts", "", &counts)
	if counts[pathToken]["0"] != 2 {
		t.Errorf("counts: got %+v", counts)
	}
	if k.manage("GET", "/", "", &struct{}{}) != 200 || k.manage("GET", "/now", "", &struct{}{}) != 200 || k.manage("GET", "/nothing", "", nil) != 404 {
		t.Error("the list of paths, the time, or a 404 is missing")
	}
	k.manage("DELETE", "/violations", "", nil)
	if k.wantRules("forgotten"); len(k.Violations()) != 0 {
		t.Error("violations were not forgotten")
	}
}

func TestEveryActIsReachable(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	post := func(act, body string) {
		t.Helper()
		var v map[string]any
		if code := k.manage("POST", "/apps/"+appID+"/"+act, body, &v); code != 200 || v["ok"] != true {
			t.Errorf("%s: got %d, %v", act, code, v)
		}
	}
	post("reset-secret", `{"secret":"new"}`)
	k.wantCode("reset", k.classic(), 40125)
	post("reset-secret", `{"secret":"`+secret+`"}`)
	post("freeze", "")
	k.wantCode("frozen", k.classic(), 40243)
	post("unfreeze", "{}")
	post("allow-ips", `{"ips":["203.0.113.*"]}`)
	k.wantCode("listed", k.classic(), 40164)
	post("allow-ips", `{"ips":[]}`)
	post("require-confirm", `{"on":true}`)
	post("deny-ip", `{"ip":"127.0.0.1"}`)
	k.wantCode("denied", k.classic(), 89507)
	post("confirm-ip", `{"ip":"127.0.0.1"}`)
	post("punish", `{"errcode":50002}`)
	k.wantCode("punished", k.classic(), 50002)
	post("punish", `{"errcode":0}`)
	token := k.wantToken("free again", k.classic()).token
	post("outsider", "")
	post("outsider-force", "")
	post("excuse", "")
	post("expire", "")
	post("revoke", "")
	if k.Valid(appID, token) {
		t.Error("the token outlived its end")
	}
	for path, want := range map[string]int{
		"/apps/wx-nobody/freeze": 400, "/apps/" + appID + "/dance": 404, "/apps/" + appID + "/punish": 200,
	} {
		if code := k.manage("POST", path, "", nil); code != want {
			t.Errorf("%s: got %d, want %d", path, code, want)
		}
	}
	if k.manage("POST", "/apps/"+appID+"/punish", `{"oops":1}`, nil) != 400 {
		t.Error("an unknown field was taken")
	}
}

func TestFaultsAndAppsByManagement(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	if code := k.manage("POST", "/faults", `{"mode":"errcode","errcode":45011,"path":"/cgi-bin/token","count":1,"delay":"1ms"}`, nil); code != 200 {
		t.Fatalf("got %d", code)
	}
	var list []Fault
	k.manage("GET", "/faults", "", &list)
	if len(list) != 1 || list[0].Mode != Errcode {
		t.Errorf("got %+v", list)
	}
	k.wantCode("by order", k.classic(), 45011)
	k.wantToken("once", k.classic())
	for _, bad := range []string{`{"mode":"dance"}`, `{}`, `{"mode":"reset","delay":"soon"}`, `{"mode":"reset","probability":7}`} {
		if k.manage("POST", "/faults", bad, nil) != 400 {
			t.Errorf("%s was taken", bad)
		}
	}
	k.manage("POST", "/faults", `{"mode":"empty"}`, nil)
	k.manage("DELETE", "/faults", "", nil)
	k.wantToken("cleared", k.classic())

	if k.manage("POST", "/apps", `{"appid":"wx-new","secret":"s","allow_ips":["10.0.0.0/8"]}`, nil) != 200 {
		t.Error("an app was not taken")
	}
	k.wantCode("new app", k.do("GET", classicURL("wx-new", "s"), ""), 40164)
}

func TestBrowsersCannotBeUsedToManage(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	r := httptest.NewRequest("POST", "/apps/"+appID+"/revoke", nil)
	r.Header.Set("Origin", "https://evil.example")
	w := httptest.NewRecorder()
	k.Management().ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("got %d, want 403", w.Code)
	}
}
