package wxsim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// route is one path of the API. A subject is a file that lists its routes; New puts them together.
type route struct {
	path   string
	method string // the only one, or "" for any
	keyed  bool   // needs the app's access_token in the query
	sns    bool   // speaks the dialect of /sns: text/plain, and a comma before the request id
	usered bool   // needs a user's access_token in the query
	pages  bool   // is for browsers, on a host of its own
	daily  int    // documented calls a day; 0 where none is published
	serve  func(*Sim, *call) answer
}

// call is one request on its way.
type call struct {
	arrived  time.Time // on the platform's clock
	rid      string
	host     string
	method   string
	path     string
	ip       netip.Addr
	header   http.Header
	query    url.Values
	rawQuery string // where the order of it counts
	body     []byte
	json     map[string]json.RawMessage // nil if the body is no JSON object

	route *route
	app   *app   // named by appid, or by the token; nil if unknown
	appid string // as the caller wrote it, or the token's
	token *token // the access_token, if it is or was an app's
	grant *grant // the same, if it is or was a user's; as it was when the call came
	user  string // who this is about, once that is known
	ask   *ask   // set on the two paths that issue tokens
	fault *Fault // what to do badly
}

// maxBody is more than any call takes: a video has 20 MiB at most.
const maxBody = 32 << 20

// open reads a request.
func (s *Sim) open(r *http.Request) *call {
	now := s.Now()
	c := &call{
		arrived:  now,
		rid:      s.newRID(now),
		host:     r.Host,
		method:   r.Method,
		path:     r.URL.Path,
		ip:       remoteIP(r),
		header:   r.Header,
		query:    r.URL.Query(),
		rawQuery: r.URL.RawQuery,
	}
	if c.host == "" {
		c.host = r.URL.Host
	}
	if r.Body != nil {
		c.body, _ = io.ReadAll(io.LimitReader(r.Body, maxBody))
		r.Body.Close()
	}
	if len(c.body) > 0 && json.Unmarshal(c.body, &c.json) != nil {
		c.json = nil
	}
	if r := s.routes[c.path]; r != nil && r.at(c.host) {
		c.route = r
	}
	c.appid = c.query.Get("appid")
	if id, ok := c.text("appid"); ok && c.appid == "" {
		c.appid = id
	}
	c.token = s.token(c.query.Get("access_token"))
	if c.token != nil && (c.appid == "" || c.route == nil || c.route.keyed) {
		c.appid = c.token.app.id
	}
	if c.token == nil && c.query.Has("access_token") {
		c.grant = s.people.grantOf(c.query.Get("access_token"))
	}
	if c.grant != nil {
		c.user = c.grant.user
		if c.appid == "" || c.route != nil && c.route.usered {
			c.appid = c.grant.app.id
		}
	}
	c.app = s.app(c.appid)
	c.ask = newAsk(c)
	c.fault = s.faults.match(s, c)
	return c
}

// text is a string field of the JSON body; false if it is there and no string.
func (c *call) text(name string) (string, bool) {
	raw, there := c.json[name]
	if !there {
		return "", true
	}
	var v string
	err := json.Unmarshal(raw, &v)
	return v, err == nil
}

// newRID makes a request id: the time in hexadecimal and two words.
func (s *Sim) newRID(now time.Time) string {
	if s.has(RandomRID) {
		return fmt.Sprintf("%08x-%08x-%08x", uint32(now.Unix()), s.dice.word(), s.dice.word())
	}
	return fmt.Sprintf("%08x-%08x-%08x", uint32(now.Unix()), 0, s.rids.Add(1))
}

