package wxsim

import (
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const (
	site    = "site.example"
	siteApp = "wxaaaaaaaaaaaaaaaa" // a website
	miniApp = "wxbbbbbbbbbbbbbbbb" // a mini program
)

// web is a platform with an app of each type that can log in.
func web(t *testing.T, o Options) *kit {
	t.Helper()
	if o.Quirks == 0 {
		o.Quirks = StrictOrder | StrictState
	}
	s := New(o)
	must(t, s.AddApp(App{ID: appID, Secret: secret, CallbackDomains: []string{site}}))
	must(t, s.AddApp(App{ID: siteApp, Secret: secret, Type: Website, CallbackDomains: []string{site}, OpenPlatform: "op"}))
	must(t, s.AddApp(App{ID: miniApp, Secret: secret, Type: MiniProgram, OpenPlatform: "op"}))
	return &kit{T: t, Sim: s, tr: s.Transport()}
}

// authorizeURL is an address as it should be, with what a test wants changed in its query.
func authorizeURL(scope string, change ...string) string {
	path := pathAuthorize
	app := appID
	if scope == scopeLogin {
		path, app = pathQRConnect, siteApp
	}
	q := "appid=" + app + "&redirect_uri=" + url.QueryEscape("https://"+site+"/cb") + "&response_type=code&scope=" + scope + "&state=S1"
	return "https://" + pagesHost + path + "?" + strings.NewReplacer(change...).Replace(q) + "#wechat_redirect"
}

func (k *kit) phone() *Browser { return &Browser{Sim: k.Sim, User: "xiaoming"} }

// callback lets a phone open an address and expects it to come back.
func (k *kit) callback(b *Browser, address string) *url.URL {
	k.Helper()
	list, err := b.Authorize(k.Context(), address)
	if err != nil || len(list) == 0 {
		k.Fatalf("%s: got %v, %v; want a callback", address, list, err)
	}
	u, err := url.Parse(list[0])
	must(k.T, err)
	return u
}

// refused lets a phone open an address and expects a page.
func (k *kit) refused(b *Browser, address string) *PageError {
	k.Helper()
	list, err := b.Authorize(k.Context(), address)
	var e *PageError
	if !errors.As(err, &e) {
		k.Fatalf("%s: got %v, %v; want a page", address, list, err)
	}
	return e
}

var codeShape = regexp.MustCompile(`^0[0-9][13][A-Za-z0-9]{29}$`)

func TestBaseScopeIsSilent(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	b := k.phone()
	b.Deny = true // nobody asks
	u := k.callback(b, authorizeURL(scopeBase))
	if u.Host != site || u.Path != "/cb" || !codeShape.MatchString(u.Query().Get("code")) || !strings.HasSuffix(u.RawQuery, "&state=S1") {
		t.Errorf("got %s", u)
	}
	k.wantRules("a good address")
}

func TestUserinfoAsksUnlessAFollowerComesFromTheMenu(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	b := k.phone()
	b.Deny = true
	if u := k.callback(b, authorizeURL(scopeUserinfo)); u.RawQuery != "state=S1" {
		t.Errorf("a stranger was not asked: got %s", u)
	}
	must(t, k.Follow(appID, "xiaoming", true))
	if u := k.callback(b, authorizeURL(scopeUserinfo)); u.Query().Has("code") {
		t.Errorf("a follower who comes by a link was not asked: got %s", u)
	}
	b.Entry = FromMenu
	if u := k.callback(b, authorizeURL(scopeUserinfo)); !u.Query().Has("code") {
		t.Errorf("a follower who comes from the menu was asked: got %s", u)
	}
	if u := k.callback(b, authorizeURL(scopeUserinfo, "state=S1", "state=S1&forcePopup=true")); u.Query().Has("code") {
		t.Errorf("forcePopup did not ask: got %s", u)
	}
	must(t, k.Follow(appID, "xiaoming", false))
	if u := k.callback(b, authorizeURL(scopeUserinfo)); u.Query().Has("code") {
		t.Errorf("who follows no longer was not asked: got %s", u)
	}
	b.Deny = false
	if u := k.callback(b, authorizeURL(scopeUserinfo)); !codeShape.MatchString(u.Query().Get("code")) {
		t.Errorf("a yes gave no code: got %s", u)
	}
}

func TestWebsiteLoginIsScannedAndAsked(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	if u := k.callback(k.phone(), authorizeURL(scopeLogin)); !codeShape.MatchString(u.Query().Get("code")) || u.Query().Get("state") != "S1" {
		t.Errorf("got %s", u)
	}
	no := k.phone()
	no.Deny = true
	if u := k.callback(no, authorizeURL(scopeLogin)); u.RawQuery != "state=S1" {
		t.Errorf("no: got %s", u)
	}
	if e := k.refused(&Browser{Sim: k.Sim, User: "nobody"}, authorizeURL(scopeLogin)); e.Page != "scan" {
		t.Errorf("a stranger: got %v", e)
	}
}

func TestDenialComesBackInEveryForm(t *testing.T) {
	t.Parallel()
	for denial, want := range map[Denial]string{"": "state=S1", DenialState: "state=S1", DenialCode: "state=S1&code=authdeny&reason="} {
		k := web(t, Options{})
		must(t, k.AddApp(App{ID: "wx-deny", Secret: "s", CallbackDomains: []string{site}, Denial: denial}))
		b := k.phone()
		b.Deny = true
		if u := k.callback(b, authorizeURL(scopeUserinfo, appID, "wx-deny")); u.RawQuery != want {
			t.Errorf("%q: got %s, want %s", denial, u, want)
		}
	}
	k := web(t, Options{})
	must(t, k.AddApp(App{ID: "wx-deny", Secret: "s", CallbackDomains: []string{site}, Denial: DenialSilent}))
	b := k.phone()
	b.Deny = true
	if e := k.refused(b, authorizeURL(scopeUserinfo, appID, "wx-deny")); e.Page != "denied" || e.Code != 0 {
		t.Errorf("no redirect: got %v", e)
	}

	k = web(t, Options{Quirks: MixedDenials})
	b = k.phone()
	b.Deny = true
	forms := map[string]bool{}
	for range 200 {
		list, err := b.Authorize(t.Context(), authorizeURL(scopeUserinfo))
		if err != nil {
			forms["page"] = true
			continue
		}
		forms[list[0]] = true
	}
	if len(forms) != 3 {
		t.Errorf("MixedDenials: got %v", forms)
	}
}

func TestErrorPages(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	must(t, k.AddApp(App{ID: "wx-sub", Secret: "s", Type: Subscription, CallbackDomains: []string{site}}))
	must(t, k.AddApp(App{ID: "wx-test", Secret: "s", Sandbox: true, CallbackDomains: []string{site}}))
	must(t, k.AddApp(App{ID: "wx-bad", Secret: "s", CallbackDomains: []string{site}}))
	must(t, k.Punish("wx-bad", 48004))
	cb := url.QueryEscape("https://" + site + "/cb")
	to := func(redirect string) []string { return []string{cb, url.QueryEscape(redirect)} }
	for _, c := range []struct {
		name   string
		scope  string
		change []string
		want   int
	}{
		{"another host", scopeBase, to("https://evil.example/cb"), 10003},
		{"a subdomain", scopeBase, to("https://a." + site + "/cb"), 10003},
		{"a port", scopeBase, to("https://" + site + ":443/cb"), 10003},
		{"a user", scopeBase, to("https://" + site + "@evil.example/cb"), 10003},
		{"a name before the host", scopeBase, to("https://x@" + site + "/cb"), 10003},
		{"a backslash", scopeBase, to(`https://` + site + `\@evil.example/cb`), 10003},
		{"a scheme", scopeBase, to("javascript://" + site + "/%0aalert(1)"), 10003},
		{"no scheme", scopeBase, to("//" + site + "/cb"), 10003},
		{"a broken escape", scopeBase, []string{cb, "https%zz"}, 10003},
		{"banned", scopeBase, []string{appID, "wx-bad"}, 10004},
		{"a subscription account", scopeBase, []string{appID, "wx-sub"}, 10005},
		{"a mini program", scopeBase, []string{appID, miniApp}, 10005},
		{"a website's scope", scopeBase, []string{scopeBase, scopeLogin}, 10005},
		{"not a follower", scopeBase, []string{appID, "wx-test"}, 10006},
		{"no scope", scopeBase, []string{scopeBase, ""}, 10010},
		{"no redirect_uri", scopeBase, []string{cb, ""}, 10011},
		{"no appid", scopeBase, []string{appID, ""}, 10012},
		{"no state", scopeBase, []string{"&state=S1", ""}, 10013},
		{"an empty state", scopeBase, []string{"S1", ""}, 10013},
		{"a third party", scopeBase, []string{"S1", "S1&component_appid=wx1"}, 10015},
		{"a website", scopeBase, []string{appID, siteApp}, 10016},
		{"an unknown app", scopeBase, []string{appID, "wx-nobody"}, pageAppID},
		{"a name in capitals", scopeBase, []string{"appid=", "AppID="}, pageOrder},
		{"another type", scopeBase, []string{"=code", "=token"}, pageResponseType},
		{"a bad state", scopeBase, []string{"S1", "a-b"}, pageState},
		{"a long state", scopeBase, []string{"S1", strings.Repeat("a", 129)}, pageState},
		{"another order", scopeBase, []string{"&response_type=code", "", "S1", "S1&response_type=code"}, pageOrder},
		{"twice", scopeBase, []string{"S1", "S1&state=S2"}, pageOrder},
		{"an account on the website's page", scopeLogin, []string{siteApp, appID}, 10005},
		{"another host on the website's page", scopeLogin, to("https://evil.example/"), 10003},
	} {
		e := k.refused(k.phone(), authorizeURL(c.scope, c.change...))
		if e.Page != "error" || e.Code != c.want || e.Text == "" {
			t.Errorf("%s: got %d %q, want %d", c.name, e.Code, e.Text, c.want)
		}
	}
	if e := k.refused(k.phone(), authorizeURL(scopeLogin, siteApp, appID)); e.Text != "Scope 参数错误或没有 Scope 权限" {
		t.Errorf("the website's page shows numbers: %q", e.Text)
	}
	must(t, k.Follow("wx-test", "xiaoming", true))
	k.callback(k.phone(), authorizeURL(scopeBase, appID, "wx-test"))

	k.Fail(Fault{Path: "/connect/", Mode: Errcode, Errcode: 10009, Count: 1})
	if e := k.refused(k.phone(), authorizeURL(scopeBase)); e.Code != 10009 {
		t.Errorf("too frequent: got %v", e)
	}
	r, err := k.tr.RoundTrip(httptest.NewRequest("GET", strings.TrimSuffix(authorizeURL(scopeBase, "S1", ""), "#wechat_redirect"), nil))
	must(t, err)
	if r.StatusCode != 200 || r.Header.Get("Location") != "" || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Errorf("an error page is HTML with status 200: got %d, %v", r.StatusCode, r.Header)
	}
	if h := k.History(); h[len(h)-1].Errcode != 10013 {
		t.Errorf("history: got %+v", h[len(h)-1])
	}
}

