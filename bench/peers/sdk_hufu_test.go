//go:build unix

package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/silenceper/wechat/v2/cache"
	silenceper "github.com/silenceper/wechat/v2/officialaccount"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"

	"github.com/hufu-project/hufu"
)

// newHufu is a program with package hufu: the token comes from the server, the
// calls go to WeChat.
func newHufu() (sdk, error) {
	client, err := hufu.FromEnv()
	if err != nil {
		return sdk{}, err
	}
	wechat := &http.Client{Transport: client.Transport(appID, nil)}
	return sdk{
		token: func() (string, error) { return client.Token(context.Background(), appID) },
		call:  func() error { return getCallbackIP(wechat, "https://"+wechatHost, "") },
	}, nil
}

// newSilenceperOnHufu is silenceper's SDK that is given the token. Since it never
// says that a token failed, its http.Client sees to that.
func newSilenceperOnHufu() (sdk, error) {
	client, err := hufu.FromEnv()
	if err != nil {
		return sdk{}, err
	}
	util.DefaultHTTPClient = &http.Client{Transport: client.Transport(appID, nil)}
	account := silenceper.NewOfficialAccount(&config.Config{AppID: appID, Cache: cache.NewMemory()})
	account.SetAccessTokenHandle(client.Source(appID))
	return silenceperSDK(account), nil
}

// newChanxuehongOnHufu is chanxuehong's, which has the place for it.
func newChanxuehongOnHufu() (sdk, error) {
	client, err := hufu.FromEnv()
	if err != nil {
		return sdk{}, err
	}
	return chanxuehongSDK(client.Source(appID)), nil
}

// newGateway is a program that calls WeChat at Hufu's address, and knows no
// token.
func newGateway() (sdk, error) {
	call := func() error { return getCallbackIP(http.DefaultClient, os.Getenv("HUFU_URL"), os.Getenv("HUFU_KEY")) }
	return sdk{token: func() (string, error) { return "", call() }, call: call}, nil
}

// getCallbackIP is a call of WeChat's API with net/http alone.
func getCallbackIP(c *http.Client, url, key string) error {
	req, err := http.NewRequest(http.MethodGet, url+"/cgi-bin/getcallbackip", nil)
	if err != nil {
		return err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Errcode int    `json:"errcode"`
		Errmsg  string `json:"errmsg"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Errcode != 0 {
		return fmt.Errorf("errcode %d: %s", answer.Errcode, answer.Errmsg)
	}
	return nil
}
