package wxsim

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// JSAPI is the ticket that signs pages which call WeChat's JS-SDK.
const JSAPI TicketType = "jsapi"

// JSConfig is what a page gives to wx.config, with its own address.
type JSConfig struct {
	AppID     string `json:"appId"`
	Timestamp int64  `json:"timestamp"`
	NonceStr  string `json:"nonceStr"`
	Signature string `json:"signature"`
	// URL is the address of the page as the browser shows it.
	URL string `json:"url"`
}

// What WeChat's browser tells a page whose configuration it does not take.
var (
	ErrJSSignature = errors.New("config:invalid signature")
	ErrJSDomain    = errors.New("config:invalid url domain")
)

// CheckJSConfig is what WeChat's browser does with a configuration: it signs the address itself,
// with each ticket that works now, and looks whether the host is one of App.JSDomains.
// Page JS-SDK, appendix 1, of developers.weixin.qq.com.
func (s *Sim) CheckJSConfig(c JSConfig) error {
	page, _, _ := strings.Cut(c.URL, "#")
	u, err := url.Parse(page)
	if err != nil || u.Host == "" {
		return ErrJSDomain
	}
	result, now := ErrJSSignature, s.Now()
	s.look(c.AppID, func(a *app) {
		if len(a.cfg.JSDomains) > 0 && !slices.Contains(a.cfg.JSDomains, u.Hostname()) {
			result = ErrJSDomain
			return
		}
		for _, k := range s.tickets(a, JSAPI).kept {
			if now.Before(k.ends) && c.NonceStr != "" && signJS(k.value, c.NonceStr, c.Timestamp, page) == c.Signature {
				result = nil
			}
		}
	})
	return result
}

func signJS(ticket, nonce string, timestamp int64, page string) string {
	sum := sha1.Sum([]byte("jsapi_ticket=" + ticket + "&noncestr=" + nonce + "&timestamp=" + strconv.FormatInt(timestamp, 10) + "&url=" + page))
	return hex.EncodeToString(sum[:])
}
