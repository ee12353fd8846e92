package api

import (
	"encoding/json"
	"net/http"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/web"
)

// WeChat's own paths for the app's token, for programs that only know WeChat:
// their AppSecret is the client key. Answers are 200 with an errcode, in
// WeChat's words, and the rid is our request id.
//
// https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html
// and, for the classic path, the page getAccessToken beside it.

// ask is what a program says on either path.
type ask struct {
	GrantType string `json:"grant_type"`
	AppID     string `json:"appid"`
	Secret    string `json:"secret"`
	Force     bool   `json:"force_refresh"`
}

// token answers GET /cgi-bin/token.
func (a *api) token(w http.ResponseWriter, r *http.Request, q access.Request) error {
	if r.Method != http.MethodGet {
		refuse(w, q, 43001, "require GET method")
		return nil
	}
	query := r.URL.Query()
	a.answer(w, r, q, ask{GrantType: query.Get("grant_type"), AppID: query.Get("appid"), Secret: query.Get("secret")})
	return nil
}

// stableToken answers POST /cgi-bin/stable_token.
func (a *api) stableToken(w http.ResponseWriter, r *http.Request, q access.Request) error {
	if r.Method != http.MethodPost {
		refuse(w, q, 43002, "require POST method")
		return nil
	}
	var said ask
	// Keys that we do not know are let pass, as WeChat does.
	if body, err := web.Body(w, r); err != nil || json.Unmarshal(body, &said) != nil {
		refuse(w, q, 47001, "data format error")
		return nil
	}
	a.answer(w, r, q, said)
	return nil
}

// answer checks in WeChat's order, except that a stranger, who shows no valid
// key, does not learn which apps there are.
func (a *api) answer(w http.ResponseWriter, r *http.Request, q access.Request, said ask) {
	if said.AppID == "" {
		refuse(w, q, 41002, "appid missing")
		return
	}
	key := credential.Key{App: credential.App(said.AppID), Kind: credential.AccessToken}
	caller, err := a.Guard.Authenticate(said.Secret, a.surface.ClientIP(r), q)
	switch {
	case err == nil && !a.exists(caller, key.App):
		_, _, err = a.Guard.Hand(caller, key, nowhere)
		web.AsWeChat(err, said.Secret != "").Write(w, q)
		return
	case said.GrantType != "client_credential":
		refuse(w, q, 40002, "invalid grant_type")
		return
	case err != nil:
		web.AsWeChat(err, said.Secret != "").Write(w, q)
		return
	}
	v, again, err := a.Guard.Hand(caller, key, func() (credential.Credential, error) {
		if access.GivenPhantoms(caller, key) {
			return mint{a, caller}.fresh(key.App) // forced or not: see mint.Report
		}
		v, err := a.Keeper.Get(r.Context(), key)
		if err != nil || !said.Force {
			return v, err
		}
		// Who forces says that the value in hand does not work.
		return a.Keeper.Report(r.Context(), key, keeper.Claim{Value: v.Value})
	})
	if err != nil {
		web.AsWeChat(err, said.Secret != "").Write(w, q)
		return
	}
	if again && !said.Force && !v.Phantom {
		a.Keeper.Doubt(key)
	}
	web.WriteWeChat(w, struct {
		Token     string `json:"access_token"`
		ExpiresIn int64  `json:"expires_in"`
	}{
		v.Value.Reveal(),
		max(1, seconds(v.Certain)), // never 0: there are caches that take it for "no end"
	})
}

// exists reports whether there is such an app for this caller.
func (a *api) exists(c access.Caller, id credential.App) bool {
	_, ok := a.Registry.App(id)
	return ok && c.Client.MayUse(id)
}

// nowhere is where the credential of an app comes from that does not exist.
func nowhere() (credential.Credential, error) { return credential.Credential{}, credential.ErrNotFound }

// refuse answers with a refusal of WeChat's kind.
func refuse(w http.ResponseWriter, q access.Request, code int, text string) {
	(&web.WeChatRefusal{Code: code, Text: text}).Write(w, q)
}
