package main

import (
	"fmt"
	"testing"

	"github.com/ArtisanCloud/PowerLibs/v3/cache"
	"github.com/ArtisanCloud/PowerWeChat/v3/src/officialAccount/user"

	"github.com/hufu-project/hufu/internal/sdktest"
)

func TestTheSDK(t *testing.T) {
	// The SDK has one cache for a process, with a file in the home folder. It is
	// made here, outside the bubbles, since its goroutine never ends.
	t.Setenv("HOME", t.TempDir())
	cache.ACCache = nil
	cache.NewMemCache("", 0, "")
	sdktest.Try(t, func(t *testing.T, h *sdktest.Hufu) sdktest.SDK {
		hufu, hufuWeb = sdktest.API, sdktest.Web
		app, err := account(sdktest.AppID, h.Key)
		if err != nil {
			t.Fatal(err)
		}
		// Two calls of one client at the same time are a race in the SDK.
		clients := make([]*user.Client, 100)
		for i := range clients {
			if clients[i], err = user.NewClient(app); err != nil {
				t.Fatal(err)
			}
		}
		return sdktest.SDK{
			Call: func(number int) error {
				who, err := clients[number].Get(t.Context(), sdktest.Follower, "zh_CN")
				if err == nil && (who.ErrCode != 0 || who.Subscribe != 1) {
					return fmt.Errorf("%d %s", who.ErrCode, who.ErrMsg)
				}
				return err
			},
			Authorize: func(callback, state string) (string, error) { return authorizeURL(app, callback, state) },
			User:      func(code string) (string, error) { return whoIs(app, code) },
		}
	})
}
