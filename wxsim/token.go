package wxsim

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"
)

const (
	pathToken  = "/cgi-bin/token"
	pathStable = "/cgi-bin/stable_token"
)

func tokenRoutes() []route {
	return []route{
		{path: pathToken, method: http.MethodGet, serve: (*Sim).classicToken},
		{path: pathStable, method: http.MethodPost, serve: (*Sim).stableToken},
	}
}

// ask is a request for a token, as far as it could be read.
type ask struct {
	line   Line
	grant  string
	secret string
	force  bool
	broken bool // no JSON object, or fields of other types
}

// newAsk reads a request on one of the two paths; nil on any other.
func newAsk(c *call) *ask {
	switch c.path {
	case pathToken:
		return &ask{line: Classic, grant: c.query.Get("grant_type"), secret: c.query.Get("secret")}
	case pathStable:
		k := &ask{line: Stable, broken: c.json == nil}
		var g, i, s bool
		k.grant, g = c.text("grant_type")
		k.secret, s = c.text("secret")
		_, i = c.text("appid")
		if raw, there := c.json["force_refresh"]; there && json.Unmarshal(raw, &k.force) != nil {
			k.broken = true
		}
		k.broken = k.broken || !g || !i || !s
		return k
	}
	return nil
}

// classicToken issues a new token, and gives the one before it an overlap to live.
// Page getAccessToken of developers.weixin.qq.com.
func (s *Sim) classicToken(c *call) answer {
	return s.issue(c, c.query.Get("appid"), func(a *app, now time.Time) (*token, bool, int) {
		if code := s.charge(a, now, Classic, a.cfg.DailyQuota, s.opts.MinuteLimit); code != 0 {
			return nil, false, code
		}
		return s.rotate(a, Classic, now), true, 0
	})
}

// The documented quota of the stable line.
const (
	stableDaily  = 500_000
	stableMinute = 10_000
	forcedDaily  = 20
)

// stableToken hands out the same token until its last overlap, unless forced.
// https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
func (s *Sim) stableToken(c *call) answer {
	if c.ask.broken {
		return s.refuse(c, 47001)
	}
	appid, _ := c.text("appid")
	return s.issue(c, appid, func(a *app, now time.Time) (*token, bool, int) {
		ln := &a.lines[Stable]
		// Too soon after the last one is no error and has no effect; the answer is presumed.
		force := c.ask.force && (ln.cur == nil || now.Sub(ln.forced) >= s.spacing())
		if force && a.usage.forced >= forcedDaily {
			return nil, false, 45009 // presumed: the page gives the number only
		}
		if code := s.charge(a, now, Stable, stableDaily, cmp.Or(s.opts.MinuteLimit, stableMinute)); code != 0 {
			return nil, false, code
		}
		if !force {
			t, issued := s.stable(a, now)
			return t, issued, 0
		}
		a.usage.forced++
		ln.forced = now
		return s.rotate(a, Stable, now), true, 0
	})
}

// issue checks a request in WeChat's order, then lets the line make its token.
func (s *Sim) issue(c *call, appid string, mint func(*app, time.Time) (*token, bool, int)) answer {
	if appid == "" {
		return s.refuse(c, 41002)
	}
	a := s.app(appid)
	if a == nil {
		return s.refuse(c, 40013)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := s.Now()
	a.settle(now)
	a.usage.roll(now)
	if code := s.checkAsk(c, a, now); code != 0 {
		return s.refuse(c, code)
	}
	busy := s.has(Busy) && s.dice.one(rateBusy)
	if busy && s.dice.one(2) {
		return s.refuse(c, -1)
	}
	t, issued, code := mint(a, now)
	if code != 0 {
		return s.refuse(c, code)
	}
	if issued {
		if len(a.issues) == maxIssues {
			a.issues = append(a.issues[:0], a.issues[1:]...)
		}
		a.issues = append(a.issues, now)
		a.issued[c.ask.line]++
	}
	ans := answer{token: t, issued: issued, expires: t.expires}
	if busy {
		ans.errcode, ans.fields = -1, s.refuse(c, -1).fields
		return ans
	}
	ans.fields = []field{{"access_token", t.value}, {"expires_in", s.told(t.expires.Sub(now))}}
	return ans
}

// checkAsk is everything that stands between a caller and a token, but the quotas of a day.
func (s *Sim) checkAsk(c *call, a *app, now time.Time) int {
	switch {
	case c.ask.grant != "client_credential":
		return 40002
	case c.ask.secret == "":
		return 41004
	case c.ask.secret != a.cfg.Secret:
		return 40125
	case a.frozen:
		return 40243
	case !a.allowed(c.ip):
		return s.ipCode()
	}
	if code := a.risk(c.ip, now); code != 0 {
		return code
	}
	if a.punished != 0 {
		return a.punished
	}
	return 0
}

// charge takes one request from the quotas of the day and of the minute, or tells which is used up.
func (s *Sim) charge(a *app, now time.Time, l Line, daily, perMinute int) int {
	path := [...]string{pathToken, pathStable}[l]
	switch {
	case a.usage.full(path, daily):
		return 45009
	case !a.usage.takeMinute(l, s.minute(now), perMinute):
		return 45011
	}
	a.usage.take(path, 0)
	return 0
}

// minute counts the minutes of the platform, which are as short as its lives are.
func (s *Sim) minute(now time.Time) int64 {
	return int64(now.Sub(s.start) / (s.opts.Life / 120))
}
