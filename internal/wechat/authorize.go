package wechat

import (
	"net/url"
	"strings"

	"github.com/hufu-project/hufu/internal/credential"
)

// The scopes of web authorization: Base is silent and gives the openid,
// UserInfo asks the user and gives the profile too, Login is for websites.
const (
	ScopeBase     = "snsapi_base"
	ScopeUserInfo = "snsapi_userinfo"
	ScopeLogin    = "snsapi_login"
)

// Authorization is what a browser brings to WeChat to begin a login.
type Authorization struct {
	App         credential.App
	RedirectURI string // where WeChat sends the browser back to
	Scope       string
	State       string // 1 to 128 letters and digits
	// More is optional parameters, names and values; those that are empty are
	// left out. Their order is that of the caller.
	More [][2]string
}

// AuthorizeURL is the page on which a user inside WeChat lets an app know who
// he or she is. openURL is WeChat's https://open.weixin.qq.com or what stands
// in its place. The order of parameters counts: WeChat compares the address
// with a pattern, and url.Values would sort it.
//
// https://developers.weixin.qq.com/doc/oplatform/developers/troubleshooting/auth.html
func AuthorizeURL(openURL string, a Authorization) string {
	return a.url(openURL, "/connect/oauth2/authorize")
}

// QRConnectURL is the page with a code to scan, for users of a website app
// (WeChat's page 网站应用微信登录).
func QRConnectURL(openURL string, a Authorization) string {
	return a.url(openURL, "/connect/qrconnect")
}

func (a Authorization) url(openURL, path string) string {
	var b strings.Builder
	b.WriteString(strings.TrimRight(openURL, "/"))
	b.WriteString(path)
	sep := byte('?')
	for _, p := range append([][2]string{
		{"appid", string(a.App)},
		{"redirect_uri", a.RedirectURI},
		{"response_type", "code"},
		{"scope", a.Scope},
		{"state", a.State},
	}, a.More...) {
		if p[1] == "" {
			continue
		}
		b.WriteByte(sep)
		b.WriteString(p[0])
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p[1]))
		sep = '&'
	}
	b.WriteString("#wechat_redirect")
	return b.String()
}
