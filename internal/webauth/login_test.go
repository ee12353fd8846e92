package webauth

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

func TestALoginGoesThroughAndComesBackWithTheState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, state := range map[string]string{
		"plain": "S1", "empty": "", "everything": "a#b&code=x=%41 +\"><script>\r\n虎\x00\xff", "longest": strings.Repeat("s", maxState),
	} {
		p := w.phone()
		resp := p.get(p.callback(authorize(shop, site, wechat.ScopeBase, state)))
		got := arrived(t, resp)
		if got.Get("state") != state || !drawn(got.Get("code")) || !strings.HasPrefix(resp.Header.Get("Location"), site+"?code=") {
			t.Errorf("%s: %s", name, resp.Header.Get("Location"))
		}
		if strings.ContainsAny(resp.Header.Get("Location"), "#+\r\n ") {
			t.Errorf("%s: a byte of the state is not escaped: %s", name, resp.Header.Get("Location"))
		}
		a := w.redeem("phantom", got.Get("code"))
		if a["openid"] != wxsim.OpenID(shop, "xiaoming") || a["scope"] != "snsapi_base" || a["expires_in"] != 7200.0 {
			t.Errorf("%s: %v", name, a)
		}
	}
}

func TestWeChatIsAskedInItsOwnOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// The site sends the parameters as its SDK likes.
	to := w.phone().begin(webURL + authorizePath + "?connect_redirect=1&state=&scope=snsapi_userinfo&response_type=code&lang=en&forceSnapShot=true&forcePopup=true&uin=1&redirect_uri=" +
		url.QueryEscape(site) + "&appid=" + shop)
	const head = "https://open.weixin.qq.com/connect/oauth2/authorize?appid=" + shop +
		"&redirect_uri=https%3A%2F%2Fauth.example.com%2Fcallback&response_type=code&scope=snsapi_userinfo&state="
	rest, ok := strings.CutPrefix(to, head)
	if !ok || !drawn(rest[:32]) || rest[32:] != "&forcePopup=true&forceSnapShot=true&connect_redirect=1&lang=en#wechat_redirect" {
		t.Error(to)
	}
}

func TestUserInfoWebsitesAndDevelopersLogIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	p.ua = "a computer"
	got := p.arrive(p.callback(authorize(website, site, wechat.ScopeLogin, "S")))
	a := w.sns("/sns/oauth2/access_token", "appid", website, "secret", w.keys["phantom"], "code", got.Get("code"), "grant_type", "authorization_code")
	if a["openid"] != wxsim.OpenID(website, "xiaoming") || a["unionid"] != wxsim.UnionID("op", "xiaoming") {
		t.Error(a)
	}
	resp := w.phone().get(authorize(shop, "https://app.example.com/deep/a/b?x=1", wechat.ScopeUserInfo, "S"))
	if resp.StatusCode != http.StatusSeeOther {
		t.Error("below a prefix:", resp.StatusCode)
	}
	p = w.phone()
	resp = p.get(p.callback(authorize(shop, "http://shop.test:8080/cb?x=1", wechat.ScopeUserInfo, "S")))
	if arrived(t, resp); !strings.HasPrefix(resp.Header.Get("Location"), "http://shop.test:8080/cb?x=1&code=") {
		t.Error(resp.Header.Get("Location"))
	}
}

func TestWhatIsNotRegisteredGoesNowhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.client("twin", config.Phantom, site)
	w.client("twin2", config.Phantom, "https://both.example.com/*")
	w.client("twin3", config.Phantom, "https://both.example.com/cb")
	good := authorize(shop, "https://real.example.com/cb", wechat.ScopeBase, "S")
	w.declare()
	for name, address := range map[string]string{
		"two clients":        authorize(shop, "https://both.example.com/cb", wechat.ScopeBase, "S"),
		"same address":       authorize(shop, site, wechat.ScopeBase, "S"),
		"no login":           authorize(shop, "https://nologin.example.com/cb", wechat.ScopeBase, "S"),
		"unknown app":        authorize("wxunknown", site, wechat.ScopeBase, "S"),
		"mini program":       authorize(mini, "https://real.example.com/cb", wechat.ScopeBase, "S"),
		"website":            authorize(website, "https://real.example.com/cb", wechat.ScopeBase, "S"),
		"account by QR":      authorize(shop, "https://real.example.com/cb", wechat.ScopeLogin, "S"),
		"longest state":      authorize(shop, "https://real.example.com/cb", wechat.ScopeBase, strings.Repeat("s", maxState+1)),
		"scope":              authorize(shop, "https://real.example.com/cb", "snsapi_base,snsapi_userinfo", "S"),
		"response_type":      strings.Replace(good, "response_type=code", "response_type=token", 1),
		"twice":              good + "&state=T",
		"semicolon":          good + ";a=b",
		"escape":             good + "%zz",
		"other case of name": strings.Replace(good, "appid", "AppId", 1),
	} {
		t.Run(name, func(t *testing.T) {
			isPage(t, w.phone().get(address), http.StatusBadRequest, "无法登录")
		})
	}
	if n := w.logins(); n != 0 {
		t.Errorf("%d logins were written down", n)
	}
	w.conf = &config.Config{WeChat: w.conf.WeChat}
	isPage(t, w.phone().get(good), http.StatusBadRequest, "无法登录")
}

