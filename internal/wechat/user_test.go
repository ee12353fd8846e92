package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/wechat"
)

const (
	userAccess  = "91_canaryUserToken-000000000000000000000000"
	userRefresh = "91_canaryRefresh-0000000000000000000000000"
	loginCode   = "001canaryLoginCode00000000000000"
)

var (
	secretOfApp = credential.NewSecret(secret)
	codeOfUser  = credential.NewSecret(loginCode)
)

// userAnswers is a client whose WeChat answers everything with one body.
func userAnswers(t *testing.T, status int, body string) (*wechat.Client, *atomic.Pointer[http.Request]) {
	t.Helper()
	var last atomic.Pointer[http.Request]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last.Store(r)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return client(t, wechat.Options{APIURL: srv.URL}), &last
}

func TestExchangeReadsTheGrantLeniently(t *testing.T) {
	t.Parallel()
	const head = `{"access_token":"` + userAccess + `","refresh_token":"` + userRefresh + `","openid":"o6_1"`
	full := wechat.UserGrant{
		Access: wechat.NewUserToken(userAccess), Refresh: credential.NewSecret(userRefresh),
		OpenID: "o6_1", Scope: "snsapi_userinfo", Life: 2 * time.Hour,
	}
	for name, row := range map[string]struct {
		body string
		want func(*wechat.UserGrant)
	}{
		"plain":              {head + `,"expires_in":7200,"scope":"snsapi_userinfo"}`, func(*wechat.UserGrant) {}},
		"trailing comma":     {head + `,"expires_in":7200,"scope":"snsapi_userinfo,"}`, func(*wechat.UserGrant) {}},
		"byte order mark":    {"\xef\xbb\xbf" + head + `,"expires_in":7200,"scope":"snsapi_userinfo"}`, func(*wechat.UserGrant) {}},
		"two scopes":         {head + `,"expires_in":7200,"scope":"a, b"}`, func(g *wechat.UserGrant) { g.Scope = "a,b" }},
		"errcode 0":          {head + `,"errcode":0,"expires_in":7200,"scope":"snsapi_userinfo"}`, func(*wechat.UserGrant) {}},
		"unionid":            {head + `,"expires_in":7200,"scope":"snsapi_userinfo","unionid":"u1"}`, func(g *wechat.UserGrant) { g.UnionID = "u1" }},
		"snapshot":           {head + `,"expires_in":7200,"scope":"snsapi_userinfo","is_snapshotuser":1}`, func(g *wechat.UserGrant) { g.Snapshot = true }},
		"snapshot as text":   {head + `,"expires_in":7200,"scope":"snsapi_userinfo","is_snapshotuser":"1"}`, func(g *wechat.UserGrant) { g.Snapshot = true }},
		"no snapshot":        {head + `,"expires_in":7200,"scope":"snsapi_userinfo","is_snapshotuser":0}`, func(*wechat.UserGrant) {}},
		"no expires_in":      {head + `,"scope":"snsapi_userinfo"}`, func(g *wechat.UserGrant) { g.Life = 5 * time.Minute }},
		"expires_in is text": {head + `,"expires_in":"7200","scope":"snsapi_userinfo"}`, func(g *wechat.UserGrant) { g.Life = 5 * time.Minute }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, last := userAnswers(t, 200, row.body)
			want := full
			row.want(&want)
			got, err := c.ExchangeCode(t.Context(), appid, secretOfApp, codeOfUser)
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			q := last.Load().URL.Query()
			if last.Load().URL.Path != "/sns/oauth2/access_token" || q.Get("appid") != appid || q.Get("secret") != secret ||
				q.Get("code") != loginCode || q.Get("grant_type") != "authorization_code" {
				t.Errorf("sent %s", last.Load().URL)
			}
		})
	}
}

// every is the calls about users, each once.
func every(ctx context.Context, c *wechat.Client) map[string]error {
	_, exchange := c.ExchangeCode(ctx, appid, secretOfApp, codeOfUser)
	_, refresh := c.RefreshUser(ctx, appid, credential.NewSecret(userRefresh))
	_, info := c.UserInfo(ctx, wechat.NewUserToken(userAccess), "o6_1", "zh_CN")
	check := c.CheckUser(ctx, wechat.NewUserToken(userAccess), "o6_1")
	_, session := c.SessionOfCode(ctx, appid, secretOfApp, codeOfUser)
	return map[string]error{"exchange": exchange, "refresh": refresh, "info": info, "check": check, "session": session}
}

