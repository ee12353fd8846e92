package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// jsConfig is what a page gives to wx.config. It is made by who holds the
// jsapi_ticket, and that is Hufu: the shop only says which page it is about.
type jsConfig struct {
	AppID     string `json:"appId"`
	Timestamp int64  `json:"timestamp"`
	NonceStr  string `json:"nonceStr"`
	Signature string `json:"signature"`

	URL  string `json:"-"` // what was signed
	Said string `json:"-"` // by WeChat's browser, where it is a simulated one
}

// jssdk is a page that may call WeChat's JS-SDK. A real one would hand the four
// values to wx.config in a script; this one shows them.
func (s *shop) jssdk(w http.ResponseWriter, r *http.Request) {
	say := wordsFor(r)
	p := page{ID: "jssdk", Status: http.StatusOK, Title: say.JSSDK.Title, Text: say.JSSDK.Text, Again: "/", Say: say}
	c, err := s.hufu.sign(r.Context(), s.URL+r.URL.RequestURI())
	if err != nil {
		p.ID, p.Status, p.Text, p.Refusal = "error", http.StatusBadGateway, say.Unreachable, err.Error()
		p.show(w)
		return
	}
	if s.Browser != "" {
		c.Said = s.hufu.tried(r.Context(), s.Browser, c)
	}
	p.JS = &c
	p.show(w)
}

// sign has a page signed. The address is the one that the browser shows, less
// "#" and what follows; a program of several pages signs each anew.
func (h *hufu) sign(ctx context.Context, page string) (c jsConfig, err error) {
	path := "/v1/apps/" + url.PathEscape(h.appID) + "/jsapi-signature"
	status, body, err := h.post(ctx, h.api+path, map[string]string{"url": page})
	if err == nil && status != http.StatusOK {
		err = errors.New(http.StatusText(status))
	}
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil {
		return c, fmt.Errorf("POST %s: %w", path, err)
	}
	c.URL = page
	return c, nil
}

// tried is what the simulated browser of WeChat's says to a configuration.
func (h *hufu) tried(ctx context.Context, browser string, c jsConfig) string {
	_, body, err := h.post(ctx, browser+"/js-config", map[string]any{
		"appId": c.AppID, "timestamp": c.Timestamp, "nonceStr": c.NonceStr, "signature": c.Signature, "url": c.URL,
	})
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	switch {
	case err != nil:
		return err.Error()
	case json.Unmarshal(body, &answer) != nil:
		return "?"
	case answer.OK:
		return "config:ok"
	}
	return answer.Error
}

// post sends JSON, with the client key for Hufu alone.
func (h *hufu) post(ctx context.Context, address string, v any) (status int, body []byte, err error) {
	b, err := json.Marshal(v)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(b))
	if err != nil {
		return 0, nil, errors.New("the address is none")
	}
	req.Header.Set("Content-Type", "application/json")
	if to, err := url.Parse(h.api); err == nil && req.URL.Host == to.Host {
		req.Header.Set("Authorization", "Bearer "+h.key)
	}
	resp, err := h.http.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return 0, nil, e.Err
	}
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, body, err
}