func TestTheCookieIsOfOneBrowserAndSetOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	resp := p.get(authorize(shop, site, wechat.ScopeBase, "1"))
	set := resp.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-hufu=", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
		if !strings.Contains(set, want) || strings.Contains(set, "Domain") {
			t.Errorf("%q has no %q", set, want)
		}
	}
	if again := p.get(authorize(shop, site, wechat.ScopeBase, "2")); again.Header.Get("Set-Cookie") != "" {
		t.Error("it is set a second time")
	}
	// Two tabs: either login is finished, in any order.
	one, two := p.callback(authorize(shop, site, wechat.ScopeBase, "1")), p.callback(authorize(shop, site, wechat.ScopeBase, "2"))
	if p.arrive(two).Get("state") != "2" || p.arrive(one).Get("state") != "1" {
		t.Error("the tabs were mixed up")
	}
	w.conf = &config.Config{WeChat: w.conf.WeChat, WebURL: "http://127.0.0.1:8701"}
	if set := w.phone().get(authorize(shop, site, wechat.ScopeBase, "1")).Header.Get("Set-Cookie"); !strings.HasPrefix(set, "hufu=") || strings.Contains(set, "Secure") {
		t.Error(set)
	}
}

func TestAnotherBrowserGetsNothingAndUsesNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	stranger := w.phone()
	stranger.begin(authorize(shop, site, wechat.ScopeBase, "T"))
	forged := w.phone()
	forged.cookies["__Host-hufu"] = &http.Cookie{Name: "__Host-hufu", Value: "x"}
	for range 3 { // a scanner, and people with a link that was passed on
		for _, other := range []*phone{w.phone(), stranger, forged} {
			isPage(t, other.get(callback), http.StatusBadRequest, "请重新登录", `href="https://home.example.com/phantom"`)
		}
	}
	if n := w.exchanges(); n != 0 {
		t.Fatalf("%d exchanges", n)
	}
	code := p.arrive(callback).Get("code")
	for _, other := range []*phone{w.phone(), stranger} { // afterwards, too
		isPage(t, other.get(callback), http.StatusBadRequest, "请重新登录")
	}
	if a := w.redeem("phantom", code); a["openid"] == nil {
		t.Error(a)
	}
}

func TestACallbackIsExchangedOnceHoweverOftenItIsFetched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	clear := w.sim.Fail(wxsim.Fault{Path: "/sns/", Mode: wxsim.SlowAnswer, Delay: 200 * time.Millisecond})
	var all sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]bool{}
	for range 3 {
		all.Go(func() {
			q := p.arrive(callback)
			mu.Lock()
			defer mu.Unlock()
			codes[q.Get("code")] = q.Get("state") == "S"
		})
	}
	all.Wait()
	clear()
	codes[p.arrive(callback).Get("code")] = true
	if n := w.exchanges(); n != 1 || len(codes) != 4 {
		t.Fatalf("%d exchanges, %d different codes", n, len(codes))
	}
	for code := range codes {
		if a := w.redeem("phantom", code); a["openid"] != wxsim.OpenID(shop, "xiaoming") {
			t.Error(a)
		}
	}
	p.arrive(callback) // the fifth
	isPage(t, p.get(callback), http.StatusBadRequest, "登录已过期")
	if n := w.exchanges(); n != 1 {
		t.Errorf("%d exchanges", n)
	}
}

func TestAnotherCodeForTheSameLoginIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	p.arrive(callback)
	u, _ := url.Parse(callback)
	q := u.Query()
	q.Set("code", "011anothersCode0000000000000000Q")
	isPage(t, p.get(u.Path+"?"+q.Encode()), http.StatusBadRequest, "登录已过期")
	q.Del("code")
	isPage(t, p.get(u.Path+"?"+q.Encode()), http.StatusBadRequest, "登录已过期")
	if n := w.exchanges(); n != 1 {
		t.Errorf("%d exchanges", n)
	}
}

