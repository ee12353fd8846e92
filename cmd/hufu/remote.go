package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/errcode"
)

// remote is a Hufu server as the operator's commands see it.
type remote struct {
	*program
	url, key string
	http     *http.Client
}

// remote finds the server by HUFU_URL and HUFU_KEY.
func (p *program) remote() (*remote, error) {
	r := p.remoteAt("http://127.0.0.1:8700", p.variable("HUFU_KEY"))
	if u := p.variable("HUFU_URL"); u != "" {
		r.url = strings.TrimRight(u, "/")
	}
	if !strings.HasPrefix(r.url, "http://") && !strings.HasPrefix(r.url, "https://") {
		return nil, misused(p.say("remote.url"), p.say("remote.url.hint"))
	}
	if r.key == "" {
		return nil, misused(p.say("remote.key"), p.say("remote.key.hint"))
	}
	return r, nil
}

func (p *program) remoteAt(url, key string) *remote {
	return &remote{program: p, url: url, key: key, http: &http.Client{
		Timeout: 90 * time.Second, // more than the longest ?wait=
		// The API never redirects; whoever does wants our key.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// problem is a problem document of the server's.
type problem struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Hint    string `json:"hint"`
	Errcode int    `json:"errcode"`
	IP      string `json:"ip"`
}

func (e *problem) Error() string { return e.Detail }

// errUnchanged is a 304.
var errUnchanged = errors.New("not modified")

// do makes one call, and decodes the answer into v unless v is nil. Errors are
// failures in words, *problem where the server said why, and errUnchanged.
func (r *remote) do(ctx context.Context, method, path string, body, v any) error {
	raw, err := r.call(ctx, method, path, body)
	if err != nil || v == nil || len(raw) == 0 {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return failed(r.say("remote.stranger", r.url), r.say("remote.stranger.hint"))
	}
	return nil
}

func (r *remote) call(ctx context.Context, method, path string, body any) ([]byte, error) {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, send)
	if err != nil {
		return nil, misused(r.say("remote.url"), r.say("remote.url.hint"))
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	resp, err := r.http.Do(req)
	if err != nil {
		hint := r.say("remote.away.hint")
		if errors.Is(err, http.ErrSchemeMismatch) {
			hint = r.say("remote.plain.hint")
		}
		return nil, failed(r.say("remote.away", r.url, cause(err)), hint)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, failed(r.say("remote.away", r.url, cause(err)), r.say("remote.away.hint"))
	}
	switch {
	case resp.StatusCode == http.StatusNotModified:
		return nil, errUnchanged
	case resp.StatusCode < 300:
		return raw, nil
	}
	p := &problem{}
	if err := json.Unmarshal(raw, p); err != nil || p.Code == "" {
		return nil, failed(r.say("remote.stranger", r.url), r.say("remote.stranger.hint"))
	}
	return nil, p
}

// explain turns a problem of the server's into a failure in the user's
// language.
func (r *remote) explain(err error) error {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		return err
	}
	if e, known := errcode.Lookup(p.Errcode); known && p.Errcode != 0 {
		text := r.say("remote.refused", p.Errcode, r.wordsOf(e).Meaning)
		if p.IP != "" {
			text += " " + r.say("remote.ip", p.IP)
		}
		return failed(text, r.wordsOf(e).Hint)
	}
	text, hint := p.Detail, p.Hint
	if zh, known := problemsInChinese[p.Code]; known && r.chinese {
		text, hint = zh.text, zh.hint
		if zh.detail {
			text += "：" + p.Detail
		}
	}
	switch p.Code { // what to do about these is said for this program's user
	case "unauthorized":
		hint = r.say("remote.unauthorized.hint")
	case "not_found":
		hint = r.say("remote.missing.hint", r.url)
	case "declared":
		text, hint = r.say("remote.declared"), r.say("remote.declared.hint")
	case "unavailable":
		hint = r.say("status.unreachable.hint")
	}
	return failed(text, hint)
}

// cause is an error of net/http without the address, which the words around
// it name already.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
