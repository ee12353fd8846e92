package hufu

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Client asks one Hufu server with one client key. It is safe for concurrent
// use; a program needs one, for all its apps.
type Client struct {
	url, key string
	http     *http.Client
	own      *http.Transport // nil: the transport is the user's
	file     *file           // nil: nothing outlives the process

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex // held for changes of what follows
	closed    bool
	followers atomic.Pointer[followers]
}

// Option is an optional setting of a Client.
type Option func(*Client)

// WithTransport makes the Client reach the server through rt, for instance
// with certificates of your own. It must not follow redirects.
func WithTransport(rt http.RoundTripper) Option {
	return func(c *Client) { c.http.Transport, c.own = rt, nil }
}

// WithFile keeps the last values in a file, sealed with a key that is derived
// from the client key (AES-256-GCM, HKDF-SHA256), so that a program that starts
// while the server is away has them. It is written whole or not at all, with
// mode 0600. One that is damaged, or was sealed with another client key or for
// another server, counts as empty. Give each process a file of its own.
func WithFile(path string) Option {
	return func(c *Client) { c.file = &file{path: path} }
}

// New makes a Client of the server at baseURL (listen.api, such as
// http://127.0.0.1:8700) that shows the client key. It does not ask the server:
// whether it is there, the first read says. Errors: a baseURL or key that cannot
// be one, a file that cannot be read. Call Close when done.
func New(baseURL, clientKey string, options ...Option) (*Client, error) {
	base := strings.TrimRight(baseURL, "/")
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("hufu: the server's address is not a URL such as http://127.0.0.1:8700")
	}
	if clientKey == "" || strings.ContainsFunc(clientKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("hufu: no client key; hufu client key makes one")
	}
	c := &Client{url: base, key: clientKey}
	c.own = newTransport()
	c.own.MaxIdleConns, c.own.MaxIdleConnsPerHost = 0, 1024 // each follower has its own
	// A connection that all of them share must be known to be alive.
	c.own.HTTP2 = &http.HTTP2Config{SendPingTimeout: longWait / 2, PingTimeout: answerTime / 2}
	c.http = &http.Client{
		Transport: c.own,
		// The API never redirects; whoever does wants our key.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, set := range options {
		set(c)
	}
	c.followers.Store(&followers{map[string]*follower{}, map[key]*follower{}})
	if c.file != nil {
		if err := c.file.open(c.key, c.url); err != nil {
			return nil, fmt.Errorf("hufu: %w", err)
		}
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// newTransport is a transport like http.DefaultTransport, which programs replace
// with all sorts of things that are no *http.Transport.
func newTransport() *http.Transport {
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		return t.Clone()
	}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: answerTime,
	}
}

// FromEnv is New with the address in HUFU_URL (http://127.0.0.1:8700 where it
// is not set) and the client key in HUFU_KEY.
func FromEnv(options ...Option) (*Client, error) {
	address := os.Getenv("HUFU_URL")
	if address == "" {
		address = "http://127.0.0.1:8700"
	}
	key := strings.TrimSpace(os.Getenv("HUFU_KEY"))
	if key == "" {
		return nil, errors.New("hufu: HUFU_KEY is not set; it holds the client key")
	}
	return New(address, key, options...)
}

// String names the client without its key.
func (c *Client) String() string { return "hufu client of " + c.url }

// GoString is String.
func (c *Client) GoString() string { return c.String() }

// Close ends what runs in the background and waits for it. Calls under way and
// later ones give ErrClosed. It returns the error of the last write of the
// file, if that failed.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
	all := c.followers.Load()
	for _, f := range slices.AppendSeq(slices.Collect(maps.Values(all.tokens)), maps.Values(all.others)) {
		f.mu.Lock()
		f.hot.Store(nil)
		f.mu.Unlock()
	}
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
	if c.file != nil {
		return c.file.error()
	}
	return nil
}

// Get returns the credential to use now. The first Get of an app and kind asks
// the server, which takes ten seconds at most; from then on the value is in
// memory, and Get waits for nobody while it is live. With nothing live in hand
// it waits for one answer. Errors: an *Error that is ErrNotFound, ErrForbidden,
// ErrUnauthorized or ErrUnavailable; the context's; ErrClosed.
func (c *Client) Get(ctx context.Context, appid, kind string) (Credential, error) {
	v, err := c.follower(key{appid, kind}).read(ctx)
	if err != nil {
		return Credential{}, err
	}
	return v.Credential, nil
}

// Token is the value of the app's access_token, as Get gives it.
func (c *Client) Token(ctx context.Context, appid string) (string, error) {
	if f := c.followers.Load().tokens[appid]; f != nil {
		if v := f.hot.Load(); v != nil {
			return v.Value, nil
		}
	}
	return c.Ticket(ctx, appid, AccessToken)
}

// Ticket is the value of another kind, such as JSAPITicket, as Get gives it.
func (c *Client) Ticket(ctx context.Context, appid, kind string) (string, error) {
	v, err := c.follower(key{appid, kind}).read(ctx)
	if err != nil {
		return "", err
	}
	return v.Value, nil
}

// Report says that WeChat refused the app's token with an errcode, and returns
// the token to use now. Report 40001, 40014 and 42001, once per refused call,
// and repeat the call once if the token is another one. A token that is not in
// hand any more is answered from memory; otherwise the server asks WeChat, once
// for all who report, which takes ten seconds at most. Errors are those of Get.
func (c *Client) Report(ctx context.Context, appid, token string, errcode int) (string, error) {
	return c.ReportTicket(ctx, appid, AccessToken, token, errcode)
}

// ReportTicket is Report for another kind.
func (c *Client) ReportTicket(ctx context.Context, appid, kind, value string, errcode int) (string, error) {
	v, err := c.follower(key{appid, kind}).report(ctx, value, errcode)
	if err != nil {
		return "", err
	}
	return v.Value, nil
}

// follower is the one of a key, made when it is first asked for.
func (c *Client) follower(k key) *follower {
	if f := c.followers.Load().find(k); f != nil {
		return f
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made(k)
}

// lent is the follower of a key for somebody who holds on to it.
func (c *Client) lent(k key) *follower {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.made(k)
	f.lent = true
	return f
}

// made finds a follower, or makes it. The lock is held.
func (c *Client) made(k key) *follower {
	all := c.followers.Load()
	f := all.find(k)
	if f == nil {
		f = &follower{c: c, key: k}
		if c.file != nil {
			f.held = c.file.load(k)
			f.loaded = f.held != nil
		}
		c.followers.Store(all.with(k, f))
	}
	return f
}

// forget drops a follower that has ended, so that what was once asked for does
// not cost memory for ever.
func (c *Client) forget(f *follower) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if all := c.followers.Load(); all.find(f.key) == f && !f.lent {
		c.followers.Store(all.with(f.key, nil))
	}
}

// begin runs do for a follower, in a goroutine that Close waits for. It is
// false once the Client is closed.
func (c *Client) begin(f *follower, do func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if all := c.followers.Load(); all.find(f.key) == nil { // forgotten a moment ago
		c.followers.Store(all.with(f.key, f))
	}
	c.running.Go(do)
	return true
}

// save keeps a value for the next process.
func (c *Client) save(v *value) {
	if c.file == nil || !c.file.put(v) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.running.Go(c.file.write)
	}
}