func TestDenialsComeBackAsAnErrorInEachForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	state := stateOf(t, p.begin(authorize(shop, site, wechat.ScopeUserInfo, "S&x")))
	for _, form := range []string{"state=" + state, "code=&state=" + state, "state=" + state + "&code=authdeny&reason="} {
		resp := p.get(callbackPath + "?" + form)
		if arrived(t, resp); resp.Header.Get("Location") != site+"?error=access_denied&state=S%26x" {
			t.Errorf("%s: %s", form, resp.Header.Get("Location"))
		}
		isPage(t, w.phone().get(callbackPath+"?"+form), http.StatusBadRequest, "没有授权")
	}
	// Who thinks again can still go on.
	p.arrive(p.consent(p.begin(authorize(shop, site, wechat.ScopeUserInfo, "S"))))
}

func stateOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	return u.Query().Get("state")
}

// A lost answer, or WeChat's word that the code is gone: the browser is sent
// through authorize once more, and every fetch of the callback to the same
// login.
func TestALostAnswerBeginsOnceMore(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]wxsim.Fault{
		"lost":      {Path: "/sns/oauth2/access_token", Mode: wxsim.LostAnswer, Count: 1},
		"busy":      {Path: "/sns/oauth2/access_token", Mode: wxsim.SystemBusy, Count: 1},
		"used":      {Path: "/sns/oauth2/access_token", Mode: wxsim.Errcode, Errcode: 40163, Count: 1},
		"html":      {Path: "/sns/oauth2/access_token", Mode: wxsim.HTML, Count: 1},
		"no openid": {Path: "/sns/oauth2/access_token", Mode: wxsim.Body, Body: `{"openid":"","access_token":"x"}`, Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.sim.Fail(fault)
			p := w.phone()
			callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
			first, second := p.get(callback).Header.Get("Location"), p.get(callback).Header.Get("Location")
			if first != second || !strings.HasPrefix(first, "https://open.weixin.qq.com/") {
				t.Fatalf("%q, %q", first, second)
			}
			if got := p.arrive(p.consent(first)); got.Get("state") != "S" || w.redeem("phantom", got.Get("code"))["openid"] == nil {
				t.Error(got)
			}
			if n := w.exchanges(); n != 2 {
				t.Errorf("%d exchanges", n)
			}
		})
	}
	t.Run("twice lost", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.sim.Fail(wxsim.Fault{Path: "/sns/oauth2/access_token", Mode: wxsim.LostAnswer})
		p := w.phone()
		again := p.get(p.callback(authorize(shop, site, wechat.ScopeBase, "S"))).Header.Get("Location")
		isPage(t, p.get(p.consent(again)), http.StatusServiceUnavailable, "出了点问题", "请求编号")
	})
	t.Run("refused for good", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.sim.Fail(wxsim.Fault{Path: "/sns/oauth2/access_token", Mode: wxsim.Errcode, Errcode: 40125, Count: 1})
		p := w.phone()
		callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
		isPage(t, p.get(callback), http.StatusServiceUnavailable, "出了点问题")
		isPage(t, p.get(callback), http.StatusServiceUnavailable, "出了点问题")
		if n := w.exchanges(); n != 1 {
			t.Errorf("%d exchanges", n)
		}
	})
	t.Run("not sent", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		clear := w.sim.Fail(wxsim.Fault{Path: "/sns/oauth2/access_token", Mode: wxsim.Outage})
		p := w.phone()
		callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
		isPage(t, p.get(callback), http.StatusServiceUnavailable, "出了点问题")
		clear()
		p.arrive(callback)
	})
}

// A node writes the exchange down and dies: another waits for as long as an
// exchange can take, does not ask WeChat, and begins once more.
func TestADeadNodeIsWaitedForAndNeverRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.phone()
		callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
		dies(t, p, callback)

		began := time.Now()
		var anew sync.Map
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { anew.Store(p.get(callback).Header.Get("Location"), true) })
		}
		all.Wait()
		var to []string
		anew.Range(func(k, _ any) bool { to = append(to, k.(string)); return true })
		if took := time.Since(began); took != exchangeTerm || len(to) != 1 || w.exchanges() != 0 {
			t.Fatalf("after %v: %q, %d exchanges", took, to, w.exchanges())
		}
		p.arrive(p.consent(to[0]))
	})
}

// dies lets a node write down that it exchanges the code of a callback, and no
// more.
func dies(t *testing.T, p *phone, callback string) {
	t.Helper()
	v, pg := p.w.auth.arrive(newRequest(callback, p))
	if pg.kind != "" {
		t.Fatal(pg)
	}
	dead := v.login
	dead.Step, dead.Code, dead.Node, dead.Attempt = exchanging, v.hash, "n0", "x"
	must(t, p.w.auth.take(t.Context(), v, dead))
}

