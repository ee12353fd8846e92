// Calls of WeChat's API with net/http alone, behind Hufu. Package hufu puts the
// token in; it needs the standard library and nothing else.
//
//	go run ./nethttp          calls WeChat's API
//	go run ./nethttp login    is a site that logs users in
//
// HUFU_KEY is a client key and HUFU_APPID the app. HUFU_URL and HUFU_WEB_URL are
// Hufu's listen.api and listen.web, where they are not on this machine.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/examples/internal/site"
)

var (
	hufuAPI = site.Env("HUFU_URL", "http://127.0.0.1:8700")
	hufuWeb = site.Env("HUFU_WEB_URL", "http://127.0.0.1:8701")
)

// wechat is a client for WeChat's API that needs no access_token. Close the
// second result when it is no longer used.
func wechat(appid, key string) (*http.Client, *hufu.Client, error) {
	tokens, err := hufu.New(hufuAPI, key)
	if err != nil {
		return nil, nil, err
	}
	return &http.Client{Transport: tokens.Transport(appid, nil)}, tokens, nil
}

// get asks WeChat's API, at Hufu's address, and reads the answer.
func get(client *http.Client, path string, query url.Values, answer any) error {
	resp, err := client.Get(hufuAPI + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var raw json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&raw); err != nil {
		return fmt.Errorf("%s: status %d: %w", path, resp.StatusCode, err)
	}
	var refusal struct {
		Errcode int    `json:"errcode"`
		Errmsg  string `json:"errmsg"`
	}
	if err := json.Unmarshal(raw, &refusal); err != nil || refusal.Errcode != 0 {
		return fmt.Errorf("%s: %d %s", path, refusal.Errcode, refusal.Errmsg)
	}
	return json.Unmarshal(raw, answer)
}

// authorizeURL is where a browser is sent: WeChat's parameters at Hufu's address.
func authorizeURL(appid, callback, state string) (string, error) {
	return hufuWeb + "/connect/oauth2/authorize?appid=" + url.QueryEscape(appid) + "&redirect_uri=" + url.QueryEscape(callback) +
		"&response_type=code&scope=snsapi_base&state=" + url.QueryEscape(state) + "#wechat_redirect", nil
}

// user exchanges the code that the browser brought back: the client key stands
// where the AppSecret stood.
func user(appid, key, code string) (openid string, err error) {
	var token struct {
		OpenID string `json:"openid"`
	}
	err = get(http.DefaultClient, "/sns/oauth2/access_token",
		url.Values{"appid": {appid}, "secret": {key}, "code": {code}, "grant_type": {"authorization_code"}}, &token)
	return token.OpenID, err
}

func main() {
	appid, key := os.Getenv("HUFU_APPID"), os.Getenv("HUFU_KEY")
	client, tokens, err := wechat(appid, key)
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()
	var followers struct {
		Total int `json:"total"`
	}
	if err := get(client, "/cgi-bin/user/get", nil, &followers); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("followers: %d\n", followers.Total)

	if len(os.Args) > 1 && os.Args[1] == "login" {
		log.Fatal(site.Site{
			URL:       "http://localhost:8704",
			Authorize: func(callback, state string) (string, error) { return authorizeURL(appid, callback, state) },
			User:      func(code string) (string, error) { return user(appid, key, code) },
		}.Serve("localhost:8704"))
	}
}
