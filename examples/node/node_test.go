package node

import (
	"os"
	"os/exec"
	"testing"

	"github.com/hufu-project/hufu/internal/sdktest"
)

func TestTheSDKs(t *testing.T) {
	node := program(t)
	sdktest.Try(t, func(t *testing.T, h *sdktest.Hufu) sdktest.SDK {
		if err := node.Do(0, map[string]any{"do": "begin", "appid": sdktest.AppID, "key": h.Key}, nil); err != nil {
			t.Fatal(err)
		}
		sdk := sdktest.SDK{
			Call: func(number int) error {
				return node.Do(number, map[string]any{"do": "call", "follower": sdktest.Follower}, nil)
			},
			Authorize: func(callback, state string) (to string, err error) {
				err = node.Do(0, map[string]any{"do": "authorize", "callback": callback, "state": state}, &to)
				return to, err
			},
			User: func(code string) (openid string, err error) {
				err = node.Do(0, map[string]any{"do": "user", "code": code}, &openid)
				return openid, err
			},
		}
		// From now on every call also asks about the user who has logged in.
		h.Login(sdk)
		return sdk
	})
}

// program is the driver of the example. It needs Node and what npm installs.
func program(t *testing.T) *sdktest.Outside {
	t.Helper()
	needs := ""
	if _, err := exec.LookPath("node"); err != nil {
		needs = "node: apt-get install nodejs npm"
	} else if _, err := os.Stat("node_modules/wechat-oauth"); err != nil {
		needs = "the packages of the example: npm ci, in examples/node"
	}
	switch {
	case needs != "" && os.Getenv("CI") != "":
		t.Fatal("this test needs ", needs)
	case needs != "":
		t.Skip("this test needs ", needs)
	}
	return sdktest.Program(t, "node", "testdata/driver.js")
}
