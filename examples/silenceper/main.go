// The SDK github.com/silenceper/wechat, unmodified, behind Hufu.
//
//	go run ./silenceper          calls WeChat's API
//	go run ./silenceper login    is a site that logs users in
//
// HUFU_KEY is a client key and HUFU_APPID the app. HUFU_URL and HUFU_WEB_URL are
// Hufu's listen.api and listen.web, where they are not on this machine.
package main

import (
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"

	"github.com/hufu-project/hufu/examples/internal/site"
)

var (
	hufu    = site.Env("HUFU_URL", "http://127.0.0.1:8700")
	hufuWeb = site.Env("HUFU_WEB_URL", "http://127.0.0.1:8701")
)

// account is the SDK as ever: the client key stands where the AppSecret stood.
func account(appid, key string, c cache.Cache) *officialaccount.OfficialAccount {
	// The host is changed for the whole process. Pictures of mini program codes
	// (wxa/getwxacode…) do not ask the modifier: who needs them gives SetHTTPClient
	// a transport that moves the host, as in ../chanxuehong.
	util.SetURIModifier(func(uri string) string {
		return strings.Replace(uri, "https://api.weixin.qq.com", hufu, 1)
	})
	return wechat.NewWechat().GetOfficialAccount(&config.Config{AppID: appid, AppSecret: key, Cache: c})
}

// authorizeURL is where a browser is sent. The SDK fixes the host, so it is
// changed in what it made.
func authorizeURL(oa *officialaccount.OfficialAccount, callback, state string) (string, error) {
	to, err := oa.GetOauth().GetRedirectURL(callback, "snsapi_base", state)
	return strings.Replace(to, "https://open.weixin.qq.com", hufuWeb, 1), err
}

// user exchanges the code that the browser brought back.
func user(oa *officialaccount.OfficialAccount, code string) (openid string, err error) {
	token, err := oa.GetOauth().GetUserAccessToken(code)
	return token.OpenID, err
}

func main() {
	oa := account(os.Getenv("HUFU_APPID"), os.Getenv("HUFU_KEY"), cache.NewMemory())
	followers, err := oa.GetUser().ListUserOpenIDs()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("followers: %d\n", followers.Total)

	if len(os.Args) > 1 && os.Args[1] == "login" {
		log.Fatal(site.Site{
			URL:       "http://localhost:8704",
			Authorize: func(callback, state string) (string, error) { return authorizeURL(oa, callback, state) },
			User:      func(code string) (string, error) { return user(oa, code) },
		}.Serve("localhost:8704"))
	}
}
