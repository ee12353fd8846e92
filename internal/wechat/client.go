// Package wechat is everything that knows WeChat's server API: how to send an
// issue exactly once, what an answer proves, and which lines of credentials
// there are (kind_*.go). It keeps nothing and decides nothing about time.
package wechat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
)

// maxAnswer is how much of an answer to an issue or a probe is read. Real ones
// have some hundred bytes.
const maxAnswer = 64 << 10

// Options say where WeChat is and how to get there.
type Options struct {
	// APIURL is the base address of the server API. It may have a path, so
	// that another Hufu or a relay can stand in WeChat's place.
	APIURL string
	// ProxyURL is an egress proxy (http or https), or empty. Proxies of the
	// environment are not used: which address calls WeChat is a setting.
	ProxyURL string
	// Timeout bounds one probe. Issues bring their own deadline.
	Timeout time.Duration
	// Transport, if set, carries everything: the simulator in-process. The
	// send guard is then checked just before the call.
	Transport http.RoundTripper
}

// Client calls WeChat. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	issue   http.RoundTripper // a connection of its own per request
	probe   http.RoundTripper
	calls   http.RoundTripper // those of programs
	timeout time.Duration
	// inProcess: the transports are the caller's and know no fuse.
	inProcess bool
}

// New checks the options and returns a client. It opens no connection.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(o.APIURL, "/"))
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, errors.New("wechat.api_url: not an http or https address")
	}
	c := &Client{base: base, issue: o.Transport, probe: o.Transport, calls: o.Transport, timeout: o.Timeout, inProcess: o.Transport != nil}
	if o.Transport != nil {
		return c, nil
	}
	d := dialer{}
	if o.ProxyURL != "" {
		if d.proxy, err = url.Parse(o.ProxyURL); err != nil || d.proxy.Host == "" {
			return nil, errors.New("wechat.proxy_url: not an http or https address")
		}
	}
	c.issue = d.transport(true)
	c.probe = d.transport(false)
	calls := d.transport(false)
	calls.MaxIdleConnsPerHost = maxIdle
	c.calls = calls
	return c, nil
}

// Host is the host that this client calls, for words to people.
func (c *Client) Host() string { return c.base.Host }

// CloseIdle closes connections that are kept for probes and calls.
func (c *Client) CloseIdle() {
	for _, rt := range []http.RoundTripper{c.probe, c.calls} {
		if t, ok := rt.(interface{ CloseIdleConnections() }); ok {
			t.CloseIdleConnections()
		}
	}
}

// url joins a path of WeChat's to the base.
func (c *Client) url(path string, query url.Values) string {
	u := *c.base
	u.Path += path
	u.RawQuery = query.Encode()
	return u.String()
}

// send makes one request over rt and reads the answer. Its errors hold neither
// the address nor the query: Go's own do, with the AppSecret in it.
func (c *Client) send(ctx context.Context, rt http.RoundTripper, op string, req *http.Request) ([]byte, *Error) {
	req = req.WithContext(ctx)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "hufu")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, transportError(op, c.base.Host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, &Error{Op: op, Outcome: Ambiguous, Message: "the answer broke off: " + answered(err)}
	case len(body) > maxAnswer:
		return nil, &Error{Op: op, Outcome: Ambiguous, Message: "the answer is larger than 64 KiB"}
	case resp.StatusCode != http.StatusOK:
		// WeChat answers 200 always; anything else comes from what stands in
		// front of it, and nobody knows whether WeChat acted.
		return nil, &Error{
			Op: op, Outcome: Ambiguous, Status: resp.StatusCode,
			Message: fmt.Sprintf("HTTP status %d instead of an answer of WeChat's", resp.StatusCode),
		}
	}
	return body, nil
}

// Verdict is what a probe found out about a token.
type Verdict string

// The verdicts.
const (
	Alive   Verdict = "alive"
	Dead    Verdict = "dead"
	Unknown Verdict = "unknown"
)

// Probe shows the token to WeChat on a call that needs no permission and
// changes nothing, and says what that proved. It blocks up to the client's
// time-out. The error says why a verdict is Unknown.
func (c *Client) Probe(ctx context.Context, l Line, token credential.Secret) (Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequest(http.MethodGet, c.url(l.Probe, url.Values{"access_token": {token.Reveal()}}), nil)
	if err != nil {
		return Unknown, &Error{Op: "probe", Outcome: NotSent, Message: "the address cannot be built"}
	}
	body, failed := c.send(ctx, c.probe, "probe", req)
	if failed != nil {
		return Unknown, failed
	}
	a, err := parse(body)
	if err != nil {
		return Unknown, &Error{Op: "probe", Outcome: Ambiguous, Message: plain(err)}
	}
	switch code, ok := a.errcode(); {
	case !ok:
		return Unknown, &Error{Op: "probe", Outcome: Ambiguous, Message: "errcode is not a number"}
	case errcode.DeadToken(code):
		return Dead, nil
	case code != 0:
		return Unknown, a.refusal("probe", code, errcode.ForCall(code), token)
	case len(a.fields) == 0:
		return Unknown, &Error{Op: "probe", Outcome: Ambiguous, Message: "an empty answer"}
	}
	return Alive, nil
}

// plain is the text of an error that may hold an address, without it.
func plain(err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return "the name " + dns.Name + " cannot be resolved"
	case errors.Is(err, context.DeadlineExceeded):
		return "time ran out"
	case errors.Is(err, context.Canceled):
		return "given up"
	}
	return err.Error()
}
