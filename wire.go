package hufu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	answerTime = 10 * time.Second // how long the server may take, above what it is asked to wait
	maxAnswer  = 64 << 10
)

// answer is what came back: a value, or word that nothing is new.
type answer struct {
	value  *value // nil: not modified
	tag    string // of what the server has now; "" where it did not say
	maxAge time.Duration
}

// look asks for what there is now; nothing new if that has the tag.
func (c *Client) look(ctx context.Context, k key, tag string) (answer, error) {
	header := http.Header{}
	if tag != "" {
		header.Set("If-None-Match", `"`+tag+`"`)
	}
	return c.credential(ctx, k, http.MethodGet, "", header, nil)
}

// wait asks for a generation later than after, and is patient about it.
func (c *Client) wait(ctx context.Context, k key, after uint64, patience time.Duration) (answer, error) {
	query := fmt.Sprintf("?after=%d&wait=%dms", after, patience.Milliseconds())
	return c.credential(ctx, k, http.MethodGet, query, http.Header{}, nil)
}

// report says that WeChat refused a value, and is told the one to use now.
func (c *Client) report(ctx context.Context, k key, refused string, errcode int) (answer, error) {
	body := struct {
		Value   string `json:"value"`
		Errcode int    `json:"errcode"`
	}{refused, errcode}
	return c.credential(ctx, k, http.MethodPost, "/report", http.Header{}, body)
}

// credential makes a call that is answered with a credential.
func (c *Client) credential(ctx context.Context, k key, method, rest string, header http.Header, body any) (answer, error) {
	sent := time.Now() // its age counts from here: so no end is ever taken to be later than it is
	status, h, raw, err := c.call(ctx, k.String(), method, "/v1/apps/"+url.PathEscape(k.app)+"/credentials/"+url.PathEscape(k.kind)+rest, header, body)
	if err != nil {
		return answer{}, err
	}
	a := answer{tag: strings.Trim(strings.TrimPrefix(h.Get("ETag"), "W/"), `"`)}
	if status == http.StatusNotModified {
		age, err := strconv.Atoi(h.Get("Hufu-Max-Age"))
		if err != nil {
			return answer{}, strange(k.String(), status)
		}
		a.maxAge = time.Duration(age) * time.Second
		return a, nil
	}
	var v struct {
		App        string    `json:"app"`
		Kind       string    `json:"kind"`
		Value      string    `json:"value"`
		Tokens     string    `json:"tokens"`
		Generation uint64    `json:"generation"`
		IssuedAt   time.Time `json:"issued_at"`
		ExpiresAt  time.Time `json:"expires_at"`
		ExpiresIn  int64     `json:"expires_in"`
		MaxAge     int64     `json:"max_age"`
	}
	if json.Unmarshal(raw, &v) != nil || v.App != k.app || v.Kind != k.kind || v.Value == "" ||
		v.ExpiresIn < 1 || v.ExpiresIn > maxLife || v.MaxAge < 0 || v.MaxAge > maxLife {
		return answer{}, strange(k.String(), status)
	}
	a.maxAge = time.Duration(v.MaxAge) * time.Second
	a.value = &value{
		Credential: Credential{
			App: v.App, Kind: v.Kind, Value: v.Value, Phantom: v.Tokens == "phantom",
			Generation: v.Generation, IssuedAt: v.IssuedAt, ExpiresAt: v.ExpiresAt,
		},
		tag: a.tag, until: sent.Add(time.Duration(v.ExpiresIn) * time.Second),
	}
	return a, nil
}

// maxLife in seconds is longer than anything that WeChat issues lives.
const maxLife = 366 * 24 * 3600

// call makes one request and reads the answer to it. Errors are *Error; status
// is 200 or, for a GET, 304.
func (c *Client) call(ctx context.Context, op, method, path string, header http.Header, body any) (status int, _ http.Header, raw []byte, err error) {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, nil, err // cannot be: texts and numbers
		}
		send = bytes.NewReader(b)
		header.Set("Content-Type", "application/json")
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, send)
	if err != nil {
		return 0, nil, nil, &Error{Op: op, Detail: "the request cannot be made", Cause: err}
	}
	req.Header = header
	req.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.http.Do(req)
	if err == nil {
		raw, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		_ = resp.Body.Close()
	}
	if err != nil {
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err // the address is said once, by us
		}
		return 0, nil, nil, &Error{Op: op, Detail: "the server at " + c.url + " cannot be reached: " + err.Error(), Err: ErrUnavailable, Cause: err}
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotModified && method == http.MethodGet {
		return resp.StatusCode, resp.Header, raw, nil
	}
	return 0, nil, nil, problem(op, resp, raw)
}

// problem is the error that an answer tells.
func problem(op string, resp *http.Response, raw []byte) error {
	var p struct {
		Code    string `json:"code"`
		Detail  string `json:"detail"`
		Hint    string `json:"hint"`
		Request string `json:"request_id"`
		Errcode int    `json:"errcode"`
		IP      string `json:"ip"`
	}
	if json.Unmarshal(raw, &p) != nil || p.Code == "" {
		return strange(op, resp.StatusCode)
	}
	e := &Error{
		Op: op, Status: resp.StatusCode, Code: p.Code, Detail: p.Detail, Hint: p.Hint,
		Errcode: p.Errcode, IP: p.IP, RequestID: p.Request, Err: sentinel(resp.StatusCode, p.Code),
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 && s < maxLife {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

// strange is the error of an answer that is not Hufu's.
func strange(op string, status int) error {
	return &Error{
		Op: op, Status: status, Detail: fmt.Sprintf("status %d with an answer that is not Hufu's", status),
		Hint: "is the address that of listen.api, and what stands between?", Err: ErrUnavailable,
	}
}
