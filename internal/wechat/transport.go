package wechat

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// dialTimeout bounds each step on the way to a connection: TCP, tunnel, TLS.
const dialTimeout = 3 * time.Second

// dialer makes connections to WeChat, through an egress proxy if there is one.
type dialer struct{ proxy *url.URL }

// transport is HTTP/1.1 without redirects, compression and the environment's
// proxies. With once, every request has a connection of its own: on a kept
// connection that dies, Go sends a GET a second time without a word, and for
// /cgi-bin/token that would be a second token.
func (d dialer) transport(once bool) *http.Transport {
	t := &http.Transport{
		DisableKeepAlives:      once,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 32 << 10,
		Protocols:              new(http.Protocols),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := d.dial(ctx, network, addr)
			return guard(ctx, c, err)
		},
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := d.dial(ctx, network, addr)
			if err == nil {
				c, err = handshake(ctx, c, addr)
			}
			return guard(ctx, c, err)
		},
	}
	t.Protocols.SetHTTP1(true)
	return t
}

// dial opens a TCP connection to addr, or a tunnel to it: a proxy sees neither
// addresses nor bodies.
func (d dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nd := net.Dialer{Timeout: dialTimeout, Control: control}
	if d.proxy == nil {
		c, err := nd.DialContext(ctx, network, addr)
		if err != nil {
			return nil, notSent{err}
		}
		// A request that was given up must not arrive minutes later.
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return c, nil
	}
	c, err := nd.DialContext(ctx, network, hostPort(d.proxy))
	if err == nil && d.proxy.Scheme == "https" {
		c, err = handshake(ctx, c, hostPort(d.proxy))
	}
	if err != nil {
		return nil, notSent{fmt.Errorf("egress proxy %s: %w", d.proxy.Host, err)}
	}
	if err := connect(ctx, c, d.proxy, addr); err != nil {
		c.Close()
		return nil, notSent{fmt.Errorf("egress proxy %s: %w", d.proxy.Host, err)}
	}
	return c, nil
}

// connect asks the proxy for a tunnel (RFC 9110, section 9.3.6).
func connect(ctx context.Context, c net.Conn, proxy *url.URL, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u := proxy.User; u != nil {
		pass, _ := u.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+pass)))
	}
	if err := req.Write(c); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 1), req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if !stop() {
		return context.DeadlineExceeded
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered CONNECT with status %d", resp.StatusCode)
	}
	return nil
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	if u.Scheme == "https" {
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

func handshake(ctx context.Context, c net.Conn, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	// The transport dials with a context that outlives the request.
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	tc := tls.Client(c, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
	if err := tc.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, notSent{err}
	}
	return tc, nil
}
