package webauth

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/wechat"
)

// The paths by which a login begins, WeChat's own.
const (
	authorizePath = "/connect/oauth2/authorize"
	qrconnectPath = "/connect/qrconnect"
	callbackPath  = "/callback"
)

// scopes are what may be asked for where.
var scopes = map[string][]string{
	authorizePath: {wechat.ScopeBase, wechat.ScopeUserInfo},
	qrconnectPath: {wechat.ScopeLogin},
}

// passedOn are the optional parameters that go on to WeChat, in its order.
var passedOn = []string{"forcePopup", "forceSnapShot", "connect_redirect", "lang"}

// errTooMany: so many logins are under way that no more is begun.
var errTooMany = errors.New("too many logins are under way")

// begin answers /connect/oauth2/authorize and /connect/qrconnect: it looks who
// asks, writes the login down and sends the browser on to WeChat.
func (a *Auth) begin(path string) func(http.ResponseWriter, *http.Request, access.Request) {
	return func(w http.ResponseWriter, r *http.Request, q access.Request) {
		l, app, client, why := a.wanted(r, path)
		if why != "" {
			a.counted.refused.add(string(why))
			a.Log.InfoContext(r.Context(), "a login is refused", "request", q.String(), "why", whys[why])
			a.page(w, r, q, page{kind: refused})
			return
		}
		base := a.webURL(app)
		if a.outside(r, path) {
			a.page(w, r, q, page{kind: outside, home: client.HomeURL, qr: base + path + "?" + r.URL.RawQuery})
			return
		}
		browser := browserOf(w, r, base)
		l.Browser = browser[:]
		ip := a.browser.ClientIP(r)
		to, err := a.start(r.Context(), l, base, browser, ip)
		switch {
		case errors.Is(err, errTooMany):
			a.Log.WarnContext(r.Context(), "a login is refused: too many are under way", "request", q.String(), "ip", ip.String())
			a.page(w, r, q, page{kind: tooMany, home: client.HomeURL})
		case r.Context().Err() != nil: // the browser has gone
		case err != nil:
			a.Log.ErrorContext(r.Context(), "a login cannot be written down", "request", q.String(), "err", err)
			a.page(w, r, q, page{kind: failed, home: client.HomeURL})
		default:
			a.counted.begun.Add(1)
			send(w, to)
		}
	}
}

// reason is why an authorize address is refused.
type reason string

// whys are the reasons, in words for the log.
var whys = map[reason]string{
	"query":         "the query is malformed, or has a parameter twice",
	"appid":         "no such app",
	"redirect_uri":  "no client, or more than one, has registered the redirect_uri for this app and may log in",
	"prefix":        "code: wechat is for exact addresses, and this one only lies below a prefix",
	"response_type": "response_type is not code",
	"type":          "an app of this type does not log users in on this path",
	"scope":         "the scope is none that this path has",
	"state":         "the state is longer than 2048 bytes",
	"web_url":       "there is no web_url, so WeChat cannot send the browser back",
}

func reasons() []reason { return slices.Sorted(maps.Keys(whys)) }

// wanted reads what the browser brought; why is the reason to refuse it.
func (a *Auth) wanted(r *http.Request, path string) (l login, app *registry.App, client *registry.Client, why reason) {
	query, ok := parameters(r)
	if !ok {
		return l, nil, nil, "query"
	}
	app, ok = a.Registry.App(credential.App(query["appid"]))
	if !ok {
		return l, nil, nil, "appid"
	}
	client, ok = a.Registry.ClientByRedirect(app.AppID, query["redirect_uri"])
	switch {
	case !ok:
		return l, nil, nil, "redirect_uri"
	case client.Code == config.WeChatCode && !slices.Contains(client.RedirectURIs, query["redirect_uri"]):
		why = "prefix"
	case query["response_type"] != "code":
		why = "response_type"
	case (app.Type == config.Website) != (path == qrconnectPath) || app.Type == config.MiniProgram:
		why = "type"
	case !slices.Contains(scopes[path], query["scope"]):
		why = "scope"
	case len(query["state"]) > maxState:
		why = "state"
	case a.webURL(app) == "":
		why = "web_url"
	}
	l = login{
		Step: started, App: app.AppID, Client: client.Name, Redirect: query["redirect_uri"], State: []byte(query["state"]),
		Path: path, Scope: query["scope"],
	}
	for _, name := range passedOn {
		if v := query[name]; v != "" && len(v) <= 16 {
			l.More = append(l.More, [2]string{name, v})
		}
	}
	return l, app, client, why
}

// outside reports whether WeChat would only say that its page must be opened
// in WeChat. What stands in WeChat's place, a simulator or another Hufu, may
// think otherwise, so it is asked.
func (a *Auth) outside(r *http.Request, path string) bool {
	open, err := url.Parse(a.Config().WeChat.OpenURL)
	return err == nil && open.Hostname() == "open.weixin.qq.com" && path == authorizePath &&
		!strings.Contains(r.UserAgent(), "MicroMessenger")
}

// start writes a login down under a new state and gives the address at WeChat.
func (a *Auth) start(ctx context.Context, l login, base string, browser [32]byte, ip netip.Addr) (string, error) {
	state := draw()
	key := hashed("login/", state)
	if !a.bounds.begin(key, browser, ip) {
		return "", errTooMany
	}
	if err := a.create(ctx, key, l, beginLife); err != nil {
		a.bounds.end(key)
		return "", err
	}
	return a.at(l, base, state), nil
}

// at is the address at WeChat for a login with that state of ours.
func (a *Auth) at(l login, base, state string) string {
	z := wechat.Authorization{App: l.App, RedirectURI: base + callbackPath, Scope: l.Scope, State: state, More: l.More}
	if l.Path == qrconnectPath {
		return wechat.QRConnectURL(a.Config().WeChat.OpenURL, z)
	}
	return wechat.AuthorizeURL(a.Config().WeChat.OpenURL, z)
}
