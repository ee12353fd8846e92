package wxsim

import (
	"strconv"
	"time"
)

// grant is what one exchange gave an app: the token of a user (网页授权 access_token), which has
// nothing to do with the app's own. The lock of people guards it.
type grant struct {
	app      *app
	user     string
	openid   string
	scope    string
	snapshot bool
	access   string // the newest
	former   string // the access token before it
	issued   time.Time
	expires  time.Time // of the access token
	refresh  string    // the newest
	ends     time.Time // of the refresh token
	broken   bool      // the user changed the password
}

// UserTokenInfo is what the platform knows of one user's token.
type UserTokenInfo struct {
	App     string    `json:"appid"`
	User    string    `json:"user"`
	OpenID  string    `json:"openid"`
	Scope   string    `json:"scope"`
	Value   string    `json:"value"`
	Refresh string    `json:"refresh"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`      // of the access token
	Ends    time.Time `json:"refresh_ends"` // of the refresh token
	Alive   bool      `json:"alive"`        // the access token works
}

const (
	// refreshLife is in days, which do not shrink with Options.Life.
	refreshLife = 30 * 24 * time.Hour
	// keepGrants is how many are remembered once both of their tokens are dead, or the app has
	// very many.
	keepGrants = 16384
)

// newGrant gives an app its user. The code is used up already.
func (s *Sim) newGrant(k code, now time.Time) grant {
	user := k.user
	if k.snapshot {
		user = snapshotOf(user)
	}
	g := &grant{
		app: k.app, user: k.user, openid: OpenID(k.app.id, user), scope: k.scope, snapshot: k.snapshot,
		access: s.newUserValue(now), refresh: s.newUserValue(now),
		issued: now, expires: now.Add(s.opts.Life), ends: now.Add(refreshLife),
	}
	p := &s.people
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exchanges[k.app.id]++
	p.byAccess[g.access], p.byRefresh[g.refresh] = g, g
	p.grants = append(p.grants, g)
	if len(p.grants) > keepGrants {
		p.forget(p.grants[0])
		p.grants = p.grants[1:]
	}
	return *g
}

// forget drops every value of a grant.
func (p *people) forget(g *grant) {
	delete(p.byAccess, g.access)
	delete(p.byAccess, g.former)
	delete(p.byRefresh, g.refresh)
}

// grantOf is a copy of the grant that an access token belongs or belonged to; nil for any other
// string.
func (p *people) grantOf(access string) *grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.byAccess[access]
	if g == nil {
		return nil
	}
	seen := *g
	if access != g.access {
		seen.expires = g.issued // long over
	}
	return &seen
}

// renewed is what a refresh makes of a grant: the same access token with a longer life while it
// lives, else a new one. What allow says of the grant, nil if there is none, comes first.
func (s *Sim) renewed(refresh string, allow func(*grant) int) (g grant, errcode int) {
	access, next := s.newUserValue(s.Now()), ""
	if s.has(NewRefreshTokens) && s.dice.one(2) {
		next = s.newUserValue(s.Now())
	}
	p := &s.people
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.byRefresh[refresh]
	if code := allow(old); code != 0 {
		return grant{}, code
	}
	now := s.Now()
	if !now.Before(old.expires) {
		delete(p.byAccess, old.former)
		old.former, old.access, old.issued = old.access, access, now
		p.byAccess[access] = old
	}
	old.expires = now.Add(s.opts.Life)
	if next != "" {
		delete(p.byRefresh, old.refresh)
		old.refresh = next
		p.byRefresh[next] = old
	}
	return *old, 0
}

// newUserValue makes a user's token: 110 characters, and no capitals at the end.
func (s *Sim) newUserValue(now time.Time) string {
	b := strconv.AppendInt(make([]byte, 0, 110), tokenMonth(now), 10)
	b = append(b, '_')
	head := len(b)
	b = b[:110]
	s.dice.letters(b[head:], urlLetters)
	return string(b)
}

// UserTokens are the tokens that users gave the app, oldest first.
func (s *Sim) UserTokens(appid string) (list []UserTokenInfo) {
	now := s.Now()
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	for _, g := range s.people.grants {
		if g.app.id == appid {
			list = append(list, UserTokenInfo{
				App: appid, User: g.user, OpenID: g.openid, Scope: g.scope, Value: g.access, Refresh: g.refresh,
				Issued: g.issued, Expires: g.expires, Ends: g.ends, Alive: now.Before(g.expires) && !g.broken,
			})
		}
	}
	return list
}
