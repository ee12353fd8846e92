package webauth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

func TestNodesShareALogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	w.sim.Fail(wxsim.Fault{Path: "/sns/", Mode: wxsim.SlowAnswer, Delay: 150 * time.Millisecond})
	elsewhere := &phone{w: w, user: p.user, ua: p.ua, cookies: p.cookies, node: w.second()}
	var all sync.WaitGroup
	for _, p := range []*phone{p, elsewhere} {
		all.Go(func() { p.arrive(callback) })
	}
	all.Wait()
	code := elsewhere.arrive(callback).Get("code")
	if a := w.redeem("phantom", code); a["openid"] == nil || w.exchanges() != 1 {
		t.Errorf("%d exchanges, %v", w.exchanges(), a)
	}
}

// One write of a login fails, whichever it is and however it fails: WeChat is
// asked at most once for each of its codes, and the user arrives in the end.
func TestAStoreThatFailsCostsNoLoginAndNoSecondExchange(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(do func() (store.Record, error)) (store.Record, error){
		"away": func(func() (store.Record, error)) (store.Record, error) { return store.Record{}, errAway },
		"unsure, written": func(do func() (store.Record, error)) (store.Record, error) {
			_, _ = do()
			return store.Record{}, store.ErrUnsure
		},
		"unsure, not written": func(func() (store.Record, error)) (store.Record, error) { return store.Record{}, store.ErrUnsure },
		"conflict":            func(func() (store.Record, error)) (store.Record, error) { return store.Record{}, store.ErrConflict },
	} {
		for which := range int32(7) {
			t.Run(fmt.Sprintf("%s, write %d", name, which+1), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.auth.term = 200 * time.Millisecond
				var n atomic.Int32
				w.flaky.fail(func(do func() (store.Record, error)) (store.Record, error) {
					if n.Add(1) == which+1 {
						return fail(do)
					}
					return do()
				})
				p := w.phone()
				code := throughThickAndThin(t, p)
				a := w.redeem("phantom", code)
				for range 2 {
					if a["openid"] == nil {
						// Used up and not handed out: the user logs in again.
						a = w.redeem("phantom", throughThickAndThin(t, p))
					}
				}
				if a["openid"] != wxsim.OpenID(shop, "xiaoming") {
					t.Error(a)
				}
				for _, c := range w.sim.Codes(shop) {
					if c.Exchanges > 1 {
						t.Errorf("a code was brought to WeChat %d times", c.Exchanges)
					}
				}
			})
		}
	}
}

// In whatever way WeChat fails at the exchange, before it took effect or after,
// the user arrives, at the latest with a second code, and no code is brought
// there twice. Nobody waits longer than an exchange can take.
func TestEveryWayInWhichAnExchangeFails(t *testing.T) {
	t.Parallel()
	for mode := wxsim.Outage; mode <= wxsim.Body; mode++ {
		for _, after := range []bool{false, true} {
			if mode == wxsim.Outage && after {
				continue // a refused connection has no effect
			}
			t.Run(fmt.Sprintf("%s, after: %v", mode, after), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					forms := 1
					if mode == wxsim.Garbage || mode == wxsim.OddExpiresIn || mode == wxsim.WrongTypes {
						forms = 12
					}
					for range forms {
						w.sim.Fail(wxsim.Fault{
							Path: "/sns/oauth2/access_token", Mode: mode, After: after, Count: 1, Delay: 2 * time.Second,
							Errcode: 42003, Body: `{"errcode":"0","openid":"o","access_token":"x"}`,
						})
						began := time.Now()
						p := w.phone()
						a := w.redeem("phantom", throughThickAndThin(t, p))
						if a["openid"] != wxsim.OpenID(shop, "xiaoming") {
							t.Error(a)
						}
						if took := time.Since(began); took > exchangeTerm {
							t.Errorf("it took %v", took)
						}
						w.sim.ClearFaults()
					}
					for _, c := range w.sim.Codes(shop) {
						if c.Exchanges > 1 {
							t.Errorf("a code was brought to WeChat %d times", c.Exchanges)
						}
					}
				})
			})
		}
	}
}

// What no new code can put right is said at once, once for all who come, and
// nobody is sent in circles.
func TestRefusalsThatAPersonMustSeeToAreShown(t *testing.T) {
	t.Parallel()
	for _, code := range []int{40013, 40125, 40164, 45011, 48001} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.sim.Fail(wxsim.Fault{Path: "/sns/oauth2/access_token", Mode: wxsim.Errcode, Errcode: code})
			p := w.phone()
			callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
			for range 3 {
				isPage(t, p.get(callback), http.StatusServiceUnavailable, "出了点问题", `href="https://home.example.com/phantom"`)
			}
			if n := w.exchanges(); n != 1 || !strings.Contains(w.log.String(), fmt.Sprintf("WeChat answered %d", code)) {
				t.Errorf("%d exchanges; the log:\n%s", n, w.log)
			}
		})
	}
}

