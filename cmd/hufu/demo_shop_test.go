package main

import (
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/hufu-project/hufu/wxsim"
)

// neverBusy is for tests that look at one step of a login: a WeChat that is busy
// makes Hufu go two steps back.
const neverBusy = demoQuirks &^ wxsim.Busy

// visitor is somebody with a phone who visits the demo's shop.
type visitor struct {
	*testing.T
	d     *demonstration
	phone *wxsim.Browser
}

// seen is a page of the shop.
type seen struct {
	status  int
	address *url.URL
	body    string
}

func visit(t *testing.T, d *demonstration, user string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, d, &wxsim.Browser{Sim: d.sim, User: user, Host: strings.TrimPrefix(d.wechat.APIURL(), "http://"), Jar: jar}}
}

// open opens an address and goes wherever it is sent.
func (v *visitor) open(address string) seen {
	v.Helper()
	resp, err := v.phone.Visit(v.Context(), address)
	if err != nil {
		v.Fatal(err)
	}
	return v.read(resp)
}

func (v *visitor) read(resp *http.Response) seen {
	v.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.Fatal(err)
	}
	return seen{resp.StatusCode, resp.Request.URL, string(body)}
}

func (v *visitor) login(scope string) seen {
	v.Helper()
	return v.open(v.d.shop.url + "/login?scope=" + scope)
}

// hop fetches one address and gives the one that it leads to.
func (v *visitor) hop(address string) string {
	v.Helper()
	req, err := http.NewRequestWithContext(v.Context(), http.MethodGet, address, nil)
	if err != nil {
		v.Fatal(err)
	}
	for _, c := range v.phone.Jar.Cookies(req.URL) {
		req.AddCookie(c)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		v.Fatal(err)
	}
	resp.Body.Close()
	v.phone.Jar.SetCookies(req.URL, resp.Cookies())
	if resp.StatusCode != http.StatusSeeOther {
		v.Fatalf("%s: status %d", req.URL.Path, resp.StatusCode)
	}
	return resp.Header.Get("Location")
}

// begin begins a login and stops before WeChat: at the address that Hufu sends
// the browser to.
func (v *visitor) begin(scope string) string {
	v.Helper()
	return v.hop(v.hop(v.d.shop.url + "/login?scope=" + scope))
}

// returned goes on from WeChat and stops before the shop: at its callback.
func (v *visitor) returned(address string) string {
	v.Helper()
	back, err := v.phone.Authorize(v.Context(), address)
	if err != nil {
		v.Fatal(err)
	}
	return v.hop(back[0])
}

// id is the text of the element with an id; "" if there is none.
func (s seen) id(id string) string {
	m := regexp.MustCompile(`id="` + id + `"[^>]*>([^<]*)`).FindStringSubmatch(s.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

func (s seen) page() string {
	m := regexp.MustCompile(`<body id="([a-z]+)">`).FindStringSubmatch(s.body)
	if m == nil {
		return ""
	}
	return m[1]
}

// wants a page of the shop.
func (v *visitor) wants(s seen, page string, status int) {
	v.Helper()
	if s.page() != page || s.status != status {
		v.Errorf("got the page %q with status %d at %s, want %q with %d:\n%s", s.page(), s.status, s.address.Path, page, status, s.body)
	}
}

// wantsVisitor wants the home page of somebody who is logged in.
func (v *visitor) wantsVisitor(s seen, user, nickname, scope string) {
	v.Helper()
	v.wants(s, "home", http.StatusOK)
	if strings.Trim(s.address.Path, "/") != "" || s.address.RawQuery != "" {
		v.Errorf("the address is %s", s.address)
	}
	if got := s.id("openid"); got != wxsim.OpenID(demoApps[0].id, user) {
		v.Errorf("openid %q", got)
	}
	if got := s.id("nickname"); got != nickname {
		v.Errorf("nickname %q, want %q", got, nickname)
	}
	if got := s.id("scope"); strings.Trim(got, ",") != scope {
		v.Errorf("scope %q, want %q", got, scope)
	}
}

func TestShopLogsIn(t *testing.T) {
	t.Parallel()
	d := staged(t, neverBusy)
	t.Run("silently", func(t *testing.T) {
		t.Parallel()
		v := visit(t, d, "xiaohong")
		v.wants(v.open(d.shop.url), "home", http.StatusOK)
		v.wantsVisitor(v.login("snsapi_base"), "xiaohong", "", "snsapi_base")
	})
	t.Run("with consent", func(t *testing.T) {
		t.Parallel()
		v := visit(t, d, "xiaoming")
		home := v.login("snsapi_userinfo")
		v.wantsVisitor(home, "xiaoming", "小明", "snsapi_userinfo")
		user, app := home.id("user-token"), home.id("app-token")
		if len(user) < 8 || len(app) < 8 || user == app || len(user) > 20 || len(app) > 20 {
			t.Errorf("the tokens are shown as %q and %q", user, app)
		}
		v.wantsVisitor(v.open(d.shop.url), "xiaoming", "小明", "snsapi_userinfo")
	})
	t.Run("where the callback is fetched twice", func(t *testing.T) {
		t.Parallel()
		v := visit(t, d, "laowang")
		v.phone.Twice = true
		v.wantsVisitor(v.login("snsapi_userinfo"), "laowang", "老王", "snsapi_userinfo")
	})
}

// Whatever the simulator's oddities, nobody has to begin again, except where
// WeChat is busy twice in a row: once in ten thousand logins.
func TestShopLogsInEveryTime(t *testing.T) {
	t.Parallel()
	d := staged(t, demoQuirks)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			v := visit(t, d, "xiaoming")
			home := v.login("snsapi_userinfo")
			if home.status == http.StatusServiceUnavailable {
				home = v.login("snsapi_userinfo")
			}
			v.wantsVisitor(home, "xiaoming", "小明", "snsapi_userinfo")
		})
	}
	wg.Wait()
	if all := d.sim.Violations(); len(all) > 0 {
		t.Errorf("WeChat minds: %v", all)
	}
}

