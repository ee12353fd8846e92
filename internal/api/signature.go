package api

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

// sign answers POST /v1/apps/{app}/jsapi-signature: what a page needs for
// wx.config, in WeChat's own spelling.
//
//	{"appId":"wx0123456789abcdef","timestamp":1763798400,"nonceStr":"5K…","signature":"0f9de62f…"}
func (a *api) sign(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	key := credential.Key{App: credential.App(r.PathValue("app")), Kind: wechat.JSAPITicket}
	var body struct {
		URL string `json:"url"`
	}
	if err := web.Decode(w, r, &body); err != nil {
		return err
	}
	page, host, err := config.CheckPage(body.URL)
	if err != nil {
		return web.BadRequest("url "+err.Error(), "give the address of the page as location.href has it, not escaped once more")
	}
	ticket, err := a.Guard.Sign(c, key, host, func() (credential.Credential, error) { return a.Keeper.Get(r.Context(), key) })
	if err != nil {
		return err
	}
	nonce, now := rand.Text(), time.Now().Unix()
	return writeJSON(w, struct {
		App       credential.App `json:"appId"`
		Timestamp int64          `json:"timestamp"`
		Nonce     string         `json:"nonceStr"`
		Signature string         `json:"signature"`
	}{key.App, now, nonce, wechat.SignPage(ticket.Value, nonce, now, page)})
}
