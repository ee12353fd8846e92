package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
)

// userTime bounds one call about a user. A code lives five minutes and a
// person waits, so there is no point in more.
const userTime = 8 * time.Second

// UserToken is WeChat's token of one user of one app (网页授权 access_token). It
// shares the name access_token with the app's token and nothing else, which
// is why it is a type of its own. It prints as a credential.Secret does.
type UserToken struct{ credential.Secret }

// NewUserToken wraps the text of a user's token.
func NewUserToken(text string) UserToken { return UserToken{credential.NewSecret(text)} }

// UserGrant is what WeChat gives for a code, or for a refresh token.
type UserGrant struct {
	Access  UserToken
	Refresh credential.Secret
	OpenID  string
	UnionID string
	// Scope is the scopes that were granted, separated by commas.
	Scope string
	// Life is how long Access works. Where WeChat says nothing that makes
	// sense it is five minutes, the least that is certain.
	Life time.Duration
	// Snapshot: the user is a made-up one, of WeChat's snapshot mode (快照页).
	Snapshot bool
}

// ExchangeCode asks WeChat, once, what a code of web authorization stands for.
// It blocks up to eight seconds. The error is an *Error; unless its Outcome is
// NotSent the code must be taken for used.
//
// https://developers.weixin.qq.com/doc/oplatform/developers/troubleshooting/auth.html
// lists what goes wrong; the call is on WeChat's page 网页授权.
func (c *Client) ExchangeCode(ctx context.Context, app credential.App, secret, code credential.Secret) (UserGrant, error) {
	a, _, failed := c.askUser(ctx, "exchange code", "/sns/oauth2/access_token", url.Values{
		"appid": {string(app)}, "secret": {secret.Reveal()}, "code": {code.Reveal()}, "grant_type": {"authorization_code"},
	}, secret, code)
	if failed != nil {
		return UserGrant{}, failed
	}
	return a.grant("exchange code")
}

// RefreshUser asks WeChat, once, for a user's token by the refresh token. A
// token that still lives is given again, with a longer life. It blocks up to
// eight seconds; the error is an *Error.
func (c *Client) RefreshUser(ctx context.Context, app credential.App, refresh credential.Secret) (UserGrant, error) {
	a, _, failed := c.askUser(ctx, "refresh user token", "/sns/oauth2/refresh_token", url.Values{
		"appid": {string(app)}, "grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()},
	}, refresh)
	if failed != nil {
		return UserGrant{}, failed
	}
	return a.grant("refresh user token")
}

// UserInfo asks WeChat for a user's profile and returns the answer as it came,
// a JSON object without an errcode other than 0. lang may be empty. It blocks
// up to eight seconds; the error is an *Error.
func (c *Client) UserInfo(ctx context.Context, token UserToken, openid, lang string) ([]byte, error) {
	query := url.Values{"access_token": {token.Reveal()}, "openid": {openid}}
	if lang != "" {
		query.Set("lang", lang)
	}
	_, body, failed := c.askUser(ctx, "user info", "/sns/userinfo", query, token.Secret)
	if failed != nil {
		return nil, failed
	}
	return body, nil
}

// CheckUser asks WeChat whether a user's token works. It blocks up to eight
// seconds; nil is yes, the error is an *Error.
func (c *Client) CheckUser(ctx context.Context, token UserToken, openid string) error {
	_, _, failed := c.askUser(ctx, "check user token", "/sns/auth", url.Values{
		"access_token": {token.Reveal()}, "openid": {openid},
	}, token.Secret)
	if failed != nil {
		return failed
	}
	return nil
}

