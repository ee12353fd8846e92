package shop

import (
	"context"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
)

// What a login may ask for. The base scope is silent and gives the openid; with
// userinfo WeChat asks the user, and the nickname comes with it.
const (
	scopeBase     = "snsapi_base"
	scopeUserinfo = "snsapi_userinfo"
)

// login is one that was begun. A browser may have several at once, one in each
// tab; each has a state of its own.
type login struct {
	// browser is who began it. A callback that another browser brings is
	// refused: else somebody could send you the end of their own login, and
	// you would shop on their account.
	browser string
	// turn is taken by who carries the login on; one at a time.
	turn chan struct{}
	// visitor is what came of it; "" before the end.
	visitor string
}

// login begins a login: it remembers who begins, and sends the browser to Hufu
// with the parameters that WeChat documents, in WeChat's order.
func (s *shop) login(w http.ResponseWriter, r *http.Request) {
	scope := r.FormValue("scope")
	if scope != scopeBase && scope != scopeUserinfo {
		s.failed(w, r, http.StatusBadRequest, &refusal{10005, "no such scope"})
		return
	}
	browser := cookie(r, browserCookie)
	if browser == "" {
		browser = draw()
		s.setCookie(w, browserCookie, browser)
	}
	state := s.logins.add(&login{browser: browser, turn: make(chan struct{}, 1)})
	http.Redirect(w, r, s.HufuWeb+"/connect/oauth2/authorize?appid="+url.QueryEscape(s.AppID)+
		"&redirect_uri="+url.QueryEscape(s.URL+"/callback")+"&response_type=code&scope="+scope+"&state="+state+
		"#wechat_redirect", http.StatusSeeOther)
}

// callback ends a login. It never shows a visitor's page itself but sends the
// browser to the home page, so that neither a reload nor the back button brings
// a code twice.
func (s *shop) callback(w http.ResponseWriter, r *http.Request) {
	l, ok := s.logins.get(r.FormValue("state"))
	if !ok || subtle.ConstantTimeCompare([]byte(l.browser), []byte(cookie(r, browserCookie))) != 1 {
		s.mismatch(w, r)
		return
	}
	// The user said no. The login stays open: they may go back and think again.
	if r.FormValue("error") == "access_denied" {
		s.denied(w, r)
		return
	}
	// Some of WeChat's browsers fetch a callback twice at the same time, throw
	// one answer away, and nobody knows which. So the second waits for the
	// first and is answered alike, and no code is redeemed twice.
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-r.Context().Done():
		return
	}
	if l.visitor == "" {
		// Whoever hangs up now may be the one of two that does not count.
		v, err := s.whoIs(context.WithoutCancel(r.Context()), r.FormValue("code"))
		if err != nil {
			s.failed(w, r, http.StatusBadGateway, err)
			return
		}
		s.visitors.drop(cookie(r, visitorCookie))
		l.visitor = s.visitors.add(v)
	}
	// Whoever has logged out since is not there any more, cookie or not.
	s.setCookie(w, visitorCookie, l.visitor)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// whoIs redeems a code and asks for the nickname, if the user allowed that.
func (s *shop) whoIs(ctx context.Context, code string) (visitor, error) {
	t, err := s.hufu.redeem(ctx, code)
	if err != nil {
		return visitor{}, err
	}
	v := visitor{OpenID: t.OpenID, Scope: t.Scope, Token: look(t.Access, t.ExpiresIn)}
	if strings.Contains(t.Scope, scopeUserinfo) {
		u, err := s.hufu.userinfo(ctx, t)
		if err != nil {
			return visitor{}, err
		}
		v.Nickname = u.Nickname
	}
	return v, nil
}

// logout forgets a visitor. The browser keeps its name for the next login.
func (s *shop) logout(w http.ResponseWriter, r *http.Request) {
	s.visitors.drop(cookie(r, visitorCookie))
	s.setCookie(w, visitorCookie, "")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
