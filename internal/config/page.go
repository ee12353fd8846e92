package config

import (
	"errors"
	"strconv"
	"strings"
)

// CheckPage takes the address of a page as a browser shows it (location.href),
// and returns it as WeChat signs it, without "#" and what follows, with its
// host. What no browser shows does not pass: another scheme than http and https,
// a host in capitals or another script, a default port, a user name, no path, a
// space, a character that is not ASCII. The error never quotes the address.
func CheckPage(address string) (page, host string, err error) {
	page, _, _ = strings.Cut(address, "#")
	if len(page) > 2048 {
		return "", "", errors.New("is longer than 2048 bytes")
	}
	for _, c := range []byte(page) {
		if c <= ' ' || c >= 0x7F || c == '"' || c == '<' || c == '>' {
			return "", "", errors.New("has a character that no browser shows in an address; give location.href as it is")
		}
	}
	rest, https := strings.CutPrefix(page, "https://")
	if !https {
		var plain bool
		if rest, plain = strings.CutPrefix(page, "http://"); !plain {
			return "", "", errors.New("must begin with https:// or http://")
		}
	}
	end := strings.IndexAny(rest, `/?\`)
	if end < 0 || rest[end] != '/' {
		return "", "", errors.New(`has no path; a browser shows at least "/" behind the host`)
	}
	host, port := rest[:end], ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host, port = host[:i], host[i+1:]
		n, err := strconv.Atoi(port)
		if err != nil || strconv.Itoa(n) != port || n < 1 || n > 65535 || https && n == 443 || !https && n == 80 {
			return "", "", errors.New("has a port that no browser shows")
		}
	}
	if !canonicalHost(host) {
		return "", "", errors.New("has a host that no browser shows: a lower-case ASCII name or a plain IP address is meant")
	}
	return page, host, nil
}

// MatchHost gives the one of the registered hosts that a host is, or is below
// of where that begins with "*.".
func MatchHost(registered []string, host string) (string, bool) {
	for _, r := range registered {
		if below, any := strings.CutPrefix(r, "*"); r == host || any && strings.HasSuffix(host, below) {
			return r, true
		}
	}
	return "", false
}

// jsHosts checks the hosts that a client registers for signatures.
func (r *report) jsHosts(path string, c *Client) {
	at := join(path, "js_hosts")
	if len(c.JSHosts) > maxRedirectURIs {
		r.fail(at, "are more than 200", "register *. and a domain, or part the client")
		return
	}
	for i, h := range c.JSHosts {
		name := strings.TrimPrefix(h, "*.")
		if !canonicalHost(name) || name != h && !strings.Contains(name, ".") {
			r.fail(at+"["+strconv.Itoa(i)+"]", "is no host: a lower-case ASCII name without scheme, port and path, or *. and a domain", "write it as shop.example.com or *.example.com")
		}
	}
	repeated(r, at, c.JSHosts)
	if len(c.JSHosts) > 0 && !c.Allow.Has(Ticket) && !r.unread(join(path, "allow")) {
		r.warn(at, "are of no use without allow: ticket", "")
	}
}
