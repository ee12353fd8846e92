package wxsim

import "time"

// The oracle tells tests the truth, which no caller of the API can know. Its methods neither count
// nor leave a trace, and are cheap enough for millions of calls.

// TokenInfo is what the platform knows of one token.
type TokenInfo struct {
	App        string    `json:"appid"`
	Line       Line      `json:"line"`
	Value      string    `json:"value"`
	Generation int       `json:"generation"` // counts the tokens of a line
	Issued     time.Time `json:"issued"`
	Expires    time.Time `json:"expires"` // as told at issue
	Ends       time.Time `json:"ends"`    // accepted until then, as things are
	Current    bool      `json:"current"` // the newest of its line
	Alive      bool      `json:"alive"`
}

// Valid reports whether the platform accepts the token for the app right now. It does not know of
// LateTokens: a token that is refused for its first moments is valid.
func (s *Sim) Valid(appid, value string) bool {
	t := s.token(value)
	if t == nil || t.app.id != appid {
		return false
	}
	t.app.mu.Lock()
	defer t.app.mu.Unlock()
	return t.alive(s.Now())
}

// TokenInfo describes a token of the app. It is false for a string that was never one, or is one
// of the long dead.
func (s *Sim) TokenInfo(appid, value string) (TokenInfo, bool) {
	t := s.token(value)
	if t == nil || t.app.id != appid {
		return TokenInfo{}, false
	}
	t.app.mu.Lock()
	defer t.app.mu.Unlock()
	return t.info(s.Now()), true
}

// Line tells which line a token of the app belongs to; false as for TokenInfo.
func (s *Sim) Line(appid, value string) (Line, bool) {
	t := s.token(value)
	if t == nil || t.app.id != appid {
		return 0, false
	}
	return t.line, true
}

// Current is the newest token of a line, whoever asked for it, dead or alive; "" before the first.
func (s *Sim) Current(appid string, l Line) string {
	a := s.app(appid)
	if a == nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.lines[l].cur; c != nil {
		return c.value
	}
	return ""
}

// Issues counts the new tokens that requests made, on both lines; those of outsiders do not count.
func (s *Sim) Issues(appid string) int { return s.IssuesOf(appid, Classic) + s.IssuesOf(appid, Stable) }

// IssuesOf is Issues of one line.
func (s *Sim) IssuesOf(appid string, l Line) (n int) {
	s.look(appid, func(a *app) { n = a.issued[l] })
	return n
}

// IssuesWithin is Issues within the last window of platform time. No more than the last 4096 are
// known.
func (s *Sim) IssuesWithin(appid string, window time.Duration) (n int) {
	from := s.Now().Add(-window)
	s.look(appid, func(a *app) {
		for i := len(a.issues); i > 0 && a.issues[i-1].After(from); i-- {
			n++
		}
	})
	return n
}

// LastIssue is when the last of Issues was, on the platform's clock; zero if there was none.
func (s *Sim) LastIssue(appid string) (at time.Time) {
	s.look(appid, func(a *app) {
		if n := len(a.issues); n > 0 {
			at = a.issues[n-1]
		}
	})
	return at
}

// Asked counts the requests for a token on a line, whatever came of them.
func (s *Sim) Asked(appid string, l Line) (n int) {
	s.look(appid, func(a *app) { n = a.asked[l] })
	return n
}

// Tokens are the live tokens of an app and its last dead ones, oldest first.
func (s *Sim) Tokens(appid string) (list []TokenInfo) {
	now := s.Now()
	s.look(appid, func(a *app) {
		for l := range a.lines {
			for _, t := range a.lines[l].kept {
				list = append(list, t.info(now))
			}
		}
	})
	return list
}

func (s *Sim) look(appid string, f func(*app)) {
	a := s.app(appid)
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a)
}

func (t *token) info(now time.Time) TokenInfo {
	return TokenInfo{
		App: t.app.id, Line: t.line, Value: t.value, Generation: t.generation,
		Issued: t.issued, Expires: t.expires, Ends: t.ends,
		Current: t.app.lines[t.line].cur == t, Alive: t.alive(now),
	}
}
