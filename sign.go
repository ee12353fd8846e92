package hufu

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Signature is what a page gives to wx.config, in the spelling of WeChat's
// JS-SDK. It is public and may be sent to the page as JSON.
type Signature struct {
	AppID     string `json:"appId"`
	Timestamp int64  `json:"timestamp"` // seconds since 1970
	NonceStr  string `json:"nonceStr"`
	Signature string `json:"signature"`
}

// Sign signs a page of the app's for the JS-SDK. page is its address as
// location.href has it; what follows a # does not count. The server signs, so
// each Sign is a call to it, which takes ten seconds at most. Errors are those
// of Get, and an *Error with code bad_request for an address that cannot be
// signed.
func (c *Client) Sign(ctx context.Context, appid, page string) (Signature, error) {
	if c.ctx.Err() != nil {
		return Signature{}, ErrClosed
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	op := "signature for " + appid
	body := struct {
		URL string `json:"url"`
	}{page}
	status, _, raw, err := c.call(ctx, op, http.MethodPost, "/v1/apps/"+url.PathEscape(appid)+"/jsapi-signature", http.Header{}, body)
	if c.ctx.Err() != nil {
		return Signature{}, ErrClosed
	}
	if err != nil {
		return Signature{}, err
	}
	var s Signature
	if json.Unmarshal(raw, &s) != nil || s.AppID != appid || s.Signature == "" {
		return Signature{}, strange(op, status)
	}
	return s, nil
}

// bounded is ctx with the time that an answer may take, and the Client's end.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