// The lock of an embedded store proves that the process which began the
// exchange is dead: nobody waits.
func TestARestartProvesAnExchangeDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.auth.Alone = true
		p := w.phone()
		callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
		dies(t, p, callback)
		began := time.Now()
		again := p.get(callback).Header.Get("Location")
		if took := time.Since(began); took != 0 || !strings.HasPrefix(again, "https://open.weixin.qq.com/") || w.exchanges() != 0 {
			t.Fatalf("after %v: %q, %d exchanges", took, again, w.exchanges())
		}
		p.arrive(p.consent(again))
		// What this process is at itself is waited for.
		callback = p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
		w.sim.Fail(wxsim.Fault{Path: "/sns/", Mode: wxsim.SlowAnswer, Delay: 150 * time.Millisecond})
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { p.arrive(callback) })
		}
		all.Wait()
	})
}

func newRequest(address string, p *phone) *http.Request {
	r, _ := http.NewRequest(http.MethodGet, address, nil)
	for _, c := range p.cookies {
		r.AddCookie(c)
	}
	return r
}

func TestFiftyRedeemOneCodeAndOneGetsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.phone().code(site, wechat.ScopeBase)
	if a := w.redeem("real", code); a["errcode"] != 40029.0 {
		t.Errorf("another client's try: %v", a)
	}
	var won, used atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			switch a := w.redeem("phantom", code); {
			case a["openid"] != nil:
				won.Add(1)
			case a["errcode"] == 40163.0:
				used.Add(1)
			default:
				t.Error(a)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || used.Load() != 49 {
		t.Errorf("%d got it, %d were told that it is used", won.Load(), used.Load())
	}
}

// An address that goes from one client to another does not take its codes along.
func TestACodeBelongsToItsClientAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.phone().code(site, wechat.ScopeBase)
	w.clients[0].RedirectURIs, w.clients[1].RedirectURIs = w.clients[1].RedirectURIs, w.clients[0].RedirectURIs
	w.declare()
	if a := w.redeem("real", code); a["errcode"] != 40029.0 {
		t.Error(a)
	}
}

func TestRelayedCodesAreWeChatsOwnAndGoOutOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, "https://relay.example.com/cb", wechat.ScopeBase, "S"))
	u, _ := url.Parse(callback)
	onward := p.get(callback).Header.Get("Location")
	if onward != callback+"&followed=1" || onward != p.get(callback).Header.Get("Location") {
		t.Fatalf("the callback leads to %q", onward)
	}
	isPage(t, w.phone().get(onward), http.StatusBadRequest, "请重新登录")
	if got := p.arrive(onward); got.Get("code") != u.Query().Get("code") || got.Get("state") != "S" {
		t.Fatal(got)
	}
	for _, late := range []string{callback, onward} {
		again := p.get(late).Header.Get("Location")
		if !strings.HasPrefix(again, "https://open.weixin.qq.com/") || strings.Contains(again, u.Query().Get("code")) || again != p.get(callback).Header.Get("Location") {
			t.Fatalf("the second time it leads to %q", again)
		}
	}
	again := p.consent(p.get(callback).Header.Get("Location"))
	if got := p.arrive(p.get(again).Header.Get("Location")); got.Get("code") == u.Query().Get("code") || got.Get("state") != "S" {
		t.Error(got)
	}
	isPage(t, p.get(again), http.StatusServiceUnavailable, "出了点问题") // not for ever
	if w.exchanges() != 0 {
		t.Error("the code was exchanged")
	}
	// To exact addresses only, whatever is registered meanwhile.
	callback = p.callback(authorize(shop, "https://relay.example.com/cb", wechat.ScopeBase, "S"))
	for i := range w.clients {
		if w.clients[i].Name == "relayed" {
			w.clients[i].RedirectURIs = []string{"https://relay.example.com/*"}
		}
	}
	w.declare()
	isPage(t, p.get(callback+"&followed=1"), http.StatusServiceUnavailable)
	isPage(t, p.get(authorize(shop, "https://relay.example.com/cb", wechat.ScopeBase, "S")), http.StatusBadRequest)
}

func TestSnapshotUsersArePassedOnOrRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	p.entry = wxsim.FromSnapshot
	if a := w.redeem("phantom", p.code(site, wechat.ScopeUserInfo)); a["is_snapshotuser"] != 1.0 {
		t.Error(a)
	}
	isPage(t, p.get(p.callback(authorize(shop, "https://strict.example.com/cb", wechat.ScopeUserInfo, "S"))), http.StatusBadRequest, "使用完整服务")
}

