package wxsim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// Line is one of the two independent token lines of an app. Neither ends the other's tokens.
type Line int8

const (
	// Classic is what GET /cgi-bin/token serves (普通版): every success replaces the token.
	Classic Line = iota
	// Stable is what POST /cgi-bin/stable_token serves (稳定版): the same token until its last
	// overlap.
	Stable
)

func (l Line) String() string {
	if l == Stable {
		return "stable"
	}
	return "classic"
}

// MarshalText makes a line a word in JSON.
func (l Line) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (l *Line) UnmarshalText(b []byte) error {
	switch string(b) {
	case "classic":
		*l = Classic
	case "stable":
		*l = Stable
	default:
		return fmt.Errorf("wxsim: no such line %q: classic or stable", b)
	}
	return nil
}

// token is one value that was ever issued. Its app's lock guards it.
type token struct {
	app        *app
	line       Line
	value      string
	hash       string // of the value, to be shown
	generation int    // of its line
	issued     time.Time
	expires    time.Time // what was told at issue
	from       time.Time // refused before, by LateTokens
	ends       time.Time // refused from here on; never after expires
	replaced   bool      // has a successor
	revoked    bool
}

func (t *token) alive(now time.Time) bool { return now.Before(t.ends) }

// end brings the end forward; it never lengthens a life.
func (t *token) end(at time.Time) {
	if at.Before(t.ends) {
		t.ends = at
	}
}

// line is the state machine of section 10 of the protocol notes: a current token, and the one
// before it for an overlap.
type line struct {
	cur, prev  *token
	generation int
	forced     time.Time // the last force_refresh that was honoured
	kept       []*token  // oldest first; what the sim still knows by value
}

// keep is how many dead tokens of a line are remembered, so that history and TokenInfo can name
// them. An older one is answered as any unknown string is, with the same 40001.
const keep = 16

// rotate makes a new current token. The app's lock is held.
func (s *Sim) rotate(a *app, l Line, now time.Time) *token {
	ln := &a.lines[l]
	if ln.prev != nil && !s.has(ThreeTokens) {
		ln.prev.end(now)
	}
	if ln.cur != nil {
		ln.cur.end(now.Add(s.opts.Overlap))
		ln.cur.replaced = true
	}
	life := s.opts.Life
	if l == Classic && s.has(ShortLives) && s.dice.one(rateShortLife) {
		life -= time.Duration(s.dice.below(int(life / 72)))
	}
	ln.generation++
	t := &token{app: a, line: l, value: s.newValue(l, now), generation: ln.generation, issued: now, from: now}
	t.hash = shortHash(t.value)
	t.expires = now.Add(life)
	t.ends = t.expires
	if s.has(LateTokens) && s.dice.one(rateLateToken) {
		t.from = now.Add(time.Duration(s.dice.below(int(s.opts.Life / 3600))))
	}
	ln.prev, ln.cur = ln.cur, t
	ln.kept = append(ln.kept, t)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[t.value] = t
	for len(ln.kept) > keep && !ln.kept[0].alive(now) {
		delete(s.tokens, ln.kept[0].value)
		ln.kept = ln.kept[1:]
	}
	return t
}

// stable answers a request in normal mode: the same token until its last overlap. A token that
// was revoked is handed out all the same, as the line does not know; force_refresh helps.
func (s *Sim) stable(a *app, now time.Time) (t *token, issued bool) {
	if c := a.lines[Stable].cur; c != nil && c.expires.Sub(now) > s.opts.Life/24 {
		return c, false
	}
	return s.rotate(a, Stable, now), true
}

// spacing is how far apart forced refreshes must be: 30 s of 2 h.
func (s *Sim) spacing() time.Duration { return s.opts.Life / 240 }

const (
	urlLetters   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	upperLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// newValue makes a token that looks like WeChat's: a number that grows by one a month (91 in April
// 2025), and six capitals at the end.
func (s *Sim) newValue(l Line, now time.Time) string {
	n := s.opts.TokenLength
	switch {
	case n != 0:
	case l == Classic:
		n = 157
	default:
		n = 136
	}
	b := strconv.AppendInt(make([]byte, 0, n), tokenMonth(now), 10)
	b = append(b, '_')
	head := len(b)
	b = b[:n]
	s.dice.letters(b[head:n-6], urlLetters)
	s.dice.letters(b[n-6:], upperLetters)
	return string(b)
}

// tokenMonth is the number at the beginning of a token.
func tokenMonth(now time.Time) int64 {
	return max(1, int64(91+(now.Year()-2025)*12+int(now.Month())-4))
}

// shortHash names a secret string without showing it.
func shortHash(v string) string {
	if v == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(v))
	return hex.EncodeToString(sum[:4])
}
