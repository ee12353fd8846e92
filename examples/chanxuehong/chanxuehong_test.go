package main

import (
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chanxuehong/wechat/mp/user"

	"github.com/hufu-project/hufu/internal/sdktest"
)

func TestTheSDK(t *testing.T) {
	sdktest.Try(t, func(_ *testing.T, h *sdktest.Hufu) sdktest.SDK {
		hufu, hufuWeb = sdktest.API, sdktest.Web
		way := &mortal{}
		client = &http.Client{Transport: way}
		clt := account(sdktest.AppID, h.Key)
		return sdktest.SDK{
			Call: func(int) error {
				_, err := user.Get(clt, sdktest.Follower, "")
				return err
			},
			Authorize: func(callback, state string) (string, error) { return authorizeURL(sdktest.AppID, callback, state) },
			User:      func(code string) (string, error) { return whoIs(sdktest.AppID, h.Key, code) },
			Close:     way.end,
		}
	})
}

// mortal is the way to Hufu. The SDK has a goroutine that asks for tokens for
// ever; once the way has ended, it ends who comes along.
type mortal struct {
	toHufu
	over atomic.Bool
}

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	if m.over.Load() {
		runtime.Goexit()
	}
	return m.toHufu.RoundTrip(r)
}

func (m *mortal) end() {
	m.over.Store(true)
	time.Sleep(2 * time.Hour) // until it asks again
}
