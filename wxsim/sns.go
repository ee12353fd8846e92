package wxsim

import "encoding/base64"

const (
	pathExchange  = "/sns/oauth2/access_token"
	pathRefresh   = "/sns/oauth2/refresh_token"
	pathJSSession = "/sns/jscode2session"
)

// snsRoutes are the calls about one user. They take their parameters from the query, whatever the
// method, have no daily quota, and do not look at the caller's address.
func snsRoutes() []route {
	return []route{
		{path: pathExchange, sns: true, serve: (*Sim).exchangeCode},
		{path: pathRefresh, sns: true, serve: (*Sim).refreshUserToken},
		{path: "/sns/userinfo", sns: true, usered: true, serve: (*Sim).snsUserInfo},
		{path: "/sns/auth", sns: true, usered: true, serve: (*Sim).snsAuth},
		{path: pathJSSession, sns: true, serve: (*Sim).jsSession},
	}
}

// exchanges reports whether a path takes a code, and with it the AppSecret.
func exchanges(path string) bool { return path == pathExchange || path == pathJSSession }

// exchanged is the code that a call brings; "" if it brings none.
func (c *call) exchanged() string {
	switch c.path {
	case pathExchange:
		return c.query.Get("code")
	case pathJSSession:
		return c.query.Get("js_code")
	}
	return ""
}

// exchangeCode gives an app its user for a code.
func (s *Sim) exchangeCode(c *call) answer {
	return s.exchange(c, func(k code) answer {
		if k.scope == scopeJSCode {
			return s.refuse(c, 40029)
		}
		g := s.newGrant(k, c.arrived)
		a := s.grantAnswer(c, g)
		if k.scope != scopeBase && k.app.cfg.OpenPlatform != "" {
			a.fields = append(a.fields, field{"unionid", g.unionID()})
		}
		if k.snapshot {
			a.fields = append(a.fields, field{"is_snapshotuser", 1})
		}
		return a
	})
}

