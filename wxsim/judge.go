package wxsim

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Violation is something that a well-behaved caller would not have done.
type Violation struct {
	Time time.Time `json:"time"` // of the platform
	Rule Rule      `json:"rule"`
	App  string    `json:"appid,omitempty"`
	RID  string    `json:"rid"`
	Text string    `json:"text"`
}

func (v Violation) String() string {
	return fmt.Sprintf("%s %s %s: %s", v.Time.UTC().Format(time.RFC3339), v.Rule, v.App, v.Text)
}

// Rule names what the judge minds.
type Rule string

// The rules. Times are for a life of two hours and shrink with it.
const (
	// AskedAgain: a classic token in the first half of its life, alive and never refused, was
	// replaced for no reason.
	AskedAgain Rule = "asked-again"
	// SentTwice: the same request twice within a tenth of a second, the first still without an
	// answer: net/http does that with a GET on a connection that dies.
	SentTwice Rule = "sent-twice"
	// RepeatedTooSoon: after a lost or doubtful answer the classic line was asked again before the
	// caches could have drained (75 s, while the token in hand lives), or within 3 s over and over.
	RepeatedTooSoon Rule = "repeated-too-soon"
	// IgnoredQuota: a line was asked on the day of its 45009.
	IgnoredQuota Rule = "ignored-quota"
	// IgnoredMinute: a line was asked within 60 s of its 45011.
	IgnoredMinute Rule = "ignored-minute"
	// IgnoredRefusal: what a person must put right (40125, 40164, 40243 …) was asked again within
	// 60 s, with the same secret, before anybody touched the console.
	IgnoredRefusal Rule = "ignored-refusal"
	// ForcedTooSoon: two force_refresh within 30 s.
	ForcedTooSoon Rule = "forced-too-soon"
	// SecretInURL: an AppSecret in a query where the body would do, or none is needed, in a browser,
	// or in a Referer.
	SecretInURL Rule = "secret-in-url"
	// TokenMisplaced: an access_token in a header or a body, where WeChat does not look.
	TokenMisplaced Rule = "token-misplaced"
	// WrongToken: an app's access_token where a user's is meant, or the other way round.
	WrongToken Rule = "wrong-token"
	// CodeTwice: a code was exchanged again, whatever came of the first time. Whoever lost the answer
	// has lost the code.
	CodeTwice Rule = "code-twice"
	// CodeTooLate: a code was exchanged after its five minutes.
	CodeTooLate Rule = "code-too-late"
	// NoWechatRedirect: a browser was sent to a page of WeChat's without #wechat_redirect. Only a
	// Browser can tell.
	NoWechatRedirect Rule = "no-wechat-redirect"
	// TicketTooSoon: a ticket was asked for again within a 30th of a life (4 min), though the one that
	// was given lives and nothing was wrong with the answer.
	TicketTooSoon Rule = "ticket-too-soon"
	// DeadTokenShown: a ticket was asked for with a token that had been refused there before.
	DeadTokenShown Rule = "dead-token-shown"
	// ForeignHost: a request for a host that is not WeChat's, nor a loopback or private address.
	ForeignHost Rule = "foreign-host"
)

// judge collects violations. What it knows of the caller of each line stands in the app, guarded
// by the app's lock.
type judge struct {
	mu    sync.Mutex
	list  []Violation
	total int
}

const maxViolations = 1000

// caller is what a caller of one line can know, all nodes and processes of it taken as one.
type caller struct {
	hand       *token    // the last token that certainly arrived
	handAt     time.Time // when it did
	life       time.Duration
	dead       bool      // hand was refused since
	unanswered int       // requests in a row whose outcome the caller does not know
	lastAt     time.Time // when the last request arrived, or its outcome became doubtful
	lastReal   time.Time // the same of the machine
	last       ask
	open       bool // the last request has no answer yet, or never had one
	quota      [2]time.Time
	minute     time.Time
	refused    map[refusalKey]time.Time
	excused    bool // the next request has a reason that we cannot see
}

// refusalKey: another secret, or a call from another address, is another question.
type refusalKey struct {
	secret string
	ip     netip.Addr
}

// burst is how close two requests must be to be one that was sent twice; of the machine.
const burst = 100 * time.Millisecond

