package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"

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

// refusal is an answer of WeChat's kind.
type refusal struct {
	code int
	text string
}

// token answers GET /cgi-bin/token.
func (a *api) token(w http.ResponseWriter, r *http.Request, q access.Request) error {
	if r.Method != http.MethodGet {
		refuse(w, q, refusal{43001, "require GET method"})
		return nil
	}
	query := r.URL.Query()
	a.answer(w, r, q, ask{GrantType: query.Get("grant_type"), AppID: query.Get("appid"), Secret: query.Get("secret")})
	return nil
}

// stableToken answers POST /cgi-bin/stable_token.
func (a *api) stableToken(w http.ResponseWriter, r *http.Request, q access.Request) error {
	if r.Method != http.MethodPost {
		refuse(w, q, refusal{43002, "require POST method"})
		return nil
	}
	var said ask
	// Keys that we do not know are let pass, as WeChat does.
	if body, err := web.Body(w, r); err != nil || json.Unmarshal(body, &said) != nil {
		refuse(w, q, refusal{47001, "data format error"})
		return nil
	}
	a.answer(w, r, q, said)
	return nil
}

// answer checks in WeChat's order, except that a stranger, who shows no valid
// key, does not learn which apps there are.
func (a *api) answer(w http.ResponseWriter, r *http.Request, q access.Request, said ask) {
	if said.AppID == "" {
		refuse(w, q, refusal{41002, "appid missing"})
		return
	}
	key := credential.Key{App: credential.App(said.AppID), Kind: credential.AccessToken}
	caller, err := a.Guard.Authenticate(said.Secret, a.surface.ClientIP(r), q)
	switch {
	case err == nil && !a.exists(caller, key.App):
		_, _, err = a.Guard.Hand(caller, key, nowhere)
		refuse(w, q, refusalOf(err, said))
		return
	case said.GrantType != "client_credential":
		refuse(w, q, refusal{40002, "invalid grant_type"})
		return
	case err != nil:
		refuse(w, q, refusalOf(err, said))
		return
	}
	v, again, err := a.Guard.Hand(caller, key, func() (credential.Credential, error) {
		v, err := a.Keeper.Get(r.Context(), key)
		if err != nil || !said.Force {
			return v, err
		}
		// Who forces says that the value in hand does not work.
		return a.Keeper.Report(r.Context(), key, keeper.Claim{Value: v.Value})
	})
	if err != nil {
		refuse(w, q, refusalOf(err, said))
		return
	}
	if again && !said.Force {
		a.Keeper.Doubt(key)
	}
	b := append(make([]byte, 0, 512), `{"access_token":`...)
	b = appendString(b, v.Value.Reveal())
	b = append(b, `,"expires_in":`...)
	// Never 0: there are caches that take it for "no end".
	b = strconv.AppendInt(b, max(1, seconds(v.Certain)), 10)
	writeWeChat(w, append(b, '}'))
}

// exists reports whether there is such an app for this caller.
func (a *api) exists(c access.Caller, id credential.App) bool {
	_, ok := a.Registry.App(id)
	return ok && c.Client.MayUse(id)
}

// nowhere is where the credential of an app comes from that does not exist.
func nowhere() (credential.Credential, error) { return credential.Credential{}, credential.ErrNotFound }

// refusalOf says an error in WeChat's words, and what to do in ours where
// WeChat has none.
func refusalOf(err error, said ask) refusal {
	r, _ := errors.AsType[*access.Refusal](err)
	u, _ := errors.AsType[*credential.Unavailable](err)
	switch {
	case errors.Is(err, credential.ErrNotFound):
		return refusal{40013, "invalid appid"}
	case errors.Is(err, access.ErrUnauthorized) && said.Secret == "":
		return refusal{41004, "appsecret missing"}
	case errors.Is(err, access.ErrUnauthorized):
		return refusal{40125, "invalid appsecret"}
	case errors.Is(err, access.ErrLimited):
		return refusal{45011, "api minute-quota reach limit  mustslower  retry next minute"}
	case r != nil && r.IP.IsValid():
		return refusal{40164, fmt.Sprintf("invalid ip %s ipv6 %s, not in whitelist", r.IP, netip.AddrFrom16(r.IP.As16()))}
	case r != nil:
		return refusal{48001, "api unauthorized: " + r.Reason + "; " + r.Hint}
	case u != nil:
		return refusal{-1, "system error: no live token in hand: " + u.Reason}
	}
	return refusal{-1, "system error: " + web.Explain(err).Detail}
}

// refuse sends a refusal with its rid. An errmsg is not escaped for HTML.
func refuse(w http.ResponseWriter, q access.Request, r refusal) {
	b := append(make([]byte, 0, 256), `{"errcode":`...)
	b = strconv.AppendInt(b, int64(r.code), 10)
	b = append(b, `,"errmsg":`...)
	b = appendString(b, r.text+" rid: "+q.String())
	writeWeChat(w, append(b, '}'))
}

var weChatType = []string{"application/json; encoding=utf-8"}

func writeWeChat(w http.ResponseWriter, body []byte) {
	w.Header()["Content-Type"] = weChatType
	_, _ = w.Write(body)
}
