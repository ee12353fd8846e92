package webauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

// WeChat's paths for users, on the programs' surface. The client key stands
// where WeChat wants the AppSecret; answers are WeChat's in form, number and
// text (WeChat's page 网页授权).

// sns wraps the handler of one of them, whose act stands in the audit record: it
// answers every error as WeChat does.
func (a *Auth) sns(act string, h func(ctx context.Context, c access.Caller, query url.Values) (any, error)) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, q access.Request) error {
		// Like WeChat's, these paths take their parameters from the query.
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			(&web.WeChatRefusal{Code: 43001, Text: "require GET method"}).Write(w, q)
			return nil
		}
		query := r.URL.Query()
		answer, err := h(r.Context(), access.Caller{IP: a.programs.ClientIP(r), Request: q}, query)
		if e, ok := errors.AsType[*wechat.Error](err); ok {
			if e.Outcome != wechat.Refused {
				a.Log.WarnContext(r.Context(), "WeChat did not answer a call about a user", "request", q.String(), "path", r.URL.Path, "err", e)
			}
			err = upstream(e)
		}
		var refusal *web.WeChatRefusal
		if err != nil {
			refusal = web.AsWeChat(err, query.Get("secret") != "")
		}
		a.counted.called(act, refusal)
		raw, ok := answer.([]byte)
		switch {
		case refusal != nil:
			refusal.Write(w, q)
		case ok: // WeChat's own words
			w.Header().Set("Content-Type", "application/json; encoding=utf-8")
			_, _ = w.Write(raw)
		default:
			web.WriteWeChat(w, answer)
		}
		return nil
	}
}

// upstream passes on what WeChat refused; what is not WeChat's word is -1.
func upstream(e *wechat.Error) *web.WeChatRefusal {
	if e.Code != 0 {
		return &web.WeChatRefusal{Code: e.Code, Text: e.Message}
	}
	return &web.WeChatRefusal{Code: -1, Text: "system error: " + e.Message}
}

// identified finds the client that shows its key as the secret.
func (a *Auth) identified(c access.Caller, query url.Values) (access.Caller, credential.App, error) {
	if query.Get("appid") == "" {
		return c, "", &web.WeChatRefusal{Code: 41002, Text: "appid missing"}
	}
	if query.Get("secret") == "" {
		return c, "", &web.WeChatRefusal{Code: 41004, Text: "appsecret missing"}
	}
	c, err := a.Guard.Authenticate(query.Get("secret"), c.IP, c.Request)
	return c, credential.App(query.Get("appid")), err
}

// redeem answers /sns/oauth2/access_token.
func (a *Auth) redeem(ctx context.Context, c access.Caller, query url.Values) (any, error) {
	c, app, err := a.identified(c, query)
	if err != nil {
		return nil, err
	}
	switch code := query.Get("code"); {
	case code == "":
		return nil, &web.WeChatRefusal{Code: 41008, Text: "missing code"}
	case query.Get("grant_type") != "authorization_code":
		return nil, &web.WeChatRefusal{Code: 40002, Text: "invalid grant_type"}
	default:
		// A code that is used up must become a session, whoever hangs up.
		ctx = context.WithoutCancel(ctx)
		var g granted
		err = a.Guard.HandUser(c, actRedeem, app, func() error {
			u, now, err := a.redeemCode(ctx, c, app, code)
			if err == nil {
				g, err = a.open(ctx, c, app, u, now)
			}
			return err
		})
		return g, err
	}
}

// refresh answers /sns/oauth2/refresh_token, which takes no secret.
func (a *Auth) refresh(ctx context.Context, c access.Caller, query url.Values) (any, error) {
	app, token := credential.App(query.Get("appid")), query.Get("refresh_token")
	switch {
	case app == "":
		return nil, &web.WeChatRefusal{Code: 41002, Text: "appid missing"}
	case query.Get("grant_type") != "refresh_token":
		return nil, &web.WeChatRefusal{Code: 40002, Text: "invalid grant_type"}
	case token == "":
		return nil, &web.WeChatRefusal{Code: 41003, Text: "refresh_token missing"}
	}
	h, err := a.find(ctx, c, token, access.RefreshPhantom)
	switch {
	case err != nil:
		return nil, err
	case h.App != app:
		return nil, errNoRefresh
	}
	g := granted{OpenID: h.User.OpenID, Scope: h.User.Scope}
	err = a.Guard.HandUser(h.caller, actRefresh, app, func() error {
		if err := a.renew(ctx, &h); err != nil {
			return err
		}
		g.Scope = h.User.Scope
		if h.phantom != nil {
			g.Refresh = token
			g.Access, g.Expires = a.mint(*h.phantom)
			return nil
		}
		return a.know(ctx, h.session, &g, h.record.Now)
	})
	if errors.Is(err, access.ErrUnauthorized) { // withdrawn while WeChat was asked
		return nil, errNoRefresh
	}
	return g, err
}