// Violations are what the judge found, oldest first; the first thousand.
func (s *Sim) Violations() []Violation {
	s.judge.mu.Lock()
	defer s.judge.mu.Unlock()
	return append([]Violation(nil), s.judge.list...)
}

// ClearViolations forgets them; what the judge knows of callers remains.
func (s *Sim) ClearViolations() {
	s.judge.mu.Lock()
	defer s.judge.mu.Unlock()
	s.judge.list, s.judge.total = nil, 0
}

func (j *judge) find(c *call, rule Rule, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.total++
	if len(j.list) < maxViolations {
		j.list = append(j.list, Violation{Time: c.arrived, Rule: rule, App: clip(c.appid), RID: c.rid, Text: fmt.Sprintf(format, args...)})
	}
}

// arrived looks at a request before it is handled.
func (j *judge) arrived(s *Sim, c *call) {
	j.places(s, c)
	j.exchange(s, c)
	j.ticketArrived(s, c)
	if c.ask == nil || c.app == nil {
		return
	}
	a := c.app
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked[c.ask.line]++
	k := &a.caller[c.ask.line]
	if rule, text := s.verdict(c, k); rule != "" {
		j.find(c, rule, "%s", text)
	}
	k.last, k.lastAt, k.lastReal, k.open = *c.ask, c.arrived, time.Now(), true
	k.unanswered++
}

// verdict is the first rule that a request for a token breaks.
func (s *Sim) verdict(c *call, k *caller) (Rule, string) {
	if k.excused {
		// Not by what is in hand alone: an answer may be on its way.
		k.excused = false
		return "", ""
	}
	now, life := c.arrived, s.opts.Life
	since := now.Sub(k.lastAt)
	force := 0
	if c.ask.force {
		force = 1
	}
	if k.open && *c.ask == k.last && time.Since(k.lastReal) < burst && (c.ask.line == Classic || c.ask.force) {
		return SentTwice, fmt.Sprintf("the same request %v after one that had no answer yet", time.Since(k.lastReal))
	}
	if until := k.quota[force]; now.Before(until) {
		return IgnoredQuota, fmt.Sprintf("45009 was answered; asked again %v before midnight in Beijing", until.Sub(now).Round(time.Second))
	}
	if now.Before(k.minute) {
		return IgnoredMinute, fmt.Sprintf("45011 was answered; asked again %v too soon", k.minute.Sub(now))
	}
	for _, key := range []refusalKey{{secret: c.ask.secret}, {secret: c.ask.secret, ip: c.ip}} {
		if until := k.refused[key]; now.Before(until) {
			return IgnoredRefusal, fmt.Sprintf("refused with an error that a person must put right; asked again %v too soon", until.Sub(now))
		}
	}
	if c.ask.line == Stable {
		if d := now.Sub(c.app.lines[Stable].forced); c.ask.force && d < patience(s.spacing()) {
			return ForcedTooSoon, fmt.Sprintf("forced again after %v", d)
		}
		return "", ""
	}
	live := k.hand != nil && k.hand.alive(now) && !k.dead
	switch {
	case k.unanswered > 1 && since < patience(life/2400):
		return RepeatedTooSoon, fmt.Sprintf("%d requests without a clear answer, the last %v ago", k.unanswered, since)
	case k.unanswered == 1 && live && since < patience(life/96):
		return RepeatedTooSoon, fmt.Sprintf("a request without a clear answer %v ago, while the token in hand lives", since)
	case k.unanswered == 0 && live && now.Sub(k.handAt) < k.life/2:
		return AskedAgain, fmt.Sprintf("a token of generation %d was given out %v ago, lives and was not refused", k.hand.generation, now.Sub(k.handAt))
	}
	return "", ""
}

// patience allows a caller's timer to be a twentieth early.
func patience(d time.Duration) time.Duration { return d - d/20 }