// A browser that goes away in the middle, as WeChat's does when it fetches
// twice, loses nothing: its second fetch finds the result.
func TestABrowserThatGoesAwayFindsTheResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	w.sim.Fail(wxsim.Fault{Path: "/sns/", Mode: wxsim.SlowAnswer, Delay: 100 * time.Millisecond})
	var all sync.WaitGroup
	for range 2 { // one exchanges, one waits; both hang up
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			p.get(callback, func(r *http.Request) { *r = *r.WithContext(ctx) })
		})
	}
	all.Wait()
	p.arrive(callback)
	if n := w.exchanges(); n != 1 {
		t.Errorf("%d exchanges", n)
	}
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Error("that a browser goes away is no error")
	}
}

// The store is away, for reading and writing, at each step of a login: a page
// says so, WeChat is not asked for what cannot be written down, and when the
// store is back the login goes on where it stood.
func TestALoginGoesOnWhenTheStoreIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.phone()
		away := func(f func()) {
			w.flaky.away(true)
			defer w.flaky.away(false)
			f()
		}
		address := authorize(shop, site, wechat.ScopeBase, "S")
		away(func() {
			isPage(t, p.get(address), http.StatusServiceUnavailable, "出了点问题", `href="https://home.example.com/phantom"`)
		})
		callback := p.callback(address)
		away(func() { isPage(t, p.get(callback), http.StatusServiceUnavailable, "出了点问题") })
		if n := w.exchanges(); n != 0 {
			t.Fatalf("%d exchanges", n)
		}
		code := p.arrive(callback).Get("code")
		away(func() { isPage(t, p.get(callback), http.StatusServiceUnavailable, "出了点问题") })
		away(func() { refusal(t, "redeem", w.redeem("phantom", code), -1, "the store cannot be asked") })
		a := w.redeem("phantom", code)
		info := func() map[string]any {
			return w.sns("/sns/auth", "access_token", a["access_token"].(string), "openid", a["openid"].(string))
		}
		away(func() { refusal(t, "auth", info(), -1, "the store cannot be asked") })
		if got := info(); got["errcode"] != 0.0 {
			t.Error(got)
		}
		mp, err := w.sim.Code(mini, "xiaoming", "jscode")
		must(t, err)
		jscode := func() map[string]any {
			return w.sns("/sns/jscode2session", "appid", mini, "secret", w.keys["phantom"], "js_code", mp, "grant_type", "authorization_code")
		}
		away(func() { refusal(t, "jscode", jscode(), -1, "the store cannot be asked") })
		if got := jscode(); got["openid"] == nil {
			t.Error(got)
		}
		// And away while WeChat is asked: back within three seconds it costs nothing.
		for gap, arrives := range map[time.Duration]bool{time.Second: true, 20 * time.Second: false} {
			callback := p.callback(address)
			w.sim.Fail(wxsim.Fault{Path: "/sns/oauth2/", Mode: wxsim.SlowAnswer, Delay: time.Second, Count: 1})
			go func() {
				time.Sleep(500 * time.Millisecond)
				w.flaky.away(true)
				time.Sleep(gap)
				w.flaky.away(false)
			}()
			resp := p.get(callback)
			if arrives {
				arrived(t, resp)
				continue
			}
			isPage(t, resp, http.StatusServiceUnavailable, "出了点问题")
			time.Sleep(gap)
			before := w.exchanges()
			again := p.get(callback).Header.Get("Location")
			p.arrive(p.consent(again)) // and not with the code that is used up
			if n := w.exchanges() - before; n != 1 {
				t.Errorf("%d exchanges", n)
			}
		}
	})
}

// throughThickAndThin logs in as a patient person does: who sees that something
// went wrong reloads the page.
func throughThickAndThin(t *testing.T, p *phone) (code string) {
	t.Helper()
	address := authorize(shop, site, wechat.ScopeBase, "S")
	for range 6 {
		resp := p.get(address)
		to := resp.Header.Get("Location")
		switch {
		case strings.HasPrefix(to, "https://open.weixin.qq.com/"):
			address = p.consent(to)
		case strings.HasPrefix(to, site):
			return arrived(t, resp).Get("code")
		case resp.StatusCode != http.StatusServiceUnavailable:
			t.Fatalf("status %d: %s", resp.StatusCode, body(resp))
		}
	}
	t.Fatal("the user never arrives")
	return ""
}
