package api

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

// getTicket answers GET /cgi-bin/ticket/getticket with the kept ticket. Who
// calls is known as on every path of WeChat's that takes a token: by a phantom
// token, or by a client key in a header. A type is a kind without its "_ticket".
// expires_in is how long the ticket works for sure, as on the token's paths.
//
// Page JS-SDK, appendix 1, of developers.weixin.qq.com.
func (a *api) getTicket(w http.ResponseWriter, r *http.Request, q access.Request) error {
	if r.Method != http.MethodGet {
		refuse(w, q, 43001, "require GET method")
		return nil
	}
	shown, rest, err := web.Shown(r)
	if err != nil {
		return err
	}
	caller, app, err := a.Guard.Identify(access.Caller{IP: a.surface.ClientIP(r), Request: q}, a.Phantoms, shown)
	if err != nil {
		web.AsWeChat(err, true).Write(w, q)
		return nil
	}
	query, err := url.ParseQuery(rest)
	types := query["type"]
	if err != nil || len(types) != 1 || !slices.Contains(wechat.Kinds(), credential.Kind(types[0]+"_ticket")) {
		refuse(w, q, 40097, "invalid args")
		return nil
	}
	key := credential.Key{App: app, Kind: credential.Kind(types[0] + "_ticket")}
	v, _, err := a.Guard.Hand(caller, key, func() (credential.Credential, error) { return a.Keeper.Get(r.Context(), key) })
	if err != nil {
		web.AsWeChat(err, true).Write(w, q)
		return nil
	}
	web.WriteWeChat(w, struct {
		Code      int    `json:"errcode"`
		Text      string `json:"errmsg"`
		Ticket    string `json:"ticket"`
		ExpiresIn int64  `json:"expires_in"`
	}{0, "ok", v.Value.Reveal(), max(1, seconds(v.Certain))})
	return nil
}
