package wxsim

import (
	"fmt"
	"slices"
	"time"
)

// The scopes of web authorization, and the one of a mini program's wx.login, which has no name at
// WeChat.
const (
	scopeBase     = "snsapi_base"
	scopeUserinfo = "snsapi_userinfo"
	scopeLogin    = "snsapi_login"
	scopeJSCode   = "jscode"
)

// code is a user's word for an app, good for one exchange.
type code struct {
	value    string
	app      *app
	user     string
	scope    string
	snapshot bool
	made     time.Time
	ends     time.Time
	asked    int  // how many exchanges were tried, whatever came of them
	used     bool // the first of them was handled
}

// CodeInfo is what the platform knows of one code.
type CodeInfo struct {
	App       string    `json:"appid"`
	User      string    `json:"user"`
	Scope     string    `json:"scope"` // "jscode" for a mini program's
	Value     string    `json:"value"`
	Made      time.Time `json:"made"`
	Ends      time.Time `json:"ends"`
	Snapshot  bool      `json:"snapshot,omitempty"`
	Exchanges int       `json:"exchanges"` // how many arrived, good and bad
	Used      bool      `json:"used"`      // an exchange was handled, be it refused
}

const (
	alphanumerics = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

	// keepCodes is how many codes are remembered once they are used or past their time.
	keepCodes = 4096
)

// codeLife is five minutes of two hours. The page on website login says ten; who keeps to five is
// right with both.
func (s *Sim) codeLife() time.Duration { return s.opts.Life / 24 }

// newCode makes a code that looks like WeChat's: 32 characters that begin as 071 and 023 do.
func (s *Sim) newCode(a *app, user, scope string, snapshot bool, now time.Time) *code {
	b := make([]byte, 32)
	s.dice.letters(b, alphanumerics)
	b[0], b[1], b[2] = '0', '0'+byte(s.dice.below(10)), "13"[s.dice.below(2)]
	k := &code{value: string(b), app: a, user: user, scope: scope, snapshot: snapshot, made: now, ends: now.Add(s.codeLife())}
	p := &s.people
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[k.value] = k
	p.codeList = append(p.codeList, k)
	for len(p.codeList) > keepCodes && !now.Before(p.codeList[0].ends) {
		delete(p.codes, p.codeList[0].value)
		p.codeList = p.codeList[1:]
	}
	return k
}

// Code is a code that a user gave the app without any page: what a test without a browser needs,
// and, with the scope "jscode", what wx.login gives a mini program. Other scopes are snsapi_base,
// snsapi_userinfo and snsapi_login.
func (s *Sim) Code(appid, user, scope string) (string, error) {
	if err := s.knownUser("code", user); err != nil {
		return "", err
	}
	if !slices.Contains([]string{scopeBase, scopeUserinfo, scopeLogin, scopeJSCode}, scope) {
		return "", fmt.Errorf("wxsim: code: no scope %q", scope)
	}
	a := s.app(appid)
	if a == nil {
		return "", fmt.Errorf("wxsim: code: no app %q", appid)
	}
	return s.newCode(a, user, scope, false, s.Now()).value, nil
}

// Codes are the codes that users gave the app, oldest first: all that are good, and the last ones
// that are not.
func (s *Sim) Codes(appid string) (list []CodeInfo) {
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	for _, k := range s.people.codeList {
		if k.app.id == appid {
			list = append(list, CodeInfo{
				App: appid, User: k.user, Scope: k.scope, Value: k.value, Made: k.made, Ends: k.ends,
				Snapshot: k.snapshot, Exchanges: k.asked, Used: k.used,
			})
		}
	}
	return list
}

// Exchanges counts the requests that brought this code, whatever came of them; 0 for a string that
// is no code.
func (s *Sim) Exchanges(code string) int {
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	if k := s.people.codes[code]; k != nil {
		return k.asked
	}
	return 0
}

// Logins counts the exchanges that gave the app a user, on both paths.
func (s *Sim) Logins(appid string) int {
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	return s.people.exchanges[appid]
}

// tried counts an exchange when it arrives. It returns which one it is of this code, from 1, and
// how long after the code's end it came; 0 for a string that is no code.
func (p *people) tried(value string, now time.Time) (n int, late time.Duration, user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.codes[value]
	if k == nil {
		return 0, 0, ""
	}
	k.asked++
	return k.asked, now.Sub(k.ends), k.user
}

// spend uses a code up, and returns it as it was before; false for a string that is no code.
func (p *people) spend(value string) (code, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.codes[value]
	if k == nil {
		return code{}, false
	}
	before := *k
	k.used = true
	return before, true
}
