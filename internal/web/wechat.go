package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
)

// WeChatRefusal is an answer as WeChat refuses: status 200, a number, a text.
// It is an error, so that whatever decides can return it. Code is WeChat's.
type WeChatRefusal struct {
	Code int
	Text string
}

// Error gives number and text.
func (r *WeChatRefusal) Error() string { return fmt.Sprintf("%d %s", r.Code, r.Text) }

// AsWeChat says an error in WeChat's numbers and words, and what to do in ours
// where WeChat has none; secret tells whether the caller showed a client key.
func AsWeChat(err error, secret bool) *WeChatRefusal {
	if r, ok := errors.AsType[*WeChatRefusal](err); ok {
		return r
	}
	r, _ := errors.AsType[*access.Refusal](err)
	u, _ := errors.AsType[*credential.Unavailable](err)
	switch {
	case errors.Is(err, access.ErrMissing):
		return &WeChatRefusal{41001, "access_token missing"}
	case errors.Is(err, access.ErrExpired):
		return &WeChatRefusal{42001, "access_token expired"}
	case errors.Is(err, access.ErrForged) && r != nil:
		return &WeChatRefusal{40001, "invalid credential, access_token is invalid or not latest: " + r.Reason + "; " + r.Hint}
	case errors.Is(err, credential.ErrNotFound) && r != nil:
		return &WeChatRefusal{40013, "invalid appid: " + r.Reason + "; " + r.Hint}
	case errors.Is(err, credential.ErrNotFound):
		return &WeChatRefusal{40013, "invalid appid"}
	case errors.Is(err, access.ErrUnauthorized) && !secret:
		return &WeChatRefusal{41004, "appsecret missing"}
	case errors.Is(err, access.ErrUnauthorized):
		return &WeChatRefusal{40125, "invalid appsecret"}
	case errors.Is(err, access.ErrLimited) && r != nil:
		return &WeChatRefusal{45011, "api minute-quota reach limit  mustslower  retry next minute: " + r.Reason + "; " + r.Hint}
	case r != nil && r.IP.IsValid():
		return &WeChatRefusal{40164, fmt.Sprintf("invalid ip %s ipv6 %s, not in whitelist", r.IP, netip.AddrFrom16(r.IP.As16()))}
	case r != nil:
		return &WeChatRefusal{48001, "api unauthorized: " + r.Reason + "; " + r.Hint}
	case u != nil:
		return &WeChatRefusal{-1, "system error: no live token in hand: " + u.Reason}
	}
	return &WeChatRefusal{-1, "system error: " + Explain(err).Detail}
}

// Write sends the refusal with the request's name as its rid.
func (r *WeChatRefusal) Write(w http.ResponseWriter, q access.Request) {
	WriteWeChat(w, struct {
		Code int    `json:"errcode"`
		Text string `json:"errmsg"`
	}{r.Code, r.Text + " rid: " + q.String()})
}

// WriteWeChat sends v, a struct of texts and numbers, as WeChat sends JSON:
// nothing in it is escaped for HTML.
func WriteWeChat(w http.ResponseWriter, v any) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // texts and numbers: always succeeds
	w.Header().Set("Content-Type", "application/json; encoding=utf-8")
	_, _ = w.Write([]byte(strings.TrimSuffix(b.String(), "\n")))
}
