package wxsim

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRequest: no request makes the platform panic, answer anything but a JSON object with status
// 200, or issue a token without the secret.
func FuzzRequest(f *testing.F) {
	good := `{"grant_type":"client_credential","appid":"` + appID + `","secret":"s3cret-of-this-app"}`
	f.Add("GET", pathToken, "grant_type=client_credential&appid="+appID+"&secret=s3cret-of-this-app", "", "")
	f.Add("GET", pathToken, "grant_type=client_credential&appid="+appID+"&secret=%zz;", "", "a:b")
	f.Add("POST", pathStable, "", good, "127.0.0.1:1")
	f.Add("POST", pathStable, "force_refresh=true", `{"appid":null,"secret":[1],"force_refresh":1e9}`, "[::1%eth0]:80")
	f.Add("POST", pathClearV2, "appid="+appID+"&appsecret=x", "\xff\xfe{}", "")
	f.Add("GET", "/cgi-bin/user/info", "access_token=%00&openid=o", "", "")
	f.Add("POST", "/cgi-bin/openapi/rid/get", "access_token=x", `{"rid":"--"}`, "")
	f.Fuzz(func(t *testing.T, method, path, query, body, remote string) {
		s := New(Options{Quirks: DefaultQuirks &^ SlowAnswers, Seed: 1})
		must(t, s.AddApp(App{ID: appID, Secret: "s3cret-of-this-app"}))
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.RemoteAddr = method, remote
		r.URL = &url.URL{Path: path, RawQuery: query}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if strings.HasPrefix(path, "/connect/") {
			return // pages; FuzzAuthorize
		}
		var v map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || len(v) == 0 || w.Code != 200 {
			t.Fatalf("status %d, body %q", w.Code, w.Body)
		}
		if s.Issues(appID) > 0 && !strings.Contains(r.URL.Query().Get("secret")+body, "s3cret-of-this-app") && !strings.Contains(body, `\u`) {
			t.Fatalf("a token without the secret: %q", w.Body)
		}
		s.History()
		s.Violations()
	})
}
