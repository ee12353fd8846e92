package webauth

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

const refreshPath = "/sns/oauth2/refresh_token"

// loggedIn is a client with a user's tokens, as it was given them.
type loggedIn struct {
	w                      *world
	token, refresh, openid string
}

func (w *world) logIn(client, redirect string) *loggedIn {
	w.t.Helper()
	a := w.redeem(client, w.phone().code(redirect, wechat.ScopeUserInfo))
	return &loggedIn{w, a["access_token"].(string), a["refresh_token"].(string), a["openid"].(string)}
}

func (l *loggedIn) info() map[string]any {
	l.w.t.Helper()
	return l.w.sns("/sns/userinfo", "access_token", l.token, "openid", l.openid)
}

func (l *loggedIn) renew() map[string]any {
	l.w.t.Helper()
	a := l.w.sns(refreshPath, "appid", shop, "grant_type", "refresh_token", "refresh_token", l.refresh)
	if token, ok := a["access_token"].(string); ok {
		l.token, l.refresh = token, a["refresh_token"].(string)
	}
	return a
}

// For thirty days after one login a client with phantom tokens never meets
// WeChat's lives of two hours, whether or not WeChat replaces its refresh token.
func TestOneLoginLastsThirtyDaysBehindAPhantom(t *testing.T) {
	t.Parallel()
	for name, quirk := range map[string]wxsim.Quirk{"one refresh token": 0, "new refresh tokens": wxsim.NewRefreshTokens} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorldWith(t, quirk)
				l := w.logIn("phantom", site)
				for day := range 29 {
					time.Sleep(24*time.Hour - 119*time.Minute)
					refusal(t, "a token of yesterday", l.info(), 42001)
					if a := l.renew(); a["openid"] != l.openid || a["expires_in"] != 7200.0 {
						t.Fatalf("day %d: %v", day+1, a)
					}
					time.Sleep(119 * time.Minute)
					if a := l.info(); a["nickname"] != "小明" {
						t.Fatalf("day %d: %v", day+1, a)
					}
				}
				time.Sleep(24 * time.Hour)
				refusal(t, "after thirty days", l.renew(), 42002)
				for r := range w.store.List(t.Context(), "session/") {
					t.Errorf("%s is still there", r.Key)
				}
			})
		})
	}
}

// Logins, codes and what is remembered of tokens are forgotten in time.
func TestLoginsAndCodesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.phone()
		begun := p.begin(authorize(shop, site, wechat.ScopeBase, "S"))
		time.Sleep(beginLife - time.Minute)
		callback := p.consent(begun)
		late := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
		one, two := p.arrive(callback).Get("code"), p.arrive(callback).Get("code")
		time.Sleep(doneLife - time.Second)
		p.arrive(callback)
		if a := w.redeem("phantom", one); a["openid"] == nil {
			t.Error("before its five minutes are over:", a)
		}
		time.Sleep(2 * time.Second)
		refusal(t, "after five minutes", w.redeem("phantom", two), 40029)
		refusal(t, "a used one after five minutes", w.redeem("phantom", one), 40029)
		isPage(t, p.get(callback), 400, "登录已过期")
		time.Sleep(beginLife)
		isPage(t, p.get(late), 400, "登录已过期")
		real := w.logIn("real", "https://real.example.com/cb")
		if a := real.info(); a["nickname"] == nil {
			t.Error(a)
		}
		time.Sleep(2*time.Hour + time.Second)
		before := len(w.sim.History())
		refusal(t, "a token of WeChat's own after its life", real.info(), 40001)
		if len(w.sim.History()) != before {
			t.Error("WeChat was asked")
		}
		time.Sleep(refreshLife)
		left := 0
		for _, prefix := range []string{"login/", "code/", "access/", "refresh/", "session/"} {
			for range w.store.List(t.Context(), prefix) {
				left++
			}
		}
		if left != 0 {
			t.Errorf("%d records are left", left)
		}
	})
}

// Everybody who needs a fresh token at the same moment shares one renewal,
// which WeChat may answer once only.
func TestManyCallersShareOneRenewal(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, wxsim.NewRefreshTokens)
	l := w.logIn("phantom", site)
	for round := range 6 {
		must(t, w.sim.ExpireUser(shop, "xiaoming"))
		clear := w.sim.Fail(wxsim.Fault{Path: refreshPath, Mode: wxsim.SlowAnswer, Delay: 100 * time.Millisecond})
		before := w.calls(refreshPath)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if a := l.info(); a["nickname"] != "小明" {
					t.Error(a)
				}
			})
		}
		all.Wait()
		clear()
		if n := w.calls(refreshPath) - before; n != 1 {
			t.Errorf("round %d: renewed %d times", round, n)
		}
	}
}

