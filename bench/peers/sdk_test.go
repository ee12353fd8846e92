//go:build unix

package peers

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"

	power "github.com/ArtisanCloud/PowerWeChat/v3/src/kernel"
	powerwechat "github.com/ArtisanCloud/PowerWeChat/v3/src/officialAccount"
	"github.com/chanxuehong/wechat/mp/base"
	"github.com/chanxuehong/wechat/mp/core"
	"github.com/fastwego/offiaccount"
	fastwego "github.com/fastwego/offiaccount/apis/util"
	"github.com/medivhzhan/weapp/v3"
	"github.com/medivhzhan/weapp/v3/openapi"
	"github.com/silenceper/wechat/v2/cache"
	silenceper "github.com/silenceper/wechat/v2/officialaccount"
	"github.com/silenceper/wechat/v2/officialaccount/config"
)

// sdk is a program as its author's documentation has it.
type sdk struct {
	token func() (string, error) // the token that it would use now
	call  func() error           // one call of WeChat's API, as the program makes them
}

// sdks make the programs. Each is made once in a process.
var sdks = map[string]func() (sdk, error){
	"silenceper":  newSilenceper,
	"powerwechat": newPowerWeChat,
	"chanxuehong": newChanxuehong,
	"fastwego":    newFastwego,
	"weapp":       newWeapp,
	"hufu":        newHufu,
	"gateway":     newGateway,

	"silenceper-hufu":  newSilenceperOnHufu,
	"chanxuehong-hufu": newChanxuehongOnHufu,
}

func newSilenceper() (sdk, error) {
	var c cache.Cache = cache.NewMemory()
	if addr := os.Getenv(envRedis); addr != "" {
		c = cache.NewRedis(context.Background(), &cache.RedisOpts{Host: addr})
	}
	account := silenceper.NewOfficialAccount(&config.Config{AppID: appID, AppSecret: appSecret, Cache: c, UseStableAK: os.Getenv(envStable) != ""})
	return silenceperSDK(account), nil
}

func silenceperSDK(account *silenceper.OfficialAccount) sdk {
	return sdk{
		token: account.GetAccessToken,
		call: func() error {
			_, err := account.GetBasic().GetCallbackIP()
			return err
		},
	}
}

func newPowerWeChat() (sdk, error) {
	dir := os.TempDir()
	conf := &powerwechat.UserConfig{
		AppID: appID, Secret: appSecret, StableTokenMode: os.Getenv(envStable) != "",
		Http: powerwechat.Http{Transport: http.DefaultTransport},
		Log:  powerwechat.Log{Level: "error", File: filepath.Join(dir, "info.log"), Error: filepath.Join(dir, "error.log")},
	}
	if addr := os.Getenv(envRedis); addr != "" {
		conf.Cache = power.NewRedisClient(&power.UniversalOptions{Addrs: []string{addr}})
	}
	app, err := powerwechat.NewOfficialAccount(conf)
	if err != nil {
		return sdk{}, err
	}
	return sdk{
		token: func() (string, error) {
			t, err := app.AccessToken.GetToken(context.Background(), false)
			if err != nil {
				return "", err
			}
			return t.AccessToken, nil
		},
		call: func() error {
			answer, err := app.Base.GetCallbackIP(context.Background())
			if err == nil && answer.ErrCode != 0 {
				err = fmt.Errorf("errcode %d", answer.ErrCode)
			}
			return err
		},
	}, nil
}

func newChanxuehong() (sdk, error) {
	server := core.NewDefaultAccessTokenServer(appID, appSecret, nil)
	return chanxuehongSDK(server), nil
}

func chanxuehongSDK(server core.AccessTokenServer) sdk {
	client := core.NewClient(server, nil)
	return sdk{
		token: server.Token,
		call: func() error {
			_, err := base.GetCallbackIP(client)
			return err
		},
	}
}

func newFastwego() (sdk, error) {
	account := offiaccount.New(offiaccount.Config{Appid: appID, Secret: appSecret})
	account.Logger = log.New(io.Discard, "", 0)
	return sdk{
		token: func() (string, error) { return account.AccessToken.GetAccessTokenHandler(account) },
		call: func() error {
			_, err := fastwego.GetCallbackIp(account)
			return err
		},
	}, nil
}

func newWeapp() (sdk, error) {
	client := weapp.NewClient(appID, appSecret)
	client.SetLogLevel(1)
	return sdk{
		token: client.AccessToken,
		call: func() error {
			answer, err := client.NewOpenApi().GetApiQuota(&openapi.GetApiQuotaRequest{CgiPath: "/cgi-bin/getcallbackip"})
			if err == nil {
				err = answer.GetResponseError()
			}
			return err
		},
	}, nil
}
