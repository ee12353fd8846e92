package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// hufu makes the calls that a site makes, on WeChat's own paths. Its answers
// are WeChat's. It is safe for concurrent use.
type hufu struct {
	api, appID, key string
	http            *http.Client

	mu    sync.Mutex
	token appToken // the last one
}

// userToken belongs to one user of one app. It comes for a code, and works on
// /sns only.
type userToken struct {
	Access    string `json:"access_token"`
	ExpiresIn int    `json:"expires_in"`
	OpenID    string `json:"openid"`
	Scope     string `json:"scope"`
}

// appToken belongs to an app. It comes for the client key, and works on
// /cgi-bin and /wxa only. It is another type than a user's token, so that
// neither can be passed where the other is meant.
type appToken struct {
	Access    string `json:"access_token"`
	ExpiresIn int    `json:"expires_in"`

	ends time.Time
}

type user struct {
	Nickname string `json:"nickname"`
}

// redeem gives a user's token for a code. A code works once.
func (h *hufu) redeem(ctx context.Context, code string) (t userToken, err error) {
	err = h.get(ctx, "/sns/oauth2/access_token", url.Values{
		"appid": {h.appID}, "secret": {h.key}, "code": {code}, "grant_type": {"authorization_code"},
	}, &t)
	return t, err
}

// userinfo says who a user is. It takes the user's token.
func (h *hufu) userinfo(ctx context.Context, t userToken) (u user, err error) {
	err = h.get(ctx, "/sns/userinfo", url.Values{"access_token": {t.Access}, "openid": {t.OpenID}}, &u)
	return u, err
}

// app gives the app's token. Hufu keeps it fresh, for all programs together;
// this one asks again when what it was given ends.
func (h *hufu) app(ctx context.Context) (appToken, error) {
	h.mu.Lock()
	t := h.token
	h.mu.Unlock()
	if time.Now().Before(t.ends) {
		return t, nil
	}
	t = appToken{}
	err := h.get(ctx, "/cgi-bin/token", url.Values{"grant_type": {"client_credential"}, "appid": {h.appID}, "secret": {h.key}}, &t)
	if err != nil {
		return t, err
	}
	t.ends = time.Now().Add(time.Duration(t.ExpiresIn) * time.Second)
	h.mu.Lock()
	h.token = t
	h.mu.Unlock()
	return t, nil
}

// refusal is an answer that says no, by WeChat's number.
type refusal struct {
	Code int    `json:"errcode"`
	Text string `json:"errmsg"`
}

func (e *refusal) Error() string { return fmt.Sprintf("errcode %d: %s", e.Code, e.Text) }

// get makes one call. The error is a *refusal where Hufu said no.
func (h *hufu) get(ctx context.Context, path string, query url.Values, v any) error {
	body, err := h.fetch(ctx, h.api+path+"?"+query.Encode())
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	// A refusal comes with the status 200, too: the number decides.
	var no refusal
	if err := json.Unmarshal(body, &no); err != nil {
		return fmt.Errorf("GET %s: the answer is no JSON", path)
	}
	if no.Code != 0 {
		return &no
	}
	return json.Unmarshal(body, v)
}

func (h *hufu) fetch(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address of Hufu is none")
	}
	resp, err := h.http.Do(req)
	// The error of an HTTP client names the address, and WeChat's calls have
	// secrets in theirs: only what is behind it may be shown or logged.
	if e, ok := errors.AsType[*url.Error](err); ok {
		return nil, e.Err
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}