// answered learns what the caller knows now.
func (j *judge) answered(s *Sim, c *call, a answer, said said) {
	j.ticketAnswered(s, c, said)
	if t := c.token; t != nil && tokenCode(said.errcode) && !(c.route != nil && c.route.usered) {
		t.app.mu.Lock()
		if k := &t.app.caller[t.line]; k.hand == t {
			k.dead = true
		}
		t.app.mu.Unlock()
	}
	if c.app != nil && c.route != nil && strings.HasPrefix(c.path, pathClear) && said.errcode == 0 && !said.unclear {
		c.app.mu.Lock()
		for l := range c.app.caller {
			c.app.caller[l].quota = [2]time.Time{}
		}
		c.app.mu.Unlock()
	}
	if c.ask == nil || c.app == nil {
		return
	}
	c.app.mu.Lock()
	defer c.app.mu.Unlock()
	k, now := &c.app.caller[c.ask.line], s.Now()
	if said.unclear {
		k.lastAt, k.lastReal = now, time.Now()
		return
	}
	k.open, k.unanswered = false, 0
	switch force := 0; said.errcode {
	case 0:
		if a.token == nil {
			break // a fault's own body
		}
		if k.hand == nil || a.token.issued.After(k.hand.issued) || a.token == k.hand {
			k.hand, k.handAt, k.life, k.dead, k.refused = a.token, now, said.life, false, nil
		}
	case 45009:
		if c.ask.force {
			force = 1
		}
		k.quota[force] = midnight(now)
	case 45011:
		k.minute = now.Add(patience(s.opts.Life / 120))
	default:
		if k.refused == nil || len(k.refused) > 100 {
			k.refused = make(map[refusalKey]time.Time)
		}
		key := refusalKey{secret: c.ask.secret}
		if said.errcode == 40164 || said.errcode == 61004 || said.errcode/100 == 895 {
			key.ip = c.ip
		}
		k.refused[key] = now.Add(patience(s.opts.Life / 120))
	}
}

// tokenCode reports whether an errcode says that the token is bad.
func tokenCode(code int) bool { return code == 40001 || code == 40014 || code == 42001 }

// places looks where secrets and tokens stand, and whom the request was meant for.
func (j *judge) places(s *Sim, c *call) {
	if c.query.Get("secret") != "" && c.path == pathStable {
		j.find(c, SecretInURL, "secret in the query of %s, which takes it in the body", c.path)
	}
	if r := c.route; c.query.Get("secret") != "" && r != nil && (r.pages || r.sns && !exchanges(c.path)) {
		j.find(c, SecretInURL, "secret in the query of %s, which needs none", c.path)
	}
	switch r := c.route; {
	case r == nil:
	case r.usered && c.token != nil:
		j.find(c, WrongToken, "the app's access_token on %s, which takes a user's", c.path)
	case r.keyed && c.grant != nil:
		j.find(c, WrongToken, "a user's access_token on %s, which takes the app's", c.path)
	}
	if c.query.Get("appsecret") != "" {
		j.find(c, SecretInURL, "appsecret in the query of %s, which takes it in the body", clip(c.path))
	}
	if ref := c.header.Get("Referer"); strings.Contains(ref, "secret=") {
		j.find(c, SecretInURL, "an AppSecret in the Referer header: a redirect was followed")
	}
	if c.route != nil && (c.route.keyed || c.route.usered) && c.query.Get("access_token") == "" {
		_, body := c.json["access_token"]
		switch {
		case body:
			j.find(c, TokenMisplaced, "access_token in the body of %s", c.path)
		case c.header.Get("Authorization") != "" || c.header.Get("Access-Token") != "":
			j.find(c, TokenMisplaced, "a token in a header of %s", c.path)
		}
	}
	if !s.known(c.host) {
		j.find(c, ForeignHost, "a request for the host %q", clip(c.host))
	}
}

// exchange looks at a request that brings a code.
func (j *judge) exchange(s *Sim, c *call) {
	value := c.exchanged()
	if value == "" {
		return
	}
	n, late, user := s.people.tried(value, c.arrived)
	c.user = user
	if n > 1 {
		j.find(c, CodeTwice, "the code %s was exchanged for the %dth time", shortHash(value), n)
	}
	if n > 0 && late >= 0 {
		j.find(c, CodeTooLate, "the code %s was exchanged %v after its end", shortHash(value), late)
	}
}

// known reports whether a host is WeChat's, an address nearby, or one of the options.
func (s *Sim) known(host string) bool {
	if s.hosts[host] {
		return true
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" || s.hosts[host] {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && (ip.IsLoopback() || ip.IsPrivate())
}
