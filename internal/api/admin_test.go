package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/wxsim"
)

// addClient adds a client of the shop's at run time.
func (w *world) addClient(name string) (key string) {
	w.t.Helper()
	k, sum := access.NewKey()
	w.keys[name] = k.Reveal()
	body := fmt.Sprintf(`{"key_sha256":[%q],"apps":[%q],"allow":["token"],"tokens":"real"}`, config.KeyHash(sum), shop)
	a := w.ask("PUT", "/v1/clients/"+name, "operator", body)
	if a.status != 200 {
		w.t.Fatalf("%d %s", a.status, a.body)
	}
	if strings.Contains(a.body, k.Reveal()) {
		w.t.Errorf("the key stands in %s", a.body)
	}
	return k.Reveal()
}

func TestAppAtRunTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	must(t, w.sim.AddApp(wxsim.App{ID: "wxnew00000000000", Secret: "1f1e2d3c4b5a69788796a5b4c3d2e1f1"}))
	a := w.ask("PUT", "/v1/apps/wxnew00000000000", "operator", `{"secret":"1f1e2d3c4b5a69788796a5b4c3d2e1f1","name":"new"}`)
	if a.status != 200 || strings.Contains(a.body, "1f1e2d3c") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	want := map[string]any{"appid": "wxnew00000000000", "name": "new", "source": "stable", "type": "official_account", "daily_quota": 2000.0}
	if diff := cmp.Diff(want, a.json(t)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// The keeper hears of it a moment later.
	w.until("the new app's token", func() bool { return w.ask("GET", path("wxnew00000000000"), "operator", "").status == 200 })
	if a := w.ask("DELETE", "/v1/apps/wxnew00000000000", "operator", ""); a.status != 204 || a.body != "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.until("its end", func() bool { return w.ask("GET", path("wxnew00000000000"), "operator", "").status == 404 })
	if a := w.ask("DELETE", "/v1/apps/wxnew00000000000", "operator", ""); a.status != 404 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, act := range []string{"put_app", "delete_app"} {
		if n := w.recorded("action", act, "app", "wxnew00000000000", "decision", "allowed"); n == 0 {
			t.Errorf("%s is not recorded", act)
		}
	}
}

// until waits for what happens in its own time.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			w.t.Fatalf("in vain for %s", what)
		}
	}
}

func TestClientAtRunTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	old := w.addClient("late")
	w.value("late")
	w.addClient("late") // with another key
	w.value("late")
	if a := w.ask("GET", path(shop), "", "", "Authorization", "Bearer "+old); a.status != 401 {
		t.Errorf("the key that was replaced: %d", a.status)
	}
	body := fmt.Sprintf(`{"key_sha256":[%q],"apps":["*"],"allow":["token"]}`, config.HashKey(credential.NewSecret(w.keys["late"])))
	if a := w.ask("PUT", "/v1/clients/twin", "operator", body); a.status != 409 || a.json(t)["code"] != "key_taken" {
		t.Errorf("a key of another's: %d %s", a.status, a.body)
	}
	for range 2 {
		w.ask("DELETE", "/v1/clients/late", "operator", "")
	}
	if a := w.ask("DELETE", "/v1/clients/late", "operator", ""); a.status != 404 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestDeclaredOnesAreReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for _, test := range [][2]string{
		{"PUT", "/v1/apps/" + shop}, {"DELETE", "/v1/apps/" + shop}, {"PUT", "/v1/clients/real"}, {"DELETE", "/v1/clients/real"},
	} {
		body := `{"secret":"0123456789abcdef0123456789abcdef"}`
		if strings.Contains(test[1], "clients") {
			body = fmt.Sprintf(`{"key_sha256":[%q],"apps":["*"],"allow":["token"]}`, strings.Repeat("5e", 32))
		}
		if a := w.ask(test[0], test[1], "operator", body); a.status != 409 || a.json(t)["code"] != "declared" || a.json(t)["hint"] == nil {
			t.Errorf("%s %s: %d %s", test[0], test[1], a.status, a.body)
		}
	}
	for _, act := range []string{"put_app", "delete_app", "put_client", "delete_client"} {
		if w.recorded("action", act) != 0 {
			t.Errorf("%s is recorded and was not done", act)
		}
	}
	w.value("real")
}