func TestUserCallsSayWhatAnAnswerProves(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		status  int
		body    string
		outcome wechat.Outcome
		code    int
	}{
		"used":           {200, `{"errcode":40163,"errmsg":"code been used, rid: 1"}`, wechat.Refused, 40163},
		"invalid":        {200, `{"errcode":40029,"errmsg":"invalid code"}`, wechat.Refused, 40029},
		"unwell":         {200, `{"errcode":-1,"errmsg":"system error"}`, wechat.Ambiguous, -1},
		"number as text": {200, `{"errcode":"40163"}`, wechat.Ambiguous, 0},
		"gateway":        {502, `bad gateway`, wechat.Ambiguous, 0},
		"html":           {200, `<html>`, wechat.Ambiguous, 0},
		"twice":          {200, `{"openid":"a","OpenID":"b"}`, wechat.Ambiguous, 0},
		"echo": {
			200, `{"errcode":40125,"errmsg":"` + secret + userAccess + userRefresh + loginCode + `"}`, wechat.Refused, 40125,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := userAnswers(t, row.status, row.body)
			for call, err := range every(t.Context(), c) {
				var e *wechat.Error
				if !errors.As(err, &e) || e.Outcome != row.outcome || e.Code != row.code {
					t.Errorf("%s: %v (%+v)", call, err, e)
					continue
				}
				// Each call hides what it sent itself.
				sent := map[string][]string{
					"exchange": {secret, loginCode}, "session": {secret, loginCode},
					"refresh": {userRefresh}, "info": {userAccess}, "check": {userAccess},
				}[call]
				for _, s := range sent {
					if strings.Contains(fmt.Sprintf("%+v %v", e, e), s) {
						t.Errorf("%s: the error shows a secret", call)
					}
				}
			}
		})
	}
}

func TestExchangeWithoutAUserIsNoLogin(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"access_token":"x","openid":""}`, `{"access_token":"x"}`, `{"openid":"o1"}`, `{"access_token":"a b","openid":"o1"}`, `{"access_token":"x","openid":7}`, `{}`,
	} {
		c, _ := userAnswers(t, 200, body)
		var e *wechat.Error
		if g, err := c.ExchangeCode(t.Context(), appid, secretOfApp, codeOfUser); !errors.As(err, &e) || e.Outcome != wechat.Ambiguous {
			t.Errorf("%s: %+v, %v", body, g, err)
		}
	}
}

func TestUserCallsPassAnswersOnAsTheyCame(t *testing.T) {
	t.Parallel()
	const body = `{"openid":"o6_1","session_key":"c2ltdWxhdGVkLTE2Ynl0ZQ==","errcode":0,"nickname":"\u6a21<b>"}`
	c, last := userAnswers(t, 200, body)
	got, err := c.SessionOfCode(t.Context(), appid, secretOfApp, codeOfUser)
	if err != nil || string(got) != body || last.Load().URL.Query().Get("js_code") != loginCode {
		t.Errorf("%s, %v", got, err)
	}
	got, err = c.UserInfo(t.Context(), wechat.NewUserToken(userAccess), "o6_1", "")
	if err != nil || string(got) != body || last.Load().URL.Query().Has("lang") {
		t.Errorf("%s, %v", got, err)
	}
	if err := c.CheckUser(t.Context(), wechat.NewUserToken(userAccess), "o6_1"); err != nil {
		t.Error(err)
	}
}

func TestUserCallsAreSentOnceAndNotSentIsCertain(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		seen.Add(1)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(srv.Close)
	c := client(t, wechat.Options{APIURL: srv.URL})
	for call, err := range every(t.Context(), c) {
		var e *wechat.Error
		if !errors.As(err, &e) || e.Outcome != wechat.Ambiguous || strings.Contains(e.Error(), "canary") || strings.Contains(e.Error(), secret) {
			t.Errorf("%s: %v", call, err)
		}
	}
	if n := seen.Load(); n != 5 {
		t.Errorf("five calls were sent %d times", n)
	}
	srv.Close()
	for call, err := range every(t.Context(), c) {
		var e *wechat.Error
		if !errors.As(err, &e) || e.Outcome != wechat.NotSent || strings.Contains(e.Error(), "canary") || strings.Contains(e.Error(), secret) {
			t.Errorf("%s: %v", call, err)
		}
	}
}

func TestAuthorizeAddressesAreInWeChatsOrder(t *testing.T) {
	t.Parallel()
	a := wechat.Authorization{
		App: appid, RedirectURI: "https://auth.example.com/wx/callback", Scope: wechat.ScopeBase, State: "s7",
		More: [][2]string{{"forcePopup", "true"}, {"forceSnapShot", ""}, {"connect_redirect", "1"}},
	}
	const want = "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0123456789abcdef&redirect_uri=https%3A%2F%2Fauth.example.com%2Fwx%2Fcallback" +
		"&response_type=code&scope=snsapi_base&state=s7&forcePopup=true&connect_redirect=1#wechat_redirect"
	if got := wechat.AuthorizeURL("https://open.weixin.qq.com/", a); got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
	a.More, a.Scope = nil, wechat.ScopeLogin
	if got := wechat.QRConnectURL("https://other.example/open", a); !strings.HasPrefix(got, "https://other.example/open/connect/qrconnect?appid=") ||
		!strings.HasSuffix(got, "&scope=snsapi_login&state=s7#wechat_redirect") {
		t.Error(got)
	}
}

func TestUserTokensDoNotShow(t *testing.T) {
	t.Parallel()
	g := wechat.UserGrant{Access: wechat.NewUserToken(userAccess), Refresh: credential.NewSecret(userRefresh)}
	if text := fmt.Sprintf("%v %+v %#v %s", g, g, g, g.Access); strings.Contains(text, "canary") {
		t.Error(text)
	}
}
