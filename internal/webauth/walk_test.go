package webauth

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

// way is the network of a browser that walks by itself: Hufu at its address,
// and sites that answer 200 everywhere else.
type way struct {
	node *Auth
	mu   sync.Mutex
	seen []url.Values // what arrived at the sites
}

func (n *way) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if r.URL.Host == "auth.example.com" {
		in := httptest.NewRequest(r.Method, r.URL.RequestURI(), nil)
		in.Header = r.Header.Clone()
		n.node.Browser().ServeHTTP(rec, in)
	} else {
		n.mu.Lock()
		n.seen = append(n.seen, r.URL.Query())
		n.mu.Unlock()
		_, _ = io.WriteString(rec, "here you are")
	}
	return rec.Result(), nil
}

// WeChat's browser may fetch every callback twice and throw the first answer
// away. Whatever a site exchanges, its users arrive, and nothing is exchanged
// or relayed a second time.
func TestABrowserThatFetchesEveryCallbackTwiceArrives(t *testing.T) {
	t.Parallel()
	for name, redirect := range map[string]string{"hufu": site, "wechat": "https://relay.example.com/cb"} {
		t.Run("code: "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			net := &way{node: w.auth}
			b := &wxsim.Browser{Sim: w.sim, User: "xiaoming", Twice: true, Transport: net}
			resp, err := b.Visit(t.Context(), authorize(shop, redirect, wechat.ScopeUserInfo, "S"))
			must(t, err)
			defer resp.Body.Close()
			if got := resp.Request.URL.String(); !strings.HasPrefix(got, redirect+"?code=") || len(net.seen) != 1 {
				t.Fatalf("the browser ends at %s, and %d requests came to the site: %s", got, len(net.seen), body(resp))
			}
			code := net.seen[0].Get("code")
			if name == "hufu" {
				if a := w.redeem("phantom", code); a["openid"] == nil {
					t.Error(a)
				}
			} else if w.sim.Exchanges(code) != 0 || w.exchanges() != 0 {
				t.Error("the site's code was used up")
			}
			if codes := w.sim.Codes(shop); len(codes) != 1 {
				t.Errorf("the user was sent to WeChat %d times", len(codes))
			}
		})
	}
}

// Two tabs of a browser that has no cookie yet begin in the same instant. The
// cookie that comes second is the one that stays; the other tab is told to
// begin again, and its button leads to a login that works.
func TestTwoTabsAtOnceAndTheButtonOfTheOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	// Both requests leave before either answer is there.
	one, two := w.phone(), w.phone()
	toOne, toTwo := one.begin(authorize(shop, site, wechat.ScopeBase, "1")), two.begin(authorize(shop, site, wechat.ScopeBase, "2"))
	for _, tab := range []*phone{one, two} {
		for name, c := range tab.cookies {
			p.cookies[name] = c
		}
	}
	if p.arrive(p.consent(toTwo)).Get("state") != "2" {
		t.Error("the tab whose cookie stayed does not arrive")
	}
	isPage(t, p.get(p.consent(toOne)), http.StatusBadRequest, "请重新登录", `href="https://home.example.com/phantom"`)
	// The site's home begins anew, in the same tab.
	if p.arrive(p.callback(authorize(shop, site, wechat.ScopeBase, "3"))).Get("state") != "3" {
		t.Error("the button does not help")
	}
}

// What a browser may say in its own way, and still log in.
func TestOddBrowsersLogIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]func(r *http.Request){
		"HTTP/1.0": func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host = "HTTP/1.0", 1, 0, "" },
		"giant cookies": func(r *http.Request) {
			r.Header["Cookie"] = append([]string{"junk=" + strings.Repeat("x", 20<<10)}, r.Header["Cookie"]...)
		},
		"cookies of our name before": func(r *http.Request) {
			r.Header["Cookie"] = append([]string{"__Host-hufu=AAAA; __Host-hufu=; __Host-hufu=" + strings.Repeat("A", 22)}, r.Header["Cookie"]...)
		},
		"cookies of our name behind": func(r *http.Request) {
			r.Header.Add("Cookie", "__Host-hufu="+strings.Repeat("B", 22))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := w.phone()
			p.begin(authorize(shop, site, wechat.ScopeBase, "0")) // the cookie is there before
			to := p.get(authorize(shop, site, wechat.ScopeBase, "S"), change).Header.Get("Location")
			if got := arrived(t, p.get(p.consent(to), change)); got.Get("state") != "S" {
				t.Error(got)
			}
		})
	}
}

// A link preview that asks by HEAD, or a form that posts, changes nothing.
func TestOnlyGETDoesAnything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	before := w.logins()
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodOptions, http.MethodPut} {
		for _, address := range []string{callback, authorize(shop, site, wechat.ScopeBase, "S")} {
			resp := p.get(address, func(r *http.Request) { r.Method = method })
			isPage(t, resp, http.StatusMethodNotAllowed)
			if resp.Header.Get("Allow") != "GET" {
				t.Errorf("%s: Allow %q", method, resp.Header.Get("Allow"))
			}
		}
	}
	if w.logins() != before || w.exchanges() != 0 {
		t.Error("something was done")
	}
	p.arrive(callback)
}

// A web_url of an app has its own cookie, by its own scheme.
func TestTheCookieFollowsTheAppsWebURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range w.apps {
		if w.apps[i].AppID == shop {
			w.apps[i].WebURL = "http://auth.example.com"
		}
	}
	w.declare()
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	if c := p.cookies["hufu"]; c == nil || c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
		t.Fatal(p.cookies)
	}
	p.arrive(strings.TrimPrefix(callback, "http://auth.example.com"))
}

// Whatever is asked, nothing of it is cached and no address of ours goes on to
// the next site; and what redirects is a 303.
func TestEveryAnswerIsPrivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	relayed := p.callback(authorize(shop, "https://relay.example.com/cb", wechat.ScopeBase, "S"))
	denied := callbackPath + "?state=" + stateOf(t, p.begin(authorize(shop, site, wechat.ScopeBase, "S")))
	for _, address := range []string{
		authorize(shop, site, wechat.ScopeBase, "S"), callback, callback, denied, relayed, relayed + "&followed=1", relayed,
		"/", "/nothing", "/a//b", callbackPath, authorizePath, "/MP_verify_AbCdEf0123456789.txt", callback + "x",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			resp := p.get(address, func(r *http.Request) { r.Method = method })
			h := resp.Header
			if h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: %v", method, address, h)
			}
			if resp.StatusCode/100 == 3 && resp.StatusCode != http.StatusSeeOther || (h.Get("Location") != "") != (resp.StatusCode == http.StatusSeeOther) {
				t.Errorf("%s %s: %d %q", method, address, resp.StatusCode, h.Get("Location"))
			}
		}
	}
}
