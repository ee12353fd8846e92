package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hufu-project/hufu/internal/config"
)

// stepTime bounds each step on the way to WeChat.
const stepTime = 3 * time.Second

// unreachable walks the way to WeChat step by step (name, connection, TLS) and
// says at which it ends and what to do about that. said is what the call that
// did not get through had to say.
func (p *program) unreachable(ctx context.Context, cfg *config.Config, said string) (text, hint string) {
	target, err := url.Parse(cfg.WeChat.APIURL)
	if err != nil {
		return said, ""
	}
	next, proxied := target, false
	if proxy := cfg.WeChat.ProxyURL.Reveal(); proxy != "" {
		if u, err := url.Parse(proxy); err == nil && u.Host != "" {
			next, proxied = u, true
		}
	}
	step, err := reach(ctx, next)
	switch {
	case err == nil && proxied:
		return p.say("reach.tunnel", next.Host, target.Host, said), p.say("reach.tunnel.hint", target.Host)
	case err == nil:
		return said, p.say("reach.again.hint")
	case proxied:
		return p.say("reach.proxy", next.Host, cause(err)), p.say("reach.proxy.hint")
	}
	text = p.say("reach."+step, next.Hostname(), cause(err))
	hint = p.say("reach." + step + ".hint")
	if os.Getenv("HTTPS_PROXY")+os.Getenv("https_proxy") != "" {
		hint += " " + p.say("reach.env.hint")
	}
	return text, hint
}

// reach tries to get to u and names the step at which it fails: name, refused,
// silent, authority, clock, certificate, tls, network.
func reach(ctx context.Context, u *url.URL) (step string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*stepTime)
	defer cancel()
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	lookup, stop := context.WithTimeout(ctx, stepTime)
	defer stop()
	if _, err := net.DefaultResolver.LookupHost(lookup, u.Hostname()); err != nil {
		return "name", err
	}
	d := net.Dialer{Timeout: stepTime}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		var late net.Error
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return "refused", err
		case errors.As(err, &late) && late.Timeout():
			return "silent", err
		}
		return "network", err
	}
	defer conn.Close()
	if u.Scheme != "https" {
		return "", nil
	}
	tc := tls.Client(conn, &tls.Config{ServerName: strings.TrimSuffix(u.Hostname(), "."), MinVersion: tls.VersionTLS12})
	hello, stop2 := context.WithTimeout(ctx, stepTime)
	defer stop2()
	return certificateStep(tc.HandshakeContext(hello))
}

func certificateStep(err error) (string, error) {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case err == nil:
		return "", nil
	case errors.As(err, &unknown):
		return "authority", err
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "clock", err
	case errors.As(err, &name), errors.As(err, &invalid):
		return "certificate", err
	}
	return "tls", err
}
