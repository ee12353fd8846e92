package main

import (
	"errors"
	"testing"

	"github.com/silenceper/wechat/v2/cache"

	"github.com/hufu-project/hufu/internal/sdktest"
)

func TestTheMemoryCache(t *testing.T) {
	sdktest.Try(t, func(_ *testing.T, h *sdktest.Hufu) sdktest.SDK { return sdk(h, cache.NewMemory()) })
}

// sdk is the program of the example.
func sdk(h *sdktest.Hufu, c cache.Cache) sdktest.SDK {
	hufu, hufuWeb = sdktest.API, sdktest.Web
	oa := account(sdktest.AppID, h.Key, c)
	return sdktest.SDK{
		Call: func(int) error {
			who, err := oa.GetUser().GetUserInfo(sdktest.Follower)
			if err == nil && who.Subscribe != 1 {
				return errors.New("that is not the follower")
			}
			return err
		},
		Authorize: func(callback, state string) (string, error) { return authorizeURL(oa, callback, state) },
		User:      func(code string) (string, error) { return user(oa, code) },
	}
}
