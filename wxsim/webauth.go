package wxsim

import (
	"net/http"
	"net/url"
	"slices"
)

const (
	pathAuthorize = "/connect/oauth2/authorize"
	pathQRConnect = "/connect/qrconnect"
)

// webRoutes are the pages of open.weixin.qq.com. Links and forms on them lead to where they are, so
// that they work below any path.
func webRoutes() []route {
	return []route{
		{path: pathAuthorize, pages: true, serve: (*Sim).authorize},
		{path: pathQRConnect, pages: true, serve: (*Sim).qrConnect},
		{path: "/connect/users", pages: true, serve: (*Sim).chooseUser},
	}
}

// The cookies of the simulated WeChat: who holds the phone, and how the page was come by.
const (
	userCookie  = "wxsim_user"
	entryCookie = "wxsim_entry"
)

// Entry is how a user came to a page. WeChat knows; the site does not.
type Entry string

// The entries.
const (
	FromLink     Entry = ""         // a link, a QR code, a shared card
	FromMenu     Entry = "menu"     // the conversation with the account, or its menu
	FromSnapshot Entry = "snapshot" // a snapshot page (快照页), where a stranger stands in for the user
)

// visitor is who is in front of the browser.
type visitor struct {
	user  User
	there bool
	entry Entry
}

func (s *Sim) visitor(c *call) (v visitor) {
	r := http.Request{Header: c.header}
	if k, err := r.Cookie(userCookie); err == nil {
		v.user, v.there = s.user(k.Value)
	}
	if k, err := r.Cookie(entryCookie); err == nil {
		v.entry = Entry(k.Value)
	}
	return v
}

// form is what a page of ours sent.
func (c *call) form() url.Values {
	if c.method != http.MethodPost {
		return url.Values{}
	}
	v, _ := url.ParseQuery(string(c.body)) // what is broken was not sent by a page of ours
	return v
}

// chooseUser shows who may hold the phone, and remembers who does.
func (s *Sim) chooseUser(c *call) answer {
	if f := c.form(); f.Has("user") {
		return s.enter(c, f)
	}
	return s.usersPage(c)
}

// enter remembers in cookies who holds the phone, and comes back to the same page.
func (s *Sim) enter(c *call, f url.Values) answer {
	id := f.Get("user")
	if _, ok := s.user(id); !ok {
		id = ""
	}
	entry := Entry(f.Get("entry"))
	if entry != FromMenu && entry != FromSnapshot {
		entry = FromLink
	}
	a := answer{page: redirect(http.StatusSeeOther, "?"+inHeader(c.rawQuery))}
	for name, value := range map[string]string{userCookie: id, entryCookie: string(entry)} {
		k := http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
		if value == "" {
			k.MaxAge = -1
		}
		a.page.header.Add("Set-Cookie", k.String())
	}
	return a
}

// authorize is web authorization inside of WeChat: silent for snsapi_base, and for a follower who
// comes from the account's menu; else the user is asked.
func (s *Sim) authorize(c *call) answer {
	q := readRequest(c.rawQuery)
	if code := s.checkRequest(c, q); code != 0 {
		return s.refuse(c, code)
	}
	f, v := c.form(), s.visitor(c)
	switch {
	case f.Has("user"):
		return s.enter(c, f)
	case !v.there:
		return s.usersPage(c)
	}
	c.user = v.user.ID
	a := s.app(q.appid)
	a.mu.Lock()
	follows := slices.Contains(a.cfg.Followers, OpenID(a.id, v.user.ID))
	test := a.cfg.Sandbox
	a.mu.Unlock()
	if test && !follows {
		return s.refuse(c, 10006)
	}
	snapshot := q.scope == scopeUserinfo && (v.entry == FromSnapshot || q.snapshot)
	silent := q.scope == scopeBase || snapshot || follows && v.entry == FromMenu && !q.popup
	switch {
	case silent, f.Get("answer") == "allow":
		return s.grantCode(c, a, q, v.user.ID, snapshot)
	case f.Get("answer") == "deny":
		return s.denied(c, a, q)
	}
	return s.consentPage(c, a, v.user, false)
}

// qrConnect is website login: a computer shows a QR code, a phone scans it, its user is asked.
func (s *Sim) qrConnect(c *call) answer {
	q := readRequest(c.rawQuery)
	if code := s.checkRequest(c, q); code != 0 {
		return s.refuse(c, code)
	}
	f := c.form()
	u, scanned := s.user(f.Get("user"))
	if !scanned {
		return s.scanPage(c)
	}
	c.user = u.ID
	a := s.app(q.appid)
	switch f.Get("answer") {
	case "allow":
		return s.grantCode(c, a, q, u.ID, false)
	case "deny":
		return s.denied(c, a, q)
	}
	return s.consentPage(c, a, u, true)
}

// grantCode sends the browser back with a new code.
func (s *Sim) grantCode(c *call, a *app, q request, user string, snapshot bool) answer {
	k := s.newCode(a, user, q.scope, snapshot, c.arrived)
	out := s.leave(c, callbackOf(q.redirectURI, "code="+k.value+"&state="+q.state))
	out.code, out.issued = k.value, true
	return out
}

// denied sends the browser back without one, in any of the forms.
func (s *Sim) denied(c *call, a *app, q request) answer {
	form := a.cfg.Denial // never changes
	if form == "" {
		form = DenialState
		if s.has(MixedDenials) {
			form = [...]Denial{DenialState, DenialCode, DenialSilent}[s.dice.below(3)]
		}
	}
	switch form {
	case DenialSilent:
		return s.deniedPage(c)
	case DenialCode:
		return s.leave(c, callbackOf(q.redirectURI, "state="+q.state+"&code=authdeny&reason="))
	}
	return s.leave(c, callbackOf(q.redirectURI, "state="+q.state))
}

// leave sends the browser to a callback, now and then by a page that fetches it once before.
func (s *Sim) leave(c *call, address string) answer {
	if s.has(DoubleFetch) && s.dice.one(rateTwice) {
		return s.twicePage(c, address)
	}
	status := http.StatusFound
	if c.method == http.MethodPost {
		status = http.StatusSeeOther
	}
	return answer{page: redirect(status, address)}
}