func TestWhatIsRecordedAsAllowedMakesSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	sum := strings.Repeat("5e", 32)
	login := `{"key_sha256":[%q],"apps":["*"],"allow":["login"],"redirect_uris":["https://shop.example.com/*"]}`
	for _, test := range []struct {
		path, body string
		status     int
		code       string
	}{
		{"/v1/clients/x", `rubbish`, 400, "invalid"},
		{"/v1/clients/x", `{"name":"y","key_sha256":["` + sum + `"],"apps":["*"],"allow":["token"]}`, 400, "bad_request"},
		{"/v1/clients/x", `{"key_sha256":["` + sum + `"],"apps":["*"],"allow":["everything"]}`, 400, "invalid"},
		{"/v1/clients/x", `{"key_sha256":["` + config.HashKey(credential.NewSecret(w.keys["real"])).String() + `"],"apps":["*"],"allow":["token"]}`, 409, "key_taken"},
		{"/v1/clients/site", fmt.Sprintf(login, sum), 200, ""},
		{"/v1/clients/x", fmt.Sprintf(login, strings.Repeat("5f", 32)), 409, "redirect_taken"},
		{"/v1/apps/wx9", `{"sorce":"stable"}`, 400, "invalid"},
	} {
		a := w.ask("PUT", test.path, "operator", test.body)
		if code, _ := a.json(t)["code"].(string); a.status != test.status || test.status != 200 && code != test.code {
			t.Errorf("PUT %s %s: %d %s, want %d %s", test.path, test.body, a.status, a.body, test.status, test.code)
		}
	}
	if n := w.recorded("action", "put_client") + w.recorded("action", "put_app"); n != 1 {
		t.Errorf("%d records, want the one of what was done", n)
	}
	want := map[string]any{"apps": []any{"*"}, "allow": []any{"login"}, "tokens": "phantom", "keys": []any{"5e5e5e5e"}}
	records := w.records()
	if diff := cmp.Diff(want, records[len(records)-1]["granted"]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNobodyGivesMoreThanTheyHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	sum := strings.Repeat("5e", 32)
	client := func(apps string) string {
		return fmt.Sprintf(`{"key_sha256":[%q],"apps":[%s],"allow":["token","admin"],"tokens":"real"}`, sum, apps)
	}
	for _, test := range []struct {
		client, method, path, body string
		want                       int
	}{
		{"real", "PUT", "/v1/clients/x", client(`"` + shop + `"`), 403},
		{"real", "PUT", "/v1/clients/x", `rubbish`, 403},
		{"real", "DELETE", "/v1/clients/real", "", 403},
		{"real", "PUT", "/v1/apps/" + shop, `{}`, 403},
		{"manager", "PUT", "/v1/clients/x", client(`"*"`), 403},
		{"manager", "PUT", "/v1/clients/x", client(`"` + other + `"`), 403},
		{"manager", "PUT", "/v1/apps/" + other, `{"secret":"0123456789abcdef0123456789abcdef"}`, 404},
		{"manager", "DELETE", "/v1/apps/" + other, "", 404},
		{"manager", "DELETE", "/v1/clients/operator", "", 403},
		{"manager", "PUT", "/v1/clients/x", client(`"` + shop + `"`), 200},
		{"operator", "PUT", "/v1/clients/x", client(`"*"`), 200},
		{"manager", "PUT", "/v1/clients/x", client(`"` + shop + `"`), 403}, // for it is a client of all apps by now
	} {
		if a := w.ask(test.method, test.path, test.client, test.body); a.status != test.want {
			t.Errorf("%s: %s %s %s: %d %s, want %d", test.client, test.method, test.path, test.body, a.status, a.body, test.want)
		}
	}
}

func TestEveryRouteWantsAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for _, route := range []string{
		"GET /v1/apps", "GET " + path(shop), "POST " + path(shop) + "/report", "POST " + path(shop) + "/renew",
		"PUT /v1/apps/" + shop, "DELETE /v1/apps/" + shop, "PUT /v1/clients/real", "DELETE /v1/clients/real",
	} {
		method, target, _ := strings.Cut(route, " ")
		for _, key := range []string{"", "Bearer " + wrongly, "Basic aHVmdTpodWZ1"} {
			var headers []string
			if key != "" {
				headers = []string{"Authorization", key}
			}
			if a := w.ask(method, target, "", "", headers...); a.status != 401 && a.status != 429 {
				t.Errorf("%s with %q: %d %s", route, key, a.status, a.body)
			}
		}
		if a := w.ask("PATCH", target, "operator", ""); a.status != 405 || a.header.Get("Allow") == "" {
			t.Errorf("PATCH %s: %d %s", target, a.status, a.body)
		}
		if a := w.ask("HEAD", target, "operator", ""); a.status != 405 {
			t.Errorf("HEAD %s: %d", target, a.status)
		}
	}
}

func TestListShowsWhatAClientMayUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.value("real")
	a := w.ask("GET", "/v1/apps", "real", "")
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	apps := a.json(t)["apps"].([]any)
	if len(apps) != 1 {
		t.Fatalf("%s", a.body)
	}
	first := apps[0].(map[string]any)
	c := first["credentials"].([]any)[0].(map[string]any)
	for _, key := range []string{"issued_at", "expires_at", "next_at", "budget_left"} {
		if c[key] == nil {
			t.Errorf("no %s in %s", key, a.body)
		}
		delete(c, key)
	}
	want := map[string]any{
		"app": shop, "name": shop, "type": "official_account", "source": "stable", "declared": true,
		"credentials": []any{map[string]any{
			"kind": "access_token", "state": "fresh", "live": true, "in_doubt": false, "source": "stable", "generation": 1.0,
		}},
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestListSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{first: func(s *wxsim.Sim) error { return s.ResetSecret(shop, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff") }})
	w.until("the wrong secret", func() bool {
		a := w.ask("GET", "/v1/apps", "real", "")
		c := a.json(t)["apps"].([]any)[0].(map[string]any)["credentials"].([]any)[0].(map[string]any)
		f, _ := c["failure"].(map[string]any)
		return c["state"] == "blocked" && f["errcode"] == 40125.0 && f["hint"] != nil && f["class"] == "block"
	})
}

func TestListIsPaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	var want []string
	for i := range 5 {
		id := fmt.Sprintf("wxpage%d", i)
		want = append(want, id)
		if a := w.ask("PUT", "/v1/apps/"+id, "operator", `{"secret":"0123456789abcdef0123456789abcdef"}`); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	want = append([]string{shop, other}, want...)
	for _, limit := range []string{"1", "2", "3", "7", "99999"} {
		var got []string
		cursor := ""
		for {
			m := w.ask("GET", "/v1/apps?limit="+limit+"&cursor="+cursor, "operator", "").json(t)
			for _, app := range m["apps"].([]any) {
				got = append(got, app.(map[string]any)["app"].(string))
			}
			next, more := m["next"].(string)
			if !more {
				break
			}
			cursor = next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("limit %s (-want +got):\n%s", limit, diff)
		}
	}
	if m := w.ask("GET", "/v1/apps?cursor="+shop, "real", "").json(t); len(m["apps"].([]any)) != 0 {
		t.Errorf("after its last app a client sees %v", m)
	}
}

func TestWithoutTheStoreNothingIsChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.value("real")
	must(t, w.store.Close())
	a := w.ask("PUT", "/v1/apps/wx9", "operator", `{"secret":"0123456789abcdef0123456789abcdef"}`)
	if a.status != http.StatusServiceUnavailable || a.json(t)["code"] != "store_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if w.recorded("action", "put_app", "app", "wx9", "decision", "allowed") != 1 || w.recorded("action", "put_app", "app", "wx9", "decision", "failed") != 1 {
		t.Error("it is not recorded that it failed")
	}
	w.value("real") // G2: and what is live is still served
}
