package wechat

import (
	"context"
	"net/http"
	"net/url"

	"github.com/hufu-project/hufu/internal/credential"
)

// The ticket that signs pages which call the JS-SDK. A ticket asked for again is
// the same until WeChat's own clock turns, is told to live two hours each time,
// and works on for an hour at least beside the next: so it was observed. The
// page promises no more than two hours and few calls, of which one vendor counts
// 2000 a day; a quarter of that is taken for sure.
var _ = have(Line{
	Kind: "jsapi_ticket", Types: []string{"official_account"},
	Page: "JS-SDK, appendix 1 (附录1-JS-SDK使用权限签名算法), of developers.weixin.qq.com",
	With: credential.AccessToken, OnDemand: true, Daily: 500,
	Ends: true, Repeats: true,
	Issue: func(ctx context.Context, c *Client, g Grant) (Issued, error) {
		req, err := http.NewRequest(http.MethodGet, c.url("/cgi-bin/ticket/getticket", url.Values{
			"access_token": {g.Secret.Reveal()}, "type": {"jsapi"},
		}), nil)
		if err != nil {
			return Issued{}, unbuilt("jsapi_ticket")
		}
		return c.ask(ctx, g, "jsapi_ticket", "ticket", req)
	},
})