// userInfo answers /sns/userinfo.
func (a *Auth) userInfo(ctx context.Context, c access.Caller, query url.Values) (any, error) {
	var info []byte
	err := a.withToken(ctx, c, query, actUserInfo, func(t wechat.UserToken, openid string) (err error) {
		info, err = a.Upstream.UserInfo(ctx, t, openid, query.Get("lang"))
		return err
	})
	return info, err
}

// checkUser answers /sns/auth.
func (a *Auth) checkUser(ctx context.Context, c access.Caller, query url.Values) (any, error) {
	err := a.withToken(ctx, c, query, actCheck, func(t wechat.UserToken, openid string) error {
		return a.Upstream.CheckUser(ctx, t, openid)
	})
	return struct {
		Code int    `json:"errcode"`
		Text string `json:"errmsg"`
	}{0, "ok"}, err
}

// withToken is what the calls by a user's token have in common.
func (a *Auth) withToken(ctx context.Context, c access.Caller, query url.Values, act string, do func(t wechat.UserToken, openid string) error) error {
	token, openid := query.Get("access_token"), query.Get("openid")
	switch {
	case token == "":
		return &web.WeChatRefusal{Code: 41001, Text: "access_token missing"}
	case openid == "":
		return &web.WeChatRefusal{Code: 41009, Text: "missing openid"}
	}
	h, err := a.find(ctx, c, token, access.UserPhantom)
	switch {
	case err != nil:
		return err
	case h.User.OpenID != openid:
		return &web.WeChatRefusal{Code: 40003, Text: "invalid openid"}
	}
	err = a.Guard.HandUser(h.caller, act, h.App, func() error {
		return a.call(ctx, &h, func(t wechat.UserToken) error { return do(t, openid) })
	})
	if errors.Is(err, access.ErrUnauthorized) { // withdrawn while WeChat was asked
		return errUnknownToken
	}
	return err
}

// session answers /sns/jscode2session, a mini program's login: the answer is
// WeChat's, and a code is brought to WeChat once.
func (a *Auth) session(ctx context.Context, c access.Caller, query url.Values) (any, error) {
	c, app, err := a.identified(c, query)
	if err != nil {
		return nil, err
	}
	code := query.Get("js_code")
	switch {
	case code == "" || len(code) > maxCode:
		return nil, &web.WeChatRefusal{Code: 41008, Text: "missing code"}
	case query.Get("grant_type") != "authorization_code":
		return nil, &web.WeChatRefusal{Code: 40002, Text: "invalid grant_type"}
	}
	var answer []byte
	err = a.Guard.HandUser(c, actExchange, app, func() (err error) {
		ctx := context.WithoutCancel(ctx)
		// Only a client that may log this app's users in gets so far, so the
		// name of the record needs the app in it.
		key := keyed(a.HashKeys[0], "jscode/", string(app)+"/"+code)
		switch err := a.create(ctx, key, struct{}{}, codeLife); {
		case errors.Is(err, store.ErrConflict):
			return errUsedCode
		case err != nil: // unsure as well: nothing is sent then
			return a.unwell(ctx, err)
		}
		answer, err = a.sessionOf(ctx, app, code)
		if e, ok := errors.AsType[*wechat.Error](err); ok && e.Outcome == wechat.NotSent {
			a.forget(ctx, key)
		}
		return err
	})
	return answer, err
}

func (a *Auth) sessionOf(ctx context.Context, id credential.App, code string) (answer []byte, err error) {
	app, ok := a.Registry.App(id)
	if !ok {
		return nil, credential.ErrNotFound
	}
	secret := a.secrets.of(app)
	answer, err = a.Upstream.SessionOfCode(ctx, id, secret, credential.NewSecret(code))
	if a.secrets.refused(app, secret, err) {
		return nil, errInvalidCode // the next login goes with the other one
	}
	return answer, err
}

// forget deletes the record of a code that never left this process.
func (a *Auth) forget(ctx context.Context, key string) {
	var none struct{}
	if r, err := a.read(ctx, key, &none); err == nil {
		_ = a.Store.Delete(ctx, key, r.Version) // it is gone in five minutes anyway
	}
}