func TestASiteThatWasStruckOffGetsNobodyAnyMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	code := p.code(site, wechat.ScopeBase)
	w.clients[0].RedirectURIs = []string{"https://new.example.com/cb"}
	w.declare()
	isPage(t, p.get(callback), http.StatusBadRequest, "无法登录")
	if a := w.redeem("phantom", code); a["errcode"] != 40029.0 {
		t.Error(a)
	}
}

func TestLoginsThatAreNeverFinishedDoNotFillTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	for range perBrowser {
		p.begin(authorize(shop, site, wechat.ScopeBase, "S"))
	}
	isPage(t, p.get(authorize(shop, site, wechat.ScopeBase, "S")), http.StatusTooManyRequests, "请稍后再试")
	if n := w.logins(); n != perBrowser {
		t.Errorf("%d logins", n)
	}
	w.phone().begin(authorize(shop, site, wechat.ScopeBase, "S")) // others are not held up
}

// A restart forgets no login that is under way, so it is no way round the
// bounds.
func TestTheBoundsHoldAcrossARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	for range 5 {
		p.code(site, wechat.ScopeBase) // finished: does not count
	}
	for range perBrowser - 1 {
		p.begin(authorize(shop, site, wechat.ScopeBase, "S"))
	}
	last := p.begin(authorize(shop, site, wechat.ScopeBase, "S"))
	p.node = w.second()
	must(t, p.node.Recall(t.Context()))
	isPage(t, p.get(authorize(shop, site, wechat.ScopeBase, "S")), http.StatusTooManyRequests)
	if p.node.bounds.total != perBrowser {
		t.Errorf("%d count, want %d", p.node.bounds.total, perBrowser)
	}
	for _, l := range p.node.bounds.queue {
		if age := time.Since(l.at); age < -time.Second || age > time.Minute {
			t.Errorf("one counts as %v old", age)
		}
	}
	p.arrive(p.consent(last))
	p.begin(authorize(shop, site, wechat.ScopeBase, "S"))
}

func TestMadeUpCodesDoNotFillTheStoreEither(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, redirect := range []string{site, "https://relay.example.com/cb"} {
		p := w.phone()
		before := w.logins()
		for range perBrowser {
			p.get(callbackPath + "?code=011madeUp000000000000000000madeUp&state=" + stateOf(t, p.begin(authorize(shop, redirect, wechat.ScopeBase, "S"))))
		}
		isPage(t, p.get(authorize(shop, redirect, wechat.ScopeBase, "S")), http.StatusTooManyRequests)
		if n := w.logins() - before; n > 2*perBrowser {
			t.Errorf("%d logins", n)
		}
	}
	w.sim.ClearViolations() // WeChat minds codes that are none, rightly
	// Whoever finishes is not held up.
	p := w.phone()
	for range perBrowser + 5 {
		p.code(site, wechat.ScopeBase)
	}
}

func TestBoundsCountAndForget(t *testing.T) {
	t.Parallel()
	b := newBounds()
	addr := netip.MustParseAddr("2001:db8::1")
	for i := range perAddress {
		if !b.begin(fmt.Sprint(i), [32]byte{byte(i), byte(i >> 8)}, addr) {
			t.Fatal(i)
		}
	}
	if b.begin("more", [32]byte{9, 9, 9}, netip.MustParseAddr("2001:db8::2")) {
		t.Error("one address fills the store")
	}
	for i := perAddress; i < maxLogins; i++ {
		if !b.begin(fmt.Sprint(i), [32]byte{byte(i), byte(i >> 8), 1}, netip.MustParseAddr(fmt.Sprintf("10.0.%d.1", i%200))) {
			t.Fatal(i)
		}
	}
	if b.begin("more", [32]byte{9, 9, 9}, netip.MustParseAddr("192.0.2.1")) {
		t.Error("there is no bound in total")
	}
	b.end("0")
	b.end("0")
	if !b.begin("more", [32]byte{9, 9, 9}, netip.MustParseAddr("192.0.2.1")) || b.total != maxLogins {
		t.Error("what is finished still counts")
	}
	for i := range maxLogins {
		b.end(fmt.Sprint(i))
	}
	b.end("more")
	if b.total != 0 || len(b.byKey)+len(b.browsers)+len(b.addrs) != 0 {
		t.Errorf("%d, %d, %d, %d left", b.total, len(b.byKey), len(b.browsers), len(b.addrs))
	}
}