func TestStrictnessHasKnobs(t *testing.T) {
	t.Parallel()
	k := web(t, Options{Quirks: NoQuirks})
	for _, change := range [][]string{
		{"&response_type=code", "", "S1", "S1&response_type=code"}, {"S1", strings.Repeat("%E4%BD%A0", 500)}, {"S1", ""}, {"&state=S1", ""},
	} {
		k.callback(k.phone(), authorizeURL(scopeBase, change...))
	}
	k = web(t, Options{Quirks: WeChatOnly})
	k.callback(k.phone(), authorizeURL(scopeBase))
	b := k.phone()
	b.UserAgent = "Mozilla/5.0 (X11; Linux x86_64)"
	if e := k.refused(b, authorizeURL(scopeBase)); e.Text != "请在微信客户端打开链接" || e.Code != pageOutside {
		t.Errorf("got %v", e)
	}
	k.callback(b, authorizeURL(scopeLogin)) // websites are for any browser
}

func TestParametersThatWeChatAddsComeLast(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	k.callback(k.phone(), authorizeURL(scopeBase, "S1", "S1&connect_redirect=1&uin=MQ%3D%3D&key=x&version=1"))
	if e := k.refused(k.phone(), authorizeURL(scopeBase, "appid=", "connect_redirect=1&appid=")); e.Code != pageOrder {
		t.Errorf("before: got %v", e)
	}
}

