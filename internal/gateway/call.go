package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

// call is one call on its way.
type call struct {
	*Gateway
	w   http.ResponseWriter
	r   *http.Request
	ctx context.Context // ends when the program has gone, or when WeChat takes too long

	config  config.Gateway
	caller  access.Caller
	app     credential.App
	query   string // without credentials
	pattern string
	body    *body
	clock   *clock
	began   time.Time

	// What becomes of it, for the log and the counters.
	errcode int
	heals   int
	result  result
}

// result is what became of a call.
type result string

const (
	passed  result = "passed"  // WeChat's answer went back, whatever it was
	refused result = "refused" // by Hufu
	failed  result = "failed"  // WeChat could not be asked, or its answer broke off
	left    result = "left"    // by the program, before its end
)

// serve answers one call.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, q access.Request) error {
	w.Header().Set("X-Request-Id", q.String())
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		return &web.Problem{
			Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Allow: "GET, POST",
			Detail: "WeChat's API takes GET and POST",
		}
	case !access.CanonicalPath(r.URL.Path):
		return web.BadRequest("no path of WeChat's API looks like this one", "they are letters, digits, _, - and /, without a / at the end")
	case upgrades(r):
		return web.BadRequest("calls cannot be upgraded to another protocol", "leave the Upgrade header out")
	}
	shown, query, err := web.Shown(r)
	if err != nil {
		return err
	}
	caller, app, err := g.Guard.Identify(access.Caller{IP: g.programs.ClientIP(r), Request: q}, g.Phantoms, shown)
	if caller.Client == nil { // then err says why
		web.AsWeChat(err, true).Write(w, q)
		return nil
	}
	c := &call{
		Gateway: g, w: w, r: r, config: g.Config().Gateway, caller: caller, app: app, query: query,
		began: time.Now(), result: left,
	}
	defer c.told()
	if err != nil {
		return c.refuse(err)
	}
	return c.run()
}

// upgrades reports whether a request asks to go on in another protocol. The HTTP
// client of the JDK asks every address that is http for HTTP/2 in this way, and
// takes it well when nobody minds (RFC 9110, section 7.8).
func upgrades(r *http.Request) bool {
	asked := r.Header["Upgrade"]
	return len(asked) > 1 || len(asked) == 1 && asked[0] != "h2c"
}

// run makes the call, and answers it.
func (c *call) run() error {
	release, err := c.limits.enter(c.caller.Client, c.config.Concurrency)
	if err != nil {
		return c.refuse(err)
	}
	defer release()
	if c.r.ContentLength > int64(c.config.MaxBody) {
		c.result = refused
		return tooLong(c.config.MaxBody)
	}
	c.ctx, c.clock = newClock(c.r.Context())
	defer c.clock.stop()
	// What net/http gives began with the request, and body and answer may take
	// long to come; over HTTP/2 it ends a request that is still sent. A recorder in
	// a test has no deadline to set; a connection always has.
	_ = http.NewResponseController(c.w).SetWriteDeadline(c.clock.end.Add(idleTime))

	var token credential.Credential
	var unreceived error
	token, c.pattern, err = c.Guard.Call(c.caller, c.app, c.r.URL.Path, func() (v credential.Credential, err error) {
		if c.body, unreceived = receive(c.w, c.r, c.config.MaxBody, c.clock.end, &c.room); unreceived != nil {
			return v, unreceived
		}
		return c.Keeper.Get(c.ctx, credential.Key{App: c.app, Kind: credential.AccessToken})
	})
	defer c.body.close()
	switch {
	case unreceived != nil:
		if c.r.Context().Err() == nil {
			c.result = refused
		}
		return unreceived
	case err != nil:
		return c.refuse(err)
	}
	c.hands.use(token)
	c.settle(token)
	a, err := c.send(token)
	if err != nil {
		return c.fail(err)
	}
	if errcode.DeadToken(a.errcode) {
		if a, err = c.heal(token, a); err != nil {
			return c.refuse(err)
		}
	}
	return c.relay(a)
}

