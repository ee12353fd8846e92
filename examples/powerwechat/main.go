// The SDK github.com/ArtisanCloud/PowerWeChat, unmodified, behind Hufu.
//
//	go run .          calls WeChat's API
//	go run . login    is a site that logs users in
//
// HUFU_KEY is a client key and HUFU_APPID the app. HUFU_URL and HUFU_WEB_URL are
// Hufu's listen.api and listen.web, where they are not on this machine.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/ArtisanCloud/PowerLibs/v3/logger/drivers"
	"github.com/ArtisanCloud/PowerSocialite/v3/src/providers"
	"github.com/ArtisanCloud/PowerWeChat/v3/src/officialAccount"
	"github.com/ArtisanCloud/PowerWeChat/v3/src/officialAccount/oauth"

	"github.com/hufu-project/hufu/examples/internal/site"
)

var (
	hufu    = site.Env("HUFU_URL", "http://127.0.0.1:8700")
	hufuWeb = site.Env("HUFU_WEB_URL", "http://127.0.0.1:8701")
)

// account is the SDK as ever: the client key stands where the AppSecret stood,
// and the host is a setting. The / at its end must be there.
func account(appid, key string) (*officialAccount.OfficialAccount, error) {
	return officialAccount.NewOfficialAccount(&officialAccount.UserConfig{
		AppID:  appid,
		Secret: key,
		Http:   officialAccount.Http{BaseURI: hufu + "/"},
		Log:    officialAccount.Log{Driver: &drivers.DummyLogger{}}, // or else it writes files where it is started
	})
}

// login is the SDK's part for one login: it keeps the state, so visitors cannot
// share it.
func login(app *officialAccount.OfficialAccount) *providers.WeChat {
	p := oauth.RegisterProvider(app)
	p.SetBaseUrl(hufu + "/sns")
	p.SetScopes([]string{"snsapi_base"}) // those of UserConfig.OAuth do not reach it
	return p
}

// authorizeURL is where a browser is sent. The SDK fixes the host, so it is
// changed in what it made.
func authorizeURL(app *officialAccount.OfficialAccount, callback, state string) (string, error) {
	p := login(app)
	p.WithState(state)
	to, err := p.Redirect(callback)
	return strings.Replace(to, "https://open.weixin.qq.com", hufuWeb, 1), err
}

// whoIs exchanges the code that the browser brought back.
func whoIs(app *officialAccount.OfficialAccount, code string) (openid string, err error) {
	u, err := login(app).UserFromCode(code)
	if err != nil {
		return "", err
	}
	return u.GetOpenID(), nil
}

func main() {
	app, err := account(os.Getenv("HUFU_APPID"), os.Getenv("HUFU_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	followers, err := app.User.List(context.Background(), "")
	if err != nil {
		log.Fatal(err)
	}
	if followers.ErrCode != 0 {
		log.Fatal(followers.ErrCode, " ", followers.ErrMsg)
	}
	fmt.Printf("followers: %d\n", followers.Total)

	if len(os.Args) > 1 && os.Args[1] == "login" {
		log.Fatal(site.Site{
			URL:       "http://localhost:8704",
			Authorize: func(callback, state string) (string, error) { return authorizeURL(app, callback, state) },
			User:      func(code string) (string, error) { return whoIs(app, code) },
		}.Serve("localhost:8704"))
	}
}