// Two nodes renew at once; the refresh token that one of them used is over.
func TestTheSlowerNodeTakesWhatTheFasterGot(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, wxsim.NewRefreshTokens)
	l := w.logIn("phantom", site)
	f, err := w.auth.Phantoms.Parse(l.refresh)
	must(t, err)
	other := w.second()
	for range 6 {
		must(t, w.sim.ExpireUser(shop, "xiaoming"))
		h := held{phantom: &f}
		h.record, err = w.auth.read(t.Context(), sessionKey(f.Session), &h.session)
		must(t, err)
		slow := h
		must(t, w.auth.renew(t.Context(), &h))
		before := w.calls(refreshPath)
		must(t, other.renew(t.Context(), &slow)) // it had read before
		if w.calls(refreshPath) != before || slow.User.Access != h.User.Access {
			t.Error("the slower node asked again")
		}
		if a := l.info(); a["nickname"] != "小明" {
			t.Fatal(a)
		}
	}
}

func TestTwoNodesRenewAtTheSameMoment(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, wxsim.NewRefreshTokens)
	l := w.logIn("phantom", site)
	f, err := w.auth.Phantoms.Parse(l.refresh)
	must(t, err)
	w.sim.Fail(wxsim.Fault{Path: refreshPath, Mode: wxsim.SlowAnswer, Delay: 30 * time.Millisecond})
	other := w.second()
	for range 8 {
		must(t, w.sim.ExpireUser(shop, "xiaoming"))
		var all sync.WaitGroup
		for _, node := range []*Auth{w.auth, other} {
			h := held{phantom: &f}
			h.record, err = node.read(t.Context(), sessionKey(f.Session), &h.session)
			must(t, err)
			all.Go(func() {
				if err := node.renew(t.Context(), &h); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if a := l.info(); a["nickname"] != "小明" {
			t.Fatal(a)
		}
	}
}

// A refresh whose answer is lost is tried again at the next need; where the
// refresh token is over, a program is told what makes it log the user in anew.
func TestWhatAClientSeesWhenARefreshFails(t *testing.T) {
	t.Parallel()
	t.Run("lost answers", func(t *testing.T) {
		t.Parallel()
		for _, mode := range []wxsim.Mode{wxsim.LostAnswer, wxsim.Reset, wxsim.HTML, wxsim.SystemBusy, wxsim.Outage, wxsim.Truncated, wxsim.WrongTypes} {
			w := newWorld(t)
			l := w.logIn("phantom", site)
			must(t, w.sim.ExpireUser(shop, "xiaoming"))
			clear := w.sim.Fail(wxsim.Fault{Path: refreshPath, Mode: mode})
			refusal(t, mode.String(), l.info(), -1, "system error")
			refusal(t, mode.String(), l.renew(), -1, "system error")
			clear()
			if a := l.info(); a["nickname"] != "小明" {
				t.Errorf("after %s: %v", mode, a)
			}
		}
	})
	t.Run("over", func(t *testing.T) {
		t.Parallel()
		for _, code := range []int{40030, 42002, 40029} {
			w := newWorld(t)
			w.auth.Alone = true // nobody else can have used it
			l := w.logIn("phantom", site)
			must(t, w.sim.ExpireUser(shop, "xiaoming"))
			w.sim.Fail(wxsim.Fault{Path: refreshPath, Mode: wxsim.Errcode, Errcode: code})
			refusal(t, "userinfo", l.info(), 42001, "must log in again")
			refusal(t, "auth", w.sns("/sns/auth", "access_token", l.token, "openid", l.openid), 42001, "must log in again")
			refusal(t, "refresh", l.renew(), float64(code))
		}
	})
	t.Run("the password was changed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		l := w.logIn("phantom", site)
		must(t, w.sim.ChangePassword("xiaoming"))
		refusal(t, "userinfo", l.info(), 42007)
		refusal(t, "refresh", l.renew(), 42007)
		// The next login heals the session, for the old phantom too.
		again := w.logIn("phantom", site)
		for _, l := range []*loggedIn{l, again} {
			if a := l.info(); a["nickname"] != "小明" {
				t.Error(a)
			}
		}
	})
}

// The store is away for a moment just when WeChat has replaced the refresh
// token: the new one is not lost.
func TestAReplacedRefreshTokenSurvivesAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(do func() (store.Record, error)) (store.Record, error){
		"away": func(func() (store.Record, error)) (store.Record, error) {
			return store.Record{}, errAway
		},
		"unsure, written": func(do func() (store.Record, error)) (store.Record, error) {
			_, _ = do()
			return store.Record{}, store.ErrUnsure
		},
		"unsure, not written": func(func() (store.Record, error)) (store.Record, error) { return store.Record{}, store.ErrUnsure },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, wxsim.NewRefreshTokens)
			l := w.logIn("phantom", site)
			for range 6 {
				must(t, w.sim.ExpireUser(shop, "xiaoming"))
				n := 0
				w.flaky.fail(func(do func() (store.Record, error)) (store.Record, error) {
					if n++; n == 1 {
						return fail(do)
					}
					return do()
				})
				if a := l.info(); a["nickname"] != "小明" {
					t.Fatal(a)
				}
			}
		})
	}
}