// send sends the call once with a token, and reads the beginning of the answer.
func (c *call) send(token credential.Credential) (*answer, error) {
	body, err := c.body.open()
	if err != nil {
		return nil, err
	}
	c.clock.allow(c.config.Timeout + time.Duration(c.body.size)*time.Second/minPace)
	resp, err := c.Upstream.Forward(c.ctx, wechat.Call{
		Method: c.r.Method, Path: c.r.URL.Path, Query: c.query, Token: token.Value,
		Header: outgoing(c.r.Header), Body: body, Length: c.body.size,
	})
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < http.StatusOK {
		resp.Body.Close()
		return nil, &wechat.Error{Op: "call", Outcome: wechat.Ambiguous, Status: resp.StatusCode, Message: "the status is none of an answer"}
	}
	return c.peek(resp, token.Value), nil
}

// heal reports a token that WeChat refused, and sends the call once more if
// another one is then in hand. It returns the answer to pass on; the error says
// that there is no token to be had, or that the caller may not call any more.
func (c *call) heal(token credential.Credential, a *answer) (*answer, error) {
	if last, ok := c.hands.before(token); ok {
		a.resp.Body.Close()
		c.heals++
		return c.send(last)
	}
	c.hands.refuse(token)
	c.clock.allow(idleTime)
	// The next token is put in as the first was: for who may still call, and
	// recorded.
	next, _, err := c.Guard.Call(c.caller, c.app, c.r.URL.Path, func() (credential.Credential, error) {
		return c.Keeper.Report(c.ctx, token.Key, keeper.Claim{Value: token.Value, Errcode: a.errcode, Seen: true})
	})
	if err == nil && next.Value.Equal(token.Value) {
		c.hands.settle(token)
		return a, nil // WeChat says so of a token that it accepts elsewhere
	}
	a.resp.Body.Close()
	if err != nil {
		return nil, err
	}
	c.hands.use(next)
	c.settle(next)
	c.heals++
	return c.send(next)
}

// settle waits, some seconds at most, until a token works that is so new that
// WeChat may not know it everywhere, where no other can stand in for it.
func (c *call) settle(token credential.Credential) {
	if c.hands.unsettled(token) {
		c.clock.allow(idleTime)
		c.Keeper.Settle(c.ctx, token)
		c.hands.settle(token)
	}
}

// refuse answers in WeChat's manner what Hufu does not send on.
func (c *call) refuse(err error) error {
	if e, ok := errors.AsType[*wechat.Error](err); ok {
		return c.fail(e)
	}
	c.result = refused
	if c.r.Context().Err() != nil {
		c.result = left
	}
	refusal := web.AsWeChat(err, true)
	c.errcode = refusal.Code
	refusal.Write(c.w, c.caller.Request)
	return nil
}

// fail answers a call that has no answer of WeChat's. What was surely not sent
// is -1, as WeChat answers when it is busy: SDKs repeat such a call. What may
// have had its effect is no answer of WeChat's kind, lest they do.
func (c *call) fail(err error) error {
	if gone := c.r.Context().Err(); gone != nil {
		return gone // the result is left; nobody reads an answer
	}
	c.result = failed
	e, ok := errors.AsType[*wechat.Error](err)
	if ok && e.Outcome == wechat.NotSent && !c.clock.over() {
		c.errcode = -1
		(&web.WeChatRefusal{Code: -1, Text: "system error: " + e.Message}).Write(c.w, c.caller.Request)
		return nil
	}
	reason := err.Error()
	if c.clock.over() {
		reason = errLate.Error()
	}
	return web.NoAnswer(reason, c.clock.over())
}

// told writes down what became of the call, once it is over.
func (c *call) told() {
	took := time.Since(c.began)
	c.counts.add(c, took)
	level := slog.LevelInfo
	if c.result == failed {
		level = slog.LevelWarn
	}
	c.Log.LogAttrs(context.Background(), level, "call", slog.String("request", c.caller.Request.String()),
		slog.String("client", c.caller.Client.Name), slog.String("app", string(c.app)), slog.String("path", c.pattern),
		slog.String("result", string(c.result)), slog.Int("errcode", c.errcode), slog.Int("heals", c.heals), slog.Duration("took", took))
}