// exchange checks a request that brings a code, and uses the code up, be it in vain: a code that
// was tried with the wrong app or secret is lost.
func (s *Sim) exchange(c *call, give func(code) answer) answer {
	value := c.exchanged()
	a, errcode := s.snsApp(c)
	switch {
	case errcode != 0:
		return s.refuse(c, errcode)
	case c.query.Get("secret") == "":
		return s.refuse(c, 41004)
	case value == "":
		return s.refuse(c, 41008)
	case c.query.Get("grant_type") != "authorization_code":
		return s.refuse(c, 40002)
	}
	busy := s.has(Busy) && s.dice.one(rateBusy)
	if busy && s.dice.one(2) {
		return s.refuse(c, -1)
	}
	k, there := s.people.spend(value)
	if busy {
		return s.refuse(c, -1)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle(c.arrived)
	switch {
	case c.query.Get("secret") != a.cfg.Secret:
		return s.refuse(c, 40125)
	case a.frozen:
		return s.refuse(c, 40243)
	case !there, k.app != a:
		return s.refuse(c, 40029)
	case !c.arrived.Before(k.ends):
		return s.refuse(c, s.badCode(40029))
	case k.used:
		return s.refuse(c, s.badCode(40163))
	}
	return give(k)
}

func (s *Sim) badCode(code int) int {
	if s.has(MixedCodeErrors) {
		return [...]int{40029, 40163, 42003}[s.dice.below(3)]
	}
	return code
}

// snsApp is the app that a call names in its query.
func (s *Sim) snsApp(c *call) (*app, int) {
	id := c.query.Get("appid")
	if id == "" {
		return nil, 41002
	}
	a := s.app(id)
	if a == nil {
		return nil, 40013
	}
	return a, 0
}

// grantAnswer is what an exchange and a refresh have in common.
func (s *Sim) grantAnswer(c *call, g grant) answer {
	scope := g.scope
	if s.has(OldScopes) && s.dice.one(rateOldScope) {
		scope += ","
	}
	c.user = g.user
	return answer{userToken: g.access, issued: true, fields: []field{
		{"access_token", g.access},
		{"expires_in", s.told(g.expires.Sub(c.arrived))},
		{"refresh_token", g.refresh},
		{"openid", g.openid},
		{"scope", scope},
	}}
}

// unionID is who the user is beyond the app; the app's lock is held.
func (g *grant) unionID() string {
	user := g.user
	if g.snapshot {
		user = snapshotOf(user)
	}
	return UnionID(g.app.cfg.OpenPlatform, user)
}

// refreshUserToken needs no secret. Whether the refresh token is replaced is not documented.
func (s *Sim) refreshUserToken(c *call) answer {
	a, errcode := s.snsApp(c)
	switch {
	case errcode != 0:
		return s.refuse(c, errcode)
	case c.query.Get("refresh_token") == "":
		return s.refuse(c, 41003)
	case c.query.Get("grant_type") != "refresh_token":
		return s.refuse(c, 40002)
	}
	g, errcode := s.renewed(c.query.Get("refresh_token"), func(g *grant) int {
		switch {
		case g == nil, g.app != a:
			return 40030
		case g.broken:
			return 42007
		case !c.arrived.Before(g.ends):
			return 42002
		}
		return 0
	})
	if errcode != 0 {
		return s.refuse(c, errcode)
	}
	return s.grantAnswer(c, g)
}

// checkUserToken is what happens to every call that brings a user's token: 0 if it may go on.
func (s *Sim) checkUserToken(c *call) int {
	g := c.grant
	switch {
	case c.token != nil && c.path == "/sns/auth":
		return 40014 // so seen with an app's token
	case g == nil:
		return s.badToken(40001)
	case g.broken:
		return 42007
	case !c.arrived.Before(g.expires):
		return s.badToken(42001)
	case c.query.Get("openid") == "":
		return 41009
	case c.query.Get("openid") != g.openid:
		return 40003
	}
	return 0
}

// snsAuth tells whether a user's token still works.
func (s *Sim) snsAuth(*call) answer { return success() }

// snsUserInfo tells who the user is, if that was allowed. Sex and region are gone since October 2021.
func (s *Sim) snsUserInfo(c *call) answer {
	g := c.grant
	if g.scope == scopeBase {
		return s.refuse(c, 48001)
	}
	u, _ := s.user(g.user)
	if g.snapshot {
		u = User{Nickname: "微信用户"}
	}
	a := answer{fields: []field{
		{"openid", g.openid},
		{"nickname", u.Nickname},
		{"sex", 0},
		{"province", ""},
		{"city", ""},
		{"country", ""},
		{"headimgurl", u.Avatar},
		{"privilege", []string{}},
	}}
	g.app.mu.Lock()
	defer g.app.mu.Unlock()
	if g.app.cfg.OpenPlatform != "" {
		a.fields = append(a.fields, field{"unionid", g.unionID()})
	}
	return a
}

// sessionKey is one user of one mini program.
type sessionKey struct {
	app  *app
	user string
}

type sessioned struct {
	minute int64
	n      int
}

// sessionsPerMinute is the limit of jscode2session for one user.
const sessionsPerMinute = 100

// jsSession gives a mini program its user for what wx.login gave it.
func (s *Sim) jsSession(c *call) answer {
	return s.exchange(c, func(k code) answer {
		if k.scope != scopeJSCode {
			return s.refuse(c, 40029)
		}
		if u, _ := s.user(k.user); u.Blocked {
			return s.refuse(c, 40226)
		}
		if !s.people.session(sessionKey{k.app, k.user}, s.minute(c.arrived)) {
			return s.refuse(c, 45011)
		}
		key := make([]byte, 16)
		for i := range key {
			key[i] = byte(s.dice.word())
		}
		fields := []field{
			{"session_key", base64.StdEncoding.EncodeToString(key)},
			{"openid", OpenID(k.app.id, k.user)},
		}
		if k.app.cfg.OpenPlatform != "" {
			fields = append(fields, field{"unionid", UnionID(k.app.cfg.OpenPlatform, k.user)})
		}
		return answer{issued: true, fields: fields}
	})
}

// session counts a login of a mini program, unless it would be one too many.
func (p *people) session(key sessionKey, minute int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.sessions[key]
	if now.minute != minute {
		now = sessioned{minute: minute}
	}
	if now.n >= sessionsPerMinute {
		return false
	}
	now.n++
	p.sessions[key] = now
	p.exchanges[key.app.id]++
	return true
}
