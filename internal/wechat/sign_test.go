package wechat_test

import (
	"testing"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/wechat"
)

// The vectors of WeChat's page: JS-SDK, appendix 1.
func TestSignPageIsAsPublished(t *testing.T) {
	t.Parallel()
	ticket := credential.NewSecret("sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg")
	for page, want := range map[string]string{
		"http://mp.weixin.qq.com?params=value": "0f9de62fce790f9a083d5c99e95740ceb90c27ed",
		"http://mp.weixin.qq.com":              "f4d90daf4b3bca3078ab155816175ba34c443a7b",
	} {
		if got := wechat.SignPage(ticket, "Wm3WZYTPz0wzccnW", 1414587457, page); got != want {
			t.Errorf("%s: %s, want %s", page, got, want)
		}
	}
}
