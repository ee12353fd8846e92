package wechat

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/hufu-project/hufu/internal/credential"
)

// maxIdle is how many connections are kept for forwarded calls: as many as come
// at a time on a busy day. With fewer, every call above them begins with a
// handshake.
const maxIdle = 512

// Call is a program's call of WeChat's API, ready to be sent.
type Call struct {
	Method string // GET or POST
	// Path is canonical, and Query, as it came, has no credential in it: both
	// were checked by who made this.
	Path, Query string
	// Token is put in. WeChat looks for it in the query only.
	Token  credential.Secret
	Header http.Header // sent as it is
	Body   io.ReadCloser
	Length int64
}

// Forward sends a call once, over a kept connection, and returns the answer
// whatever its status, without following redirects and without decompressing;
// the caller closes its body. It blocks until the head of the answer is there or
// ctx ends. The error is an *Error: NotSent where nothing can have reached
// WeChat, else Ambiguous.
func (c *Client) Forward(ctx context.Context, call Call) (*http.Response, error) {
	query := "access_token=" + url.QueryEscape(call.Token.Reveal())
	if call.Query != "" {
		query += "&" + call.Query
	}
	u := *c.base
	u.Path += call.Path
	u.RawQuery = query
	req := &http.Request{
		Method: call.Method, URL: &u, Host: u.Host, Header: call.Header, Body: call.Body, ContentLength: call.Length,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	switch {
	case call.Length != 0:
	case call.Method == http.MethodGet:
		// net/http sends a GET a second time when a kept connection dies under
		// it, unless it has a body that cannot be had again. Nobody knows whether
		// WeChat did what the first one asked for, so it has such a body, an empty
		// one.
		req.Body = empty{}
	default:
		// A POST is not sent again, but an empty body that does not say so would
		// be sent in chunks, and WeChat answers 412 where there is no
		// Content-Length.
		req.Body = http.NoBody
	}
	resp, err := c.calls.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, transportError("call", c.base.Host, err)
	}
	return resp, nil
}

// empty is a body with nothing in it that does not say so in advance.
type empty struct{}

func (empty) Read([]byte) (int, error) { return 0, io.EOF }
func (empty) Close() error             { return nil }