// Who logs in every hour has one session, and all of its tokens work.
func TestLoggingInAgainFillsNoStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []*loggedIn
	for range 5 {
		all = append(all, w.logIn("phantom", site))
	}
	w.redeem("phantom", w.phone().code(site, wechat.ScopeBase)) // another scope is another session
	n := 0
	for range w.store.List(t.Context(), "session/") {
		n++
	}
	if n != 2 {
		t.Errorf("%d sessions", n)
	}
	for _, l := range all {
		if a := l.info(); a["nickname"] != "小明" {
			t.Error(a)
		}
	}
	// A base token is no way to the profile that another login consented to.
	base := w.redeem("phantom", w.phone().code(site, wechat.ScopeBase))
	refusal(t, "base", w.sns("/sns/userinfo", "access_token", base["access_token"].(string), "openid", base["openid"].(string)), 48001)
}

// Whoever brings one token where another is meant is told so, in either
// direction, and WeChat is not asked.
func TestTokensThatAreMixedUpAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, r := w.logIn("phantom", site), w.logIn("real", "https://real.example.com/cb")
	appPhantom := w.auth.Phantoms.Mint(w.appPhantom("phantom")).Reveal()
	before := len(w.sim.History())
	for name, c := range map[string]struct {
		token, asAccess, asRefresh string
		users                      bool
	}{
		"the app's, real":         {appsToken, "this is the app's token", "this is the app's token", false},
		"the app's, phantom":      {appPhantom, "this is the app's token", "this is the app's token", false},
		"refresh token, real":     {r.refresh, "this is the refresh_token", "", true},
		"refresh token, phantom":  {p.refresh, "this is the refresh_token", "", true},
		"the user's, real":        {r.token, "", "this is the user's access_token", true},
		"the user's, phantom":     {p.token, "", "this is the user's access_token", true},
		"somebody's":              {"91_somebodyElses", "not a user's token that this Hufu handed out", "invalid refresh_token", false},
		"a client key, by chance": {w.keys["phantom"], "not a user's token", "invalid refresh_token", false},
	} {
		if c.asAccess != "" {
			for _, path := range []string{"/sns/userinfo", "/sns/auth"} {
				refusal(t, name, w.sns(path, "access_token", c.token, "openid", p.openid), 40001, c.asAccess)
			}
		}
		if c.asRefresh != "" {
			refusal(t, name, w.sns(refreshPath, "appid", shop, "grant_type", "refresh_token", "refresh_token", c.token), 40030, c.asRefresh)
		}
		if got := w.auth.IsUsers(t.Context(), c.token); got != c.users {
			t.Errorf("%s: a user's: %v", name, got)
		}
	}
	if len(w.sim.History()) != before {
		t.Error("WeChat was asked")
	}
}

// appPhantom is the app's phantom token for a client, which it then may have.
func (w *world) appPhantom(client string) access.Phantom {
	for i := range w.clients {
		if c := &w.clients[i]; c.Name == client {
			c.Allow = append(c.Allow, "token")
			w.declare()
			return access.Phantom{Type: access.AppPhantom, App: shop, Client: client, KeyID: access.KeyID(c.KeySHA256[0][:4]), End: time.Now().Add(time.Hour)}
		}
	}
	w.t.Fatal(client)
	return access.Phantom{}
}