// The address that comes back: the query before the fragment, behind one that is there, and the
// state as it was sent.
func TestCallbackAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ redirect, state, want string }{
		{"https://site.example", "s", "https://site.example?code=C&state=s"},
		{"https://site.example/p/#/route", "s", "https://site.example/p/?code=C&state=s#/route"},
		{"https://site.example/p?a=1&b=%20#x?y", "s", "https://site.example/p?a=1&b=%20&code=C&state=s#x?y"},
		{"https://site.example/p?", "s", "https://site.example/p?code=C&state=s"},
		{"https://site.example/p?a&", "s", "https://site.example/p?a&code=C&state=s"},
		{"https://site.example/p#", "s", "https://site.example/p?code=C&state=s#"},
		{"https://site.example/p", "a+b%20c%2fD%C3%a9'\"<", "https://site.example/p?code=C&state=a+b%20c%2fD%C3%a9'\"<"},
		{"https://site.example/\u4f60 x\r\n", "s", "https://site.example/%E4%BD%A0%20x%0D%0A?code=C&state=s"},
	} {
		if got := callbackOf(c.redirect, "code=C&state="+c.state); got != c.want {
			t.Errorf("%s: got %s, want %s", c.redirect, got, c.want)
		}
	}
	for _, quirk := range []Quirk{NoQuirks, DoubleFetch} {
		k := web(t, Options{Quirks: quirk})
		for range 20 {
			list, err := k.phone().Authorize(t.Context(), authorizeURL(scopeBase, "S1", `x+y%20z%2f%2F'%22%3C/script%3E&lang=cn`))
			must(t, err)
			if !strings.HasSuffix(list[0], `&state=x+y%20z%2f%2F'%22%3C/script%3E`) {
				t.Fatalf("the state changed: %s", list[0])
			}
		}
	}
}

