package hufu

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxBody  = 1 << 20 // a request's body that is kept in case it must be sent again
	maxError = 4 << 10 // longer answers are no errors of WeChat's
)

// Transport calls WeChat for one app. It is an http.RoundTripper for programs
// that call WeChat themselves, and for the http.Client of SDKs that cannot say
// that a token failed.
type Transport struct {
	f    *follower
	base http.RoundTripper
}

// Transport puts the app's token into each request as access_token, on its way
// to base (nil: http.DefaultTransport). Where WeChat answers 40001, 40014 or
// 42001 it reports the token, and sends the request once more if it is given
// another; on nothing else. A request whose body cannot be had again (no
// GetBody, longer than 1 MiB) is sent once.
//
// It leaves alone what is not its own: a request that brings a token which was
// never this app's, one to WeChat's paths for users' tokens (/sns/…) and for
// obtaining tokens, and one that a redirect has led to another host. So several
// apps can share an http.Client, with one Transport as the base of the next.
//
// It is safe for concurrent use. Errors are those of Client.Get and of base.
func (c *Client) Transport(appid string, base http.RoundTripper) *Transport {
	if base == nil {
		base = http.DefaultTransport
	}
	return &Transport{c.lent(key{appid, AccessToken}), base}
}

// RoundTrip sends one request, as http.RoundTripper demands.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.mine(r) {
		return t.base.RoundTrip(r)
	}
	v, err := t.f.read(r.Context())
	if err != nil {
		closeBody(r)
		return nil, err
	}
	body, err := newBody(r)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	resp, err := t.send(r, v.Value, body.first)
	if err != nil || !body.again() {
		return resp, err
	}
	errcode := errcodeOf(resp)
	switch errcode {
	case 40001, 40014, 42001:
	default:
		return resp, nil
	}
	next, err := t.f.report(r.Context(), v.Value, errcode)
	if err != nil || next.Value == v.Value {
		return resp, nil // what WeChat said is the best answer there is
	}
	again, err := body.next()
	if err != nil {
		return resp, nil
	}
	_ = resp.Body.Close()
	return t.send(r, next.Value, again)
}

// mine reports whether the request is for this app's token.
func (t *Transport) mine(r *http.Request) bool {
	if r.Response != nil && r.Response.Request != nil && r.Response.Request.URL.Host != r.URL.Host {
		return false // a redirect: a stranger would be given the token
	}
	switch p := r.URL.Path; {
	case strings.HasPrefix(p, "/sns/"), p == "/cgi-bin/token", p == "/cgi-bin/stable_token":
		return false
	}
	brought := r.URL.Query().Get("access_token")
	return brought == "" || t.f.gave(brought)
}

// send sends the request with a token and a body. The request itself stays as
// it was.
func (t *Transport) send(r *http.Request, token string, body io.ReadCloser) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.RawQuery = withToken(r.URL.RawQuery, token)
	out.Body = body
	return t.base.RoundTrip(out)
}

// withToken puts the token into a query, and leaves the rest of it as it is.
func withToken(query, token string) string {
	parts := []string{"access_token=" + url.QueryEscape(token)}
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(name); part != "" && (err != nil || name != "access_token") {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "&")
}

// errcodeOf is WeChat's errcode in an answer, 0 where there is none. The answer
// can be read as before.
func errcodeOf(resp *http.Response) int {
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "" || resp.ContentLength > maxError {
		return 0
	}
	begin, err := io.ReadAll(io.LimitReader(resp.Body, maxError+1))
	resp.Body = readCloser{io.MultiReader(bytes.NewReader(begin), failing(err, resp.Body)), resp.Body}
	if err != nil || len(begin) > maxError {
		return 0
	}
	if !bytes.Contains(begin, []byte(`"errcode"`)) {
		return 0
	}
	var top map[string]json.RawMessage // exact names, at the top only
	var code int
	if json.Unmarshal(begin, &top) != nil || json.Unmarshal(top["errcode"], &code) != nil {
		return 0
	}
	return code
}

// readCloser reads from one and closes another.
type readCloser struct {
	io.Reader
	io.Closer
}

// failing is what is left of a body: nothing but the error, where there was one.
func failing(err error, rest io.Reader) io.Reader {
	if err == nil {
		return rest
	}
	return failed{err}
}

type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// body is a request's body and the way to have it again.
type body struct {
	first io.ReadCloser
	next  func() (io.ReadCloser, error) // nil: there is none
}

func (b body) again() bool { return b.next != nil }

func newBody(r *http.Request) (body, error) {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return body{r.Body, func() (io.ReadCloser, error) { return r.Body, nil }}, nil
	case r.GetBody != nil:
		return body{r.Body, r.GetBody}, nil
	case r.ContentLength > maxBody:
		return body{r.Body, nil}, nil
	}
	begin, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return body{}, err
	}
	if len(begin) > maxBody {
		return body{readCloser{io.MultiReader(bytes.NewReader(begin), r.Body), r.Body}, nil}, nil
	}
	_ = r.Body.Close()
	copied := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(begin)), nil }
	first, _ := copied()
	return body{first, copied}, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}
