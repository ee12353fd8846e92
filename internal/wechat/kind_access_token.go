package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/hufu-project/hufu/internal/credential"
)

// probePath needs no permission and changes nothing; every app may call it.
const probePath = "/cgi-bin/get_api_domain_ip"

// tokenTypes: a website app has no token of its own.
var tokenTypes = []string{"official_account", "mini_program"}

// The stable line repeats one token until its last five minutes, for every caller:
// any number of servers may ask. The secret travels in the body.
var _ = have(Line{
	Kind: credential.AccessToken, Source: "stable", Types: tokenTypes,
	Page:    "https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html",
	Repeats: true, Forces: true, Probe: probePath,
	Issue: func(ctx context.Context, c *Client, g Grant) (Issued, error) {
		// force_refresh is always sent: leaving it out was once answered with
		// 41002.
		body, err := json.Marshal(struct {
			GrantType string         `json:"grant_type"`
			AppID     credential.App `json:"appid"`
			Secret    string         `json:"secret"`
			Force     bool           `json:"force_refresh"`
		}{"client_credential", g.App, g.Secret.Reveal(), g.Force})
		if err != nil {
			return Issued{}, unbuilt(credential.AccessToken)
		}
		req, err := http.NewRequest(http.MethodPost, c.url("/cgi-bin/stable_token", nil), bytes.NewReader(body))
		if err != nil {
			return Issued{}, unbuilt(credential.AccessToken)
		}
		req.Header.Set("Content-Type", "application/json")
		return c.ask(ctx, g, credential.AccessToken, "access_token", req)
	},
})

// The classic line makes a new token at every call and ends the one before after
// about five minutes: exactly one may ask. The secret travels in the URL,
// which is therefore never logged.
var _ = have(Line{
	Kind: credential.AccessToken, Source: "classic", Types: tokenTypes,
	Page: "https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html",
	Ends: true, Probe: probePath,
	Issue: func(ctx context.Context, c *Client, g Grant) (Issued, error) {
		req, err := http.NewRequest(http.MethodGet, c.url("/cgi-bin/token", url.Values{
			"grant_type": {"client_credential"}, "appid": {string(g.App)}, "secret": {g.Secret.Reveal()},
		}), nil)
		if err != nil {
			return Issued{}, unbuilt(credential.AccessToken)
		}
		return c.ask(ctx, g, credential.AccessToken, "access_token", req)
	},
})