func TestCallbackIsFetchedTwice(t *testing.T) {
	t.Parallel()
	k := web(t, Options{Quirks: DoubleFetch})
	twice := 0
	for range 200 {
		list, err := k.phone().Authorize(t.Context(), authorizeURL(scopeBase))
		must(t, err)
		if len(list) == 2 && list[0] == list[1] {
			twice++
		}
	}
	if twice == 0 || twice == 200 {
		t.Errorf("got %d of 200", twice)
	}
	k = web(t, Options{})
	b := k.phone()
	b.Twice = true
	if list, err := b.Authorize(t.Context(), authorizeURL(scopeBase)); err != nil || len(list) != 2 || list[0] != list[1] {
		t.Errorf("Twice: got %v, %v", list, err)
	}
}

func TestNoBrowserKeepsARedirect(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	r := httptest.NewRequest("GET", strings.TrimSuffix(authorizeURL(scopeBase), "#wechat_redirect"), nil)
	r.AddCookie(&http.Cookie{Name: userCookie, Value: "xiaoming"})
	resp, err := k.tr.RoundTrip(r)
	must(t, err)
	if resp.StatusCode != http.StatusFound || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d, %v", resp.StatusCode, resp.Header)
	}
}

// TestPersonClicksThrough drives the pages over sockets with nothing but cookies, links and forms,
// below a path.
func TestPersonClicksThrough(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	mux := http.NewServeMux()
	mux.Handle("/below/", http.StripPrefix("/below", k.Sim))
	v := httptest.NewServer(mux)
	t.Cleanup(v.Close)
	address := strings.Replace(strings.TrimSuffix(authorizeURL(scopeUserinfo), "#wechat_redirect"), "https://"+pagesHost, v.URL+"/below", 1)
	cookies := map[string]string{}
	send := func(method, address string, form url.Values) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(form.Encode()))
		must(t, err)
		for name, value := range cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		must(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		must(t, err)
		for _, c := range resp.Cookies() {
			if cookies[c.Name] = c.Value; c.MaxAge < 0 {
				delete(cookies, c.Name)
			}
		}
		return resp, string(b)
	}
	is := func(body, id string) {
		t.Helper()
		if found(pageID, body) != id || strings.Contains(body, "action=") || strings.Contains(body, `href="/`) {
			t.Errorf("want the page %s without absolute links, got %s", id, body)
		}
	}
	_, body := send("GET", address, nil)
	is(body, "users")
	if !strings.Contains(body, "小明") || !strings.Contains(body, "width=device-width") {
		t.Errorf("got %s", body)
	}
	resp, _ := send("POST", address, url.Values{"user": {"xiaohong"}, "entry": {"menu"}})
	back, err := resp.Location()
	if err != nil || back.String() != address || cookies[userCookie] != "xiaohong" || cookies[entryCookie] != "menu" {
		t.Fatalf("got %v, %v, %v", back, err, cookies)
	}
	_, body = send("GET", address, nil)
	is(body, "consent")
	send("POST", address, url.Values{"user": {""}})
	_, body = send("GET", address, nil)
	is(body, "users")
	send("POST", address, url.Values{"user": {"laowang"}})
	resp, _ = send("POST", address, url.Values{"answer": {"allow"}})
	if to, err := resp.Location(); err != nil || to.Host != site || resp.StatusCode != http.StatusSeeOther {
		t.Errorf("got %v, %v", to, err)
	}
	_, body = send("GET", v.URL+"/below/connect/users", nil)
	is(body, "users")
	if resp, _ := send("POST", v.URL+"/below/connect/users", url.Values{"user": {"nobody"}, "entry": {"elsewhere"}}); resp.StatusCode != http.StatusSeeOther || len(cookies) != 0 {
		t.Errorf("nobody holds the phone: got %d, %v", resp.StatusCode, cookies)
	}
	if codes := k.Codes(appID); len(codes) != 1 || codes[0].User != "laowang" || codes[0].Scope != scopeUserinfo {
		t.Errorf("got %+v", codes)
	}
}

