package main

import (
	"errors"
	"net/url"
	"testing"

	"github.com/hufu-project/hufu/internal/sdktest"
)

func TestTheLibrary(t *testing.T) {
	sdktest.Try(t, func(t *testing.T, h *sdktest.Hufu) sdktest.SDK {
		hufuAPI, hufuWeb = sdktest.API, sdktest.Web
		client, tokens, err := wechat(sdktest.AppID, h.Key)
		if err != nil {
			t.Fatal(err)
		}
		return sdktest.SDK{
			Call: func(int) error {
				var who struct {
					Subscribe int `json:"subscribe"`
				}
				err := get(client, "/cgi-bin/user/info", url.Values{"openid": {sdktest.Follower}}, &who)
				if err == nil && who.Subscribe != 1 {
					return errors.New("that is not the follower")
				}
				return err
			},
			Authorize: func(callback, state string) (string, error) { return authorizeURL(sdktest.AppID, callback, state) },
			User:      func(code string) (string, error) { return user(sdktest.AppID, h.Key, code) },
			Close:     func() { _ = tokens.Close() },
		}
	})
}
