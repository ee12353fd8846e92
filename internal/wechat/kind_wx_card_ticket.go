package wechat

import (
	"context"
	"net/http"
	"net/url"

	"github.com/hufu-project/hufu/internal/credential"
)

// The ticket that signs what pages do with cards and coupons (微信卡券的
// api_ticket). WeChat makes it as it makes the one of the JS-SDK.
var _ = have(Line{
	Kind: "wx_card_ticket", Types: []string{"official_account"},
	Page: "JS-SDK, appendix 4 (附录4-卡券扩展字段及签名生成算法), of developers.weixin.qq.com",
	With: credential.AccessToken, OnDemand: true, Daily: 500,
	Ends: true, Repeats: true,
	Issue: func(ctx context.Context, c *Client, g Grant) (Issued, error) {
		req, err := http.NewRequest(http.MethodGet, c.url("/cgi-bin/ticket/getticket", url.Values{
			"access_token": {g.Secret.Reveal()}, "type": {"wx_card"},
		}), nil)
		if err != nil {
			return Issued{}, unbuilt("wx_card_ticket")
		}
		return c.ask(ctx, g, "wx_card_ticket", "ticket", req)
	},
})