// SessionOfCode asks WeChat, once, what a mini program's login code stands for
// and returns the answer as it came: a JSON object with an openid. It holds
// the session key and must go to nobody but who brought the code. It blocks up
// to eight seconds. The error is an *Error; unless its Outcome is NotSent the
// code must be taken for used.
func (c *Client) SessionOfCode(ctx context.Context, app credential.App, secret, code credential.Secret) ([]byte, error) {
	const op = "exchange mini program code"
	a, body, failed := c.askUser(ctx, op, "/sns/jscode2session", url.Values{
		"appid": {string(app)}, "secret": {secret.Reveal()}, "js_code": {code.Reveal()}, "grant_type": {"authorization_code"},
	}, secret, code)
	if failed != nil {
		return nil, failed
	}
	if id, _ := a.text1("openid"); id == "" {
		return nil, &Error{Op: op, Outcome: Ambiguous, Message: "the answer has no openid"}
	}
	return body, nil
}

// askUser sends one request over a connection of its own, since most of what
// is sent here works only once, and gives the answer unless it is a refusal.
func (c *Client) askUser(ctx context.Context, op, path string, query url.Values, secrets ...credential.Secret) (answer, []byte, *Error) {
	ctx, cancel := context.WithTimeout(ctx, userTime)
	defer cancel()
	ctx, f := withFuse(ctx, time.Time{})
	req, err := http.NewRequest(http.MethodGet, c.url(path, query), nil)
	if err != nil {
		return answer{}, nil, &Error{Op: op, Outcome: NotSent, Message: "the request cannot be built; look at wechat.api_url"}
	}
	if c.inProcess {
		f.pass()
	}
	body, failed := c.send(ctx, c.issue, op, req)
	if failed != nil {
		if f.blow() {
			failed.Outcome = NotSent
		}
		return answer{}, nil, failed
	}
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	a, err := parse(body)
	if err != nil {
		return answer{}, nil, &Error{Op: op, Outcome: Ambiguous, Message: err.Error()}
	}
	switch code, ok := a.errcode(); {
	case !ok:
		return answer{}, nil, &Error{Op: op, Outcome: Ambiguous, Message: "errcode is not a number"}
	case code != 0:
		e := a.refusal(op, code, errcode.ForIssue(code), secrets...)
		// The table of errcode is about the app's token. Here every number
		// says no, but for those by which WeChat says that it is unwell.
		if e.Outcome = Refused; code == -1 || code == -1000 {
			e.Outcome = Ambiguous
		}
		return answer{}, nil, e
	}
	return a, body, nil
}

// grant reads tokens and the user out of an answer. Who the user is must be
// there; everything else is taken as it comes.
func (a answer) grant(op string) (UserGrant, error) {
	access, ok := a.value("access_token")
	openid, named := a.text1("openid")
	switch {
	case !ok:
		return UserGrant{}, &Error{Op: op, Outcome: Ambiguous, Message: "the answer has no usable access_token"}
	case !named || openid == "" || len(openid) > 128:
		return UserGrant{}, &Error{Op: op, Outcome: Ambiguous, Message: "the answer has no openid"}
	}
	refresh, _ := a.value("refresh_token")
	unionid, _ := a.text1("unionid")
	g := UserGrant{
		Access: NewUserToken(access), Refresh: credential.NewSecret(refresh),
		OpenID: openid, UnionID: unionid, Scope: a.scope(), Snapshot: a.flag("is_snapshotuser"),
	}
	life, odd := a.life(30 * 24 * time.Hour)
	if odd != "" {
		life = 5 * time.Minute
	}
	g.Life = life
	return g, nil
}

// scope reads the scopes; old answers end in a comma.
func (a answer) scope() string {
	text, _ := a.text1("scope")
	var scopes []string
	for s := range strings.SplitSeq(text, ",") {
		if s = strings.TrimSpace(s); s != "" {
			scopes = append(scopes, s)
		}
	}
	return strings.Join(scopes, ",")
}

// flag reads 1, "1" or true.
func (a answer) flag(name string) bool {
	var v any
	if json.Unmarshal(a.fields[name], &v) != nil {
		return false
	}
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v == 1
	case string:
		return v == "1"
	}
	return false
}