func TestPagesHaveAHostOfTheirOwn(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	for address, want := range map[string]int{
		"https://" + pagesHost + "/connect/users":              0,
		"https://127.0.0.1:8780/connect/users":                 0,
		"https://api.weixin.qq.com/connect/users":              40066,
		"https://sh.api.weixin.qq.com/connect/users":           40066,
		"https://api2.weixin.qq.com/connect/users":             40066,
		"https://" + pagesHost + "/sns/auth":                   40066,
		"https://" + pagesHost + "/cgi-bin/token":              40066,
		"https://127.0.0.1:8780/sns/oauth2/access_token":       41002,
		"https://hk.api.weixin.qq.com/sns/oauth2/access_token": 41002,
	} {
		resp, err := k.tr.RoundTrip(httptest.NewRequest("GET", address, nil))
		must(t, err)
		b, err := io.ReadAll(resp.Body)
		must(t, err)
		if got := parse(b).errcode; got != want {
			t.Errorf("%s: got %d, want %d", address, got, want)
		}
	}
	k.wantRules("the pages' host is WeChat's")
}

func TestUsers(t *testing.T) {
	t.Parallel()
	k := web(t, Options{})
	must(t, k.AddUser(User{ID: "zhang_3"}))
	if u := k.Users(); len(u) != 4 || u[3].Nickname != "zhang_3" {
		t.Errorf("got %+v", u)
	}
	for _, id := range []string{"", "zhang_3", "a b", "a;b", strings.Repeat("a", 65)} {
		if k.AddUser(User{ID: id}) == nil {
			t.Errorf("%q was taken", id)
		}
	}
	id := OpenID(appID, "zhang_3")
	if len(id) != 28 || id[0] != 'o' || id == OpenID(siteApp, "zhang_3") || id != OpenID(appID, "zhang_3") || UnionID("op", "zhang_3") == id {
		t.Errorf("got %q", id)
	}
	for name, err := range map[string]error{
		"follow": k.Follow(appID, "nobody", true), "follow app": k.Follow("x", "zhang_3", true), "password": k.ChangePassword("nobody"),
		"expire": k.ExpireUser(appID, "nobody"), "expire app": k.ExpireUser("x", "zhang_3"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := k.Code("x", "zhang_3", scopeBase); err == nil {
		t.Error("a code of no app")
	}
	if _, err := k.Code(appID, "zhang_3", "email"); err == nil {
		t.Error("a code of no scope")
	}
	for _, cfg := range []App{{Type: "bot"}, {Denial: "maybe"}, {CallbackDomains: []string{"a.b:80"}}} {
		cfg.ID, cfg.Secret = "wx-odd", "s"
		if k.AddApp(cfg) == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

// FuzzAuthorize: no query makes a page anything but HTML, or sends a browser anywhere but to the
// callback domain.
func FuzzAuthorize(f *testing.F) {
	for _, address := range []string{authorizeURL(scopeBase), authorizeURL(scopeUserinfo), authorizeURL(scopeLogin)} {
		_, q, _ := strings.Cut(address, "?")
		q, _, _ = strings.Cut(q, "#")
		f.Add(q, "answer=allow")
	}
	f.Add("appid="+appID+"&redirect_uri=https%3A%2F%2Fsite.example%5C@evil.example&response_type=code&scope=snsapi_base&state=%00", "user=xiaoming&entry=menu")
	f.Add("appid=%zz&&=&redirect_uri=;a&state=\"></script>\r\n", "user=&answer=deny")
	f.Add("appid="+appID+"&redirect_uri=http://site.example/%25%0a?x#y&response_type=code&scope=snsapi_userinfo&state=\xff\x00 ", "answer=allow")
	f.Fuzz(func(t *testing.T, query, form string) {
		for _, quirks := range []Quirk{NoQuirks, DefaultQuirks &^ SlowAnswers} {
			s := New(Options{Quirks: quirks, Seed: 1})
			must(t, s.AddApp(App{ID: appID, Secret: secret, CallbackDomains: []string{site}}))
			must(t, s.AddApp(App{ID: siteApp, Secret: secret, Type: Website, CallbackDomains: []string{site}}))
			for _, path := range []string{pathAuthorize, pathQRConnect} {
				for _, method := range []string{"GET", "POST"} {
					r := httptest.NewRequest(method, "/", strings.NewReader(form))
					r.URL = &url.URL{Path: path, RawQuery: query}
					r.AddCookie(&http.Cookie{Name: userCookie, Value: "xiaoming"})
					w := httptest.NewRecorder()
					s.ServeHTTP(w, r)
					to := w.Header().Get("Location")
					if to == "" {
						if w.Code != 200 || !strings.HasPrefix(w.Body.String(), "<!doctype html>") {
							t.Fatalf("status %d, body %q", w.Code, w.Body)
						}
						to = html.UnescapeString(found(pageNext, w.Body.String()))
					}
					if to == "" || strings.HasPrefix(to, "?") {
						continue // no redirect, or one to the same page
					}
					u, err := url.Parse(to)
					if err != nil || !strings.EqualFold(u.Host, site) || u.User != nil || strings.ContainsAny(to, "\r\n\x00 ") {
						t.Fatalf("sent to %q: %v", to, err)
					}
					if before, _, _ := strings.Cut(to, "?"); strings.Contains(before, `\`) {
						t.Fatalf("browsers read the host of %q in other ways", to)
					}
					if state := readRequest(query).state; !strings.Contains(to, "state="+inHeader(state)) {
						t.Fatalf("the state %q is not in %q", state, to)
					}
				}
			}
		}
	})
}