// handle decides everything about the answer. It blocks while a slow answer is due, and for a hang
// until ctx ends.
func (s *Sim) handle(ctx context.Context, c *call) *reply {
	s.judge.arrived(s, c)
	s.brought.add(c)
	var a answer
	f := c.fault
	handled := f == nil || f.handles()
	if handled {
		a = s.serve(c)
	}
	var p *reply
	if f != nil {
		p = s.spoil(c, f, a)
	} else {
		p = s.render(c, a)
	}
	wait := time.Duration(0)
	switch {
	case f != nil:
		wait = f.Delay
	case s.has(SlowAnswers) && s.dice.one(rateSlow):
		wait = s.slowness()
	}
	if !sleep(ctx, wait) {
		p.fate = hang
	}
	if p.fate == hang {
		<-ctx.Done()
	}
	if p.pace == 0 {
		s.close(c, a, p, p.fate == deliver)
	} else {
		p.done = func(arrived bool) { s.close(c, a, p, arrived) }
	}
	return p
}

// close writes down what became of a request.
func (s *Sim) close(c *call, a answer, p *reply, arrived bool) {
	said := s.heard(c, a, p, arrived)
	s.judge.answered(s, c, a, said)
	s.history.add(s.record(c, a, said))
}

// serve is the platform without faults: what is asked of every call, then the route's own work.
func (s *Sim) serve(c *call) answer {
	r := c.route
	switch {
	case r == nil:
		return s.refuse(c, 40066)
	case r.method == http.MethodPost && c.method != http.MethodPost:
		return s.refuse(c, 43002)
	case r.method == http.MethodGet && c.method != http.MethodGet:
		return s.refuse(c, 43001)
	}
	if !r.keyed && !r.usered {
		return r.serve(s, c)
	}
	if c.query.Get("access_token") == "" {
		return s.refuse(c, 41001)
	}
	check := s.checkToken
	if r.usered {
		check = s.checkUserToken
	}
	if code := check(c); code != 0 {
		return s.refuse(c, code)
	}
	return r.serve(s, c)
}

// checkToken is what happens to every call that brings a token: 0 if it may go on.
func (s *Sim) checkToken(c *call) int {
	t := c.token
	if t == nil {
		return s.badToken(40001)
	}
	now := c.arrived
	t.app.mu.Lock()
	defer t.app.mu.Unlock()
	t.app.settle(now)
	switch {
	case !t.alive(now) && !t.replaced && !t.revoked:
		return s.badToken(42001)
	case !t.alive(now), now.Before(t.from):
		return s.badToken(40001)
	case s.has(CheckEveryIP) && !t.app.allowed(c.ip):
		return s.ipCode()
	}
	t.app.usage.roll(now)
	if !t.app.usage.take(c.path, c.route.daily) {
		return 45009
	}
	return 0
}

func (s *Sim) badToken(code int) int {
	if s.has(MixedTokenCodes) {
		return [...]int{40001, 40014, 42001}[s.dice.below(3)]
	}
	return code
}

func (s *Sim) ipCode() int {
	if s.has(NewIPCode) && s.dice.one(2) {
		return 61004
	}
	return 40164
}

// slowness is how long a slow answer takes: never as long as a caller with sense would wait.
func (s *Sim) slowness() time.Duration {
	most := min(1500*time.Millisecond, time.Duration(float64(s.opts.Life)/s.opts.Speed/1200))
	return time.Duration(s.dice.below(int(most)) + 1)
}

// sleep waits, and is false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ServeHTTP is the platform's API, for all of its hosts.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TransferEncoding != nil {
		// No page says so, but authors of SDKs in many languages have met it.
		http.Error(w, "", http.StatusPreconditionFailed)
		return
	}
	p := s.handle(r.Context(), s.open(r))
	p.write(w, r)
}

// pagesHost is where browsers are sent.
const pagesHost = "open.weixin.qq.com"

// wechatHosts are the names that the API answers to, and the one of the pages.
// Page Basic_Information/Interface_field_description of developers.weixin.qq.com.
func wechatHosts() []string {
	return strings.Fields("api.weixin.qq.com api2.weixin.qq.com sh.api.weixin.qq.com sz.api.weixin.qq.com hk.api.weixin.qq.com " + pagesHost)
}

// at reports whether a route is to be found on a host. Under a name of its own the simulator has
// everything in one place.
func (r *route) at(host string) bool {
	if host == pagesHost {
		return r.pages
	}
	return !r.pages || !strings.HasSuffix(host, "api.weixin.qq.com") && host != "api2.weixin.qq.com"
}
