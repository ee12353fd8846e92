// The SDK github.com/chanxuehong/wechat, unmodified, behind Hufu.
//
//	go run ./chanxuehong          calls WeChat's API
//	go run ./chanxuehong login    is a site that logs users in
//
// HUFU_KEY is a client key and HUFU_APPID the app. HUFU_URL and HUFU_WEB_URL are
// Hufu's listen.api and listen.web, where they are not on this machine.
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/chanxuehong/wechat/mp/core"
	mp "github.com/chanxuehong/wechat/mp/oauth2"
	"github.com/chanxuehong/wechat/mp/user"
	"github.com/chanxuehong/wechat/oauth2"

	"github.com/hufu-project/hufu/examples/internal/site"
)

var (
	hufu    = site.Env("HUFU_URL", "http://127.0.0.1:8700")
	hufuWeb = site.Env("HUFU_WEB_URL", "http://127.0.0.1:8701")
)

// toHufu sends what is meant for WeChat's API to Hufu. The SDK fixes the host,
// and takes an http.Client everywhere.
type toHufu struct{}

func (toHufu) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := url.Parse(hufu)
	if err != nil {
		return nil, err
	}
	if r.URL.Host == "api.weixin.qq.com" {
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host, r.Host = to.Scheme, to.Host, ""
	}
	return http.DefaultTransport.RoundTrip(r)
}

var client = &http.Client{Transport: toHufu{}}

// account is the SDK as ever: the client key stands where the AppSecret stood.
func account(appid, key string) *core.Client {
	return core.NewClient(core.NewDefaultAccessTokenServer(appid, key, client), client)
}

// authorizeURL is where a browser is sent. The SDK fixes the host, so it is
// changed in what it made.
func authorizeURL(appid, callback, state string) (string, error) {
	to := mp.AuthCodeURL(appid, callback, "snsapi_base", state)
	return strings.Replace(to, "https://open.weixin.qq.com", hufuWeb, 1), nil
}

// whoIs exchanges the code that the browser brought back.
func whoIs(appid, key, code string) (openid string, err error) {
	login := oauth2.Client{Endpoint: mp.NewEndpoint(appid, key), HttpClient: client}
	token, err := login.ExchangeToken(code)
	if err != nil {
		return "", err
	}
	return token.OpenId, nil
}

func main() {
	appid, key := os.Getenv("HUFU_APPID"), os.Getenv("HUFU_KEY")
	followers, err := user.List(account(appid, key), "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("followers: %d\n", followers.TotalCount)

	if len(os.Args) > 1 && os.Args[1] == "login" {
		log.Fatal(site.Site{
			URL:       "http://localhost:8704",
			Authorize: func(callback, state string) (string, error) { return authorizeURL(appid, callback, state) },
			User:      func(code string) (string, error) { return whoIs(appid, key, code) },
		}.Serve("localhost:8704"))
	}
}