// A no comes back in any of WeChat's forms; one of them the site never hears of.
func TestShopHearsOfADenial(t *testing.T) {
	t.Parallel()
	d := staged(t, neverBusy)
	heard := 0
	for try := 0; try < 60 && heard < 4; try++ {
		v := visit(t, d, "xiaoming")
		v.phone.Deny = true
		resp, err := v.phone.Visit(t.Context(), d.shop.url+"/login?scope=snsapi_userinfo")
		if e, ok := errors.AsType[*wxsim.PageError](err); ok && e.Page == "denied" {
			continue // WeChat keeps it to itself
		}
		if err != nil {
			t.Fatal(err)
		}
		heard++
		page := v.read(resp)
		v.wants(page, "denied", http.StatusOK)
		v.wants(v.open(d.shop.url), "home", http.StatusOK)
		if v.open(d.shop.url).id("openid") != "" {
			t.Error("who said no is logged in")
		}
	}
	if heard == 0 {
		t.Error("the shop never heard of it")
	}
}

func TestShopTakesTwoLoginsAtOnce(t *testing.T) {
	t.Parallel()
	d := staged(t, neverBusy)
	v := visit(t, d, "xiaoming")
	first, second := v.begin("snsapi_base"), v.begin("snsapi_userinfo")
	v.wantsVisitor(v.open(v.returned(second)), "xiaoming", "小明", "snsapi_userinfo")
	v.wantsVisitor(v.open(v.returned(first)), "xiaoming", "", "snsapi_base")
}

func TestShopsCallbackMayComeAgain(t *testing.T) {
	t.Parallel()
	d := staged(t, neverBusy)
	v := visit(t, d, "xiaoming")
	callback := v.returned(v.begin("snsapi_userinfo"))
	var wg sync.WaitGroup
	for range 5 { // at once, as some of WeChat's browsers have it
		wg.Go(func() { v.wantsVisitor(v.open(callback), "xiaoming", "小明", "snsapi_userinfo") })
	}
	wg.Wait()
	v.wantsVisitor(v.open(callback), "xiaoming", "小明", "snsapi_userinfo")
	if n := d.sim.Logins(demoApps[0].id); n != 1 {
		t.Errorf("%d logins at WeChat", n)
	}

	// After the logout nothing brings the visitor back but another login.
	home, err := url.Parse(d.shop.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, origin := range []string{"http://evil.example", d.shop.url} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.shop.url+"/logout", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", origin)
		for _, c := range v.phone.Jar.Cookies(home) {
			req.AddCookie(c)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		v.phone.Jar.SetCookies(home, resp.Cookies())
		if in := v.open(d.shop.url).id("openid") != ""; in != (origin != d.shop.url) {
			t.Errorf("%s: logged in is %v, status %d", origin, in, resp.StatusCode)
		}
	}
	if page := v.open(callback); page.id("openid") != "" {
		t.Error("an old callback logs in again")
	}
	v.wantsVisitor(v.login("snsapi_base"), "xiaoming", "", "snsapi_base")
}

// Who is sent the end of somebody else's login does not get into their account.
func TestShopRefusesALoginThatBeganElsewhere(t *testing.T) {
	t.Parallel()
	d := staged(t, neverBusy)
	attacker, victim := visit(t, d, "laowang"), visit(t, d, "xiaoming")
	victim.wantsVisitor(victim.login("snsapi_base"), "xiaoming", "", "snsapi_base")
	callback := attacker.returned(attacker.begin("snsapi_base"))
	victim.wants(victim.open(callback), "mismatch", http.StatusBadRequest)
	victim.wants(victim.open(d.shop.url+"/callback?code=x&state="), "mismatch", http.StatusBadRequest)
	victim.wantsVisitor(victim.open(d.shop.url), "xiaoming", "", "snsapi_base")
	// Nothing was used up.
	attacker.wantsVisitor(attacker.open(callback), "laowang", "", "snsapi_base")
}

func TestShopSaysWhatWentWrong(t *testing.T) {
	t.Parallel()
	d := staged(t, neverBusy)
	v := visit(t, d, "xiaoming")
	callback, err := url.Parse(v.returned(v.begin("snsapi_base")))
	if err != nil {
		t.Fatal(err)
	}
	right := *callback
	for code, errcode := range map[string]string{"nonsense": "40029", "": "41008"} {
		q := callback.Query()
		q.Set("code", code)
		callback.RawQuery = q.Encode()
		page := v.open(callback.String())
		v.wants(page, "error", http.StatusBadGateway)
		if got := page.id("errcode"); !strings.HasPrefix(got, "errcode "+errcode+": ") {
			t.Errorf("%q: %s", code, got)
		}
	}
	page := v.open(d.shop.url + "/login?scope=snsapi_all")
	v.wants(page, "error", http.StatusBadRequest)
	// A wrong code costs nothing: the right one still works.
	v.wantsVisitor(v.open(right.String()), "xiaoming", "", "snsapi_base")

	// By another name of this machine the cookies would be others.
	other := v.open(strings.Replace(d.shop.url, "localhost", "127.0.0.1", 1))
	if other.address.Hostname() != "localhost" {
		t.Errorf("left at %s", other.address)
	}
}
