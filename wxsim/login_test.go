package wxsim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sites is the rest of the world: handlers by host, reached without sockets.
type sites map[string]http.Handler

func (m sites) RoundTrip(r *http.Request) (*http.Response, error) {
	h := m[r.URL.Host]
	if h == nil {
		return nil, errors.New("no such host " + r.URL.Host)
	}
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	h.ServeHTTP(w, in)
	return w.Result(), nil
}

// TestWholeLoginInABubble is a site with a state, a cookie and a callback that may be fetched
// twice, and a user who clicks.
func TestWholeLoginInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := web(t, Options{Quirks: DefaultQuirks &^ (Busy | MixedDenials), Seed: 7})
		results := map[string]string{} // by state: what the exchange gave
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "login", Value: "S1"})
			http.Redirect(w, r, authorizeURL(scopeUserinfo), http.StatusFound)
		})
		mux.HandleFunc("/cb", func(w http.ResponseWriter, r *http.Request) {
			state := r.FormValue("state")
			if c, err := r.Cookie("login"); err != nil || c.Value != state {
				http.Error(w, "another browser", http.StatusForbidden)
				return
			}
			if results[state] == "" {
				l := k.exchange(appID, secret, r.FormValue("code"))
				results[state] = k.userinfo(l).Nickname
			}
			http.Redirect(w, r, "/welcome?"+url.QueryEscape(results[state]), http.StatusSeeOther)
		})
		mux.HandleFunc("/welcome", func(w http.ResponseWriter, r *http.Request) {
			name, _ := url.QueryUnescape(r.URL.RawQuery)
			io.WriteString(w, "你好，"+name)
		})
		b := k.phone()
		b.Transport, b.Twice = sites{site: mux}, true
		resp, err := b.Visit(t.Context(), "https://"+site+"/")
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		if string(body) != "你好，小明" || resp.Request.URL.Path != "/welcome" {
			t.Errorf("got %s at %s", body, resp.Request.URL)
		}
		if codes := k.Codes(appID); len(codes) != 1 || codes[0].Exchanges != 1 || k.Logins(appID) != 1 {
			t.Errorf("got %+v", codes)
		}
		k.wantRules("a good login")

		loop := http.NewServeMux()
		loop.Handle("/", http.RedirectHandler("/", http.StatusFound))
		b.Transport = sites{site: loop}
		if resp, err := b.Visit(t.Context(), "https://"+site+"/"); !errors.Is(err, errLost) {
			t.Errorf("a loop: got %v, %v", resp, err)
		}
		if _, err := b.Authorize(t.Context(), "https://"+site+"/"); err == nil {
			t.Error("a site is not the platform")
		}
	})
}

func TestWebAuthorizationByManagement(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	post := func(path, body string, want int) map[string]any {
		t.Helper()
		var v map[string]any
		if code := k.manage("POST", path, body, &v); code != want {
			t.Errorf("%s %s: got %d, %v", path, body, code, v)
		}
		return v
	}
	post("/users", `{"id":"zhao","nickname":"赵","headimgurl":"https://a.example/1"}`, 200)
	post("/users", `{"id":"zhao"}`, 400)
	post("/apps", `{"appid":"wx-new","secret":"s","type":"website","callback_domains":["a.example"],"open_platform":"op","denial":"none"}`, 200)
	post("/apps/"+appID+"/callback-domains", `{"hosts":["a.example","b.example"]}`, 200)
	post("/apps/"+appID+"/callback-domains", `{"hosts":["a.example:1"]}`, 400)
	post("/apps/"+appID+"/follow", `{"user":"zhao","on":true}`, 200)
	code, _ := post("/apps/"+appID+"/code", `{"user":"zhao","scope":"snsapi_userinfo"}`, 200)["code"].(string)
	l := k.exchange(appID, secret, code)
	if k.userinfo(l).Nickname != "赵" {
		t.Errorf("got %s", l.body)
	}
	post("/apps/"+appID+"/code", `{"user":"nobody","scope":"snsapi_base"}`, 400)
	post("/apps/"+appID+"/code", `{"oops":1}`, 400)
	post("/apps/"+appID+"/expire-user", `{"user":"zhao"}`, 200)
	k.wantCode("expired", k.userinfo(l).got, 42001)
	post("/users/zhao/change-password", ``, 200)
	post("/users/nobody/change-password", ``, 400)
	k.wantCode("broken", k.userinfo(l).got, 42007)
	var users []User
	k.manage("GET", "/users", "", &users)
	var codes []CodeInfo
	k.manage("GET", "/codes?appid="+appID, "", &codes)
	var tokens []UserTokenInfo
	k.manage("GET", "/user-tokens", "", &tokens)
	if len(users) != 4 || len(codes) != 1 || !codes[0].Used || codes[0].Value != code || len(tokens) != 1 || tokens[0].Value != l.Access || tokens[0].Alive {
		t.Errorf("got %+v, %+v, %+v", users, codes, tokens)
	}
}

