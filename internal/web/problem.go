package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
)

// Problem is an error as it leaves over HTTP, a problem document of RFC 9457:
//
//	{"type":"about:blank","title":"Service Unavailable","status":503,"code":"unavailable",
//	 "detail":"wx0123456789abcdef/access_token: WeChat answered 40164 …","hint":"add the address …",
//	 "request_id":"6aac005a-01bfdbee-00000007","errcode":40164,"ip":"203.0.113.9"}
//
// Code is stable and for programs; Detail and Hint are English for people and
// may change. None of them may hold a secret.
type Problem struct {
	Status int
	Code   string
	Detail string
	Hint   string
	// RetryAfter becomes the Retry-After header, in whole seconds rounded up.
	RetryAfter time.Duration
	// Errcode and IP are WeChat's number and the address it refused.
	Errcode int
	IP      string
	// Allow is the Allow header of a 405.
	Allow string
}

// Error gives the detail.
func (p *Problem) Error() string { return p.Detail }

func badRequest(detail, hint string) *Problem {
	return &Problem{Status: http.StatusBadRequest, Code: "bad_request", Detail: detail, Hint: hint}
}

// NoAnswer is for a call that was sent on and has no answer: 504 where it was
// waited for too long, else 502.
func NoAnswer(reason string, late bool) *Problem {
	p := &Problem{
		Status: http.StatusBadGateway, Code: "no_answer", Detail: "WeChat did not answer: " + reason,
		Hint: "nobody knows whether the call had its effect; look before you repeat it",
	}
	if late {
		p.Status = http.StatusGatewayTimeout
	}
	return p
}

// TooLarge is a 413 in words of the caller's.
func TooLarge(detail, hint string) *Problem {
	return &Problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Detail: detail, Hint: hint}
}

// BadRequest is a 400 in words of the caller's.
func BadRequest(detail, hint string) error { return badRequest(detail, hint) }

// NotFound is the one answer for what does not exist and for what this client
// may not know of.
func NotFound() *Problem {
	return &Problem{
		Status: http.StatusNotFound, Code: "not_found", Detail: "there is no such thing here, or this client may not use it",
		Hint: "compare the path, the appid, the kind and the apps of this client in the configuration",
	}
}

// dayQuota is WeChat's errcode for a day's quota that is spent. The hint in the
// table of errcodes is for a token that is still in hand, which here there is
// not.
const dayQuota = 45009

// canceled is the answer to somebody who has gone; nobody sees it.
const canceled = 499

// errors and what they become; the first that matches counts. Words that an
// error brings itself (*access.Refusal, *credential.Unavailable) win.
var table = []struct {
	err error
	Problem
}{
	{access.ErrUnauthorized, Problem{Status: 401, Code: "unauthorized", Detail: "no valid client key", Hint: "send Authorization: Bearer <client key>"}},
	{access.ErrForbidden, Problem{Status: 403, Code: "forbidden", Detail: "this client may not do that", Hint: "its allow list in the configuration says what it may do"}},
	{access.ErrLimited, Problem{Status: 429, Code: "too_many_requests", Detail: "too many requests", Hint: "ask less often"}},
	{access.ErrUnrecorded, Problem{Status: 503, Code: "unrecorded", Detail: "the audit record cannot be written, and it is required", Hint: "see to the audit sink: is the disk full, is the reader of the pipe gone?", RetryAfter: 2 * time.Second}},
	{credential.ErrNotFound, *NotFound()},
	{credential.ErrDeclared, Problem{Status: 409, Code: "declared", Detail: "it is declared in the configuration and is read-only here", Hint: "change it in the configuration (file or environment) of every node, or take it out there first"}},
	{credential.ErrUnavailable, Problem{Status: 503, Code: "unavailable", Detail: "no live value in hand", Hint: "ask again shortly"}},
	{registry.ErrKeyTaken, Problem{Status: 409, Code: "key_taken", Detail: "another client has this key already", Hint: "make a new one with: hufu client key"}},
	{registry.ErrRedirectTaken, Problem{Status: 409, Code: "redirect_taken", Detail: "some redirect_uri of it would belong to another client of the same app too", Hint: "give each client redirect_uris of its own; a prefix may cover none of another's"}},
	{store.ErrConflict, Problem{Status: 409, Code: "conflict", Detail: "somebody else changed it at the same moment", Hint: "read it again and repeat the change"}},
	{store.ErrLater, Problem{Status: 409, Code: "newer_version", Detail: "a newer Hufu wrote this, and this one would lose what it does not know", Hint: "ask a node of the newer version, or update this one"}},
	{store.ErrUnsure, Problem{Status: 503, Code: "unsure", Detail: "the store did not say whether it has taken the change", Hint: "read it again before you repeat the change", RetryAfter: 2 * time.Second}},
	{registry.ErrStore, Problem{Status: 503, Code: "store_unavailable", Detail: "the store cannot be reached; nothing was changed", Hint: "ask again when it is back", RetryAfter: 2 * time.Second}},
	{context.Canceled, Problem{Status: canceled, Code: "canceled", Detail: "the caller has gone"}},
	{context.DeadlineExceeded, Problem{Status: 503, Code: "unavailable", Detail: "it took too long", Hint: "ask again shortly", RetryAfter: time.Second}},
}

// Explain turns any error into the problem that leaves over HTTP. What the
// table does not know is a 500 whose text stays in the log.
func Explain(err error) Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return *p
	}
	p := Problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "something went wrong in Hufu", Hint: "the log has more under this request_id"}
	for i := range table {
		if errors.Is(err, table[i].err) {
			p = table[i].Problem
			break
		}
	}
	if ps, ok := errors.AsType[config.Problems](err); ok {
		p = Problem{Status: http.StatusBadRequest, Code: "invalid", Detail: ps.Error(), Hint: "correct the body; keys and values are those of the configuration file"}
	}
	if r, ok := errors.AsType[*access.Refusal](err); ok {
		p.Detail, p.Hint, p.RetryAfter = r.Reason, r.Hint, r.RetryAfter
	}
	if u, ok := errors.AsType[*credential.Unavailable](err); ok {
		p.Detail, p.Errcode, p.IP, p.RetryAfter = u.Error(), u.Code, u.IP, max(u.RetryAfter, time.Second)
		switch e, known := errcode.Lookup(u.Code); {
		case u.Code == dayQuota:
			p.Hint = "source: stable, or fallback: classic, for this app gets a token now if the other line still has quota; Hufu itself asks again after midnight in Beijing"
		case u.Code == 0 && !u.Blocked:
			p.Hint = "Hufu asks again by itself; hufu check --online, on the server, says what is in the way"
		case known:
			p.Hint = e.EN.Hint
		}
	}
	return p
}

// write sends the problem.
func (p Problem) write(w http.ResponseWriter, q access.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="hufu"`)
	case http.StatusMethodNotAllowed:
		h.Set("Allow", p.Allow)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	title := http.StatusText(p.Status)
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct { // texts and numbers: always succeeds
		Type    string `json:"type"`
		Title   string `json:"title"`
		Status  int    `json:"status"`
		Code    string `json:"code"`
		Detail  string `json:"detail"`
		Hint    string `json:"hint,omitempty"`
		Request string `json:"request_id"`
		Errcode int    `json:"errcode,omitempty"`
		IP      string `json:"ip,omitempty"`
	}{"about:blank", title, p.Status, p.Code, p.Detail, p.Hint, q.String(), p.Errcode, p.IP})
	w.WriteHeader(p.Status)
	_, _ = w.Write(body.Bytes())
}