// TestDeadLoginsAreForgotten keeps a long soak from filling the memory.
func TestDeadLoginsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := web(t, Options{})
		a := k.app(appID)
		for range keepGrants + keepCodes {
			s := k.newCode(a, "xiaoming", scopeBase, false, k.Now())
			k.newGrant(*s, k.Now())
			time.Sleep(time.Second)
		}
		p := &k.people
		if len(p.grants) > keepGrants || len(p.byAccess) > keepGrants || len(p.byRefresh) > keepGrants || len(p.codes) > keepCodes+1 || len(p.codeList) != len(p.codes) {
			t.Errorf("kept %d grants (%d, %d), %d codes", len(p.grants), len(p.byAccess), len(p.byRefresh), len(p.codes))
		}
	})
}

func TestFaultsApplyToWebAuthorization(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	code := k.code(appID, scopeBase)
	k.Fail(Fault{Path: pathExchange, Mode: LostAnswer, Count: 1})
	if l := k.exchange(appID, secret, code); l.err == nil || k.Logins(appID) != 1 {
		t.Errorf("lost: got %v, %d logins", l.err, k.Logins(appID))
	}
	k.wantCode("after a lost answer", k.exchange(appID, secret, code).got, 40163)
	k.wantRules("whoever lost the answer has lost the code", CodeTwice)

	k.Fail(Fault{Path: pathExchange, Mode: Outage, Count: 1})
	code = k.code(appID, scopeBase)
	k.exchange(appID, secret, code)
	if k.Exchanges(code) != 0 || k.exchange(appID, secret, code).Access == "" {
		t.Error("what was never sent used the code up")
	}
	k.wantRules("nothing had been sent")

	k.Fail(Fault{Path: pathExchange, Mode: OddExpiresIn, Value: `"7200"`, Count: 1})
	if l := k.exchange(appID, secret, k.code(appID, scopeBase)); !strings.Contains(l.body, `"expires_in":"7200"`) || !strings.Contains(l.body, `"openid":"o`) {
		t.Errorf("odd: got %s", l.body)
	}
	for _, mode := range []Mode{Reset, Status5xx, HTML, Empty, Truncated, Garbage, GzipBomb, SystemBusy} {
		k.Fail(Fault{Path: "/connect/", Mode: mode, Count: 1, After: true})
		if list, err := k.phone().Authorize(t.Context(), authorizeURL(scopeBase)); err == nil {
			t.Errorf("%v: got %v", mode, list)
		}
	}
	k.callback(k.phone(), authorizeURL(scopeBase))
}

func TestHistoryOfALoginHasNoSecrets(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	u := k.callback(k.phone(), authorizeURL(scopeUserinfo))
	code := u.Query().Get("code")
	l := k.exchange(appID, secret, code)
	k.userinfo(l)
	k.refresh(appID, l.Refresh)
	k.exchange(appID, secret, code)
	b, err := json.Marshal([]any{k.History(), k.Violations(), k.Apps()})
	must(t, err)
	for _, s := range []string{code, secret, l.Access, l.Refresh} {
		if strings.Contains(string(b), s) {
			t.Errorf("%q is in %s", s, b)
		}
	}
	h := k.History()
	h = h[len(h)-5:]
	for _, r := range h {
		if r.Lost {
			t.Errorf("nothing was lost: got %+v", r)
		}
	}
	if h[0].Code != shortHash(code) || !h[0].Issued || h[0].User != "xiaoming" || h[1].Code != h[0].Code || h[1].Token != shortHash(l.Access) || h[1].User != "xiaoming" || h[2].Token != h[1].Token || h[2].App != appID || h[4].Errcode != 40163 {
		t.Errorf("got %+v", h)
	}
}

func TestJudgeMindsTheAddress(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	k.callback(k.phone(), strings.TrimSuffix(authorizeURL(scopeBase), "#wechat_redirect"))
	k.wantRules("without the fragment", NoWechatRedirect)
	k.callback(k.phone(), authorizeURL(scopeBase, "S1", "S1&secret="+secret))
	k.wantRules("a secret in a browser", SecretInURL)
}
