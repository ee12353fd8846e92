package config

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// CheckRedirectURI says why uri is no address that a user may be sent to. Only
// canonical addresses pass, which no two parsers read in different ways:
//
//   - https, or for a dev client http with a port on loopback, a private range
//     or *.test;
//   - a lower-case ASCII host or a plain IP address; no user, no default port;
//   - a path that begins with "/", without an empty segment or one of dots,
//     without ";", "*", or an escape of an ASCII character;
//   - no fragment, backslash, space or control character anywhere;
//   - no query parameter that could pass for one of ours: code, state, error,
//     openid or access_token.
//
// The error never quotes the address.
func CheckRedirectURI(uri string, dev bool) error {
	if len(uri) > 2048 {
		return errors.New("is longer than 2048 bytes")
	}
	for _, c := range []byte(uri) {
		if c <= ' ' || c >= 0x7F || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return errors.New("has a character that does not belong into an address; escape it")
		}
	}
	if strings.Contains(uri, "#") {
		return errors.New("has a fragment")
	}
	rest, https := strings.CutPrefix(uri, "https://")
	if !https {
		var plain bool
		if rest, plain = strings.CutPrefix(uri, "http://"); !plain {
			return errors.New("must begin with https://")
		}
		if !dev {
			return errors.New("must begin with https://; http is for dev clients")
		}
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 || rest[end] != '/' {
		return errors.New(`has no path; at least "/" must follow the host`)
	}
	if err := checkAuthority(rest[:end], https); err != nil {
		return err
	}
	path, query, _ := strings.Cut(rest[end:], "?")
	if err := checkPath(path); err != nil {
		return err
	}
	return checkQuery(query)
}

// MatchRedirectURI reports whether uri is the registered address, or below it
// where that ends in "/*". It is meant for a uri that CheckRedirectURI lets
// pass.
func MatchRedirectURI(registered, uri string) bool {
	if prefix, ok := strings.CutSuffix(registered, "*"); ok {
		return strings.HasPrefix(uri, prefix)
	}
	return uri == registered
}

// checkRegistered is CheckRedirectURI for an address that a client registers,
// which may end in "/*". root says that it then covers a whole host.
func checkRegistered(uri string, dev bool) (root bool, err error) {
	base, prefix := strings.CutSuffix(uri, "/*")
	if !prefix {
		return false, CheckRedirectURI(uri, dev)
	}
	if strings.Contains(base, "?") {
		return false, errors.New("is a prefix with a query")
	}
	if strings.HasPrefix(base, "http://") {
		return false, errors.New("is a prefix with http; only exact http addresses are allowed")
	}
	return strings.Count(base, "/") == 2, CheckRedirectURI(base+"/", dev)
}

// checkAuthority judges host and port.
func checkAuthority(authority string, https bool) error {
	if strings.Contains(authority, "@") {
		return errors.New("has a user name in it")
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
		n, err := strconv.Atoi(port)
		if err != nil || strconv.Itoa(n) != port || n < 1 || n > 65535 {
			return errors.New("has a port that is none")
		}
		if https && n == 443 || !https && n == 80 {
			return errors.New("has the default port; leave it out")
		}
	}
	if !canonicalHost(host) {
		return errors.New("has a host that is not a lower-case ASCII name or a plain IP address")
	}
	if !https && (port == "" || !isPrivate(host)) {
		return errors.New("is http, and not on a port of loopback, a private range or *.test")
	}
	return nil
}

// canonicalHost refuses what a browser would rewrite: capitals, a dot at the
// end, IPv4 addresses in any form but the usual one, IPv6 not in its shortest.
func canonicalHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == "" && !addr.Is4In6() && addr.String() == inner
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' ||
			strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	// A browser takes a name whose last label is a number for an address.
	last := labels[len(labels)-1]
	if '0' <= last[0] && last[0] <= '9' && strings.Trim(strings.TrimPrefix(last, "0x"), "0123456789abcdef") == "" {
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.String() == host
	}
	return len(host) <= 253
}

// isPrivate reports whether host is one of the developer's own.
func isPrivate(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".test") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && (addr.IsLoopback() || addr.IsPrivate())
}

// checkPath judges a path that begins with "/".
func checkPath(path string) error {
	if strings.ContainsAny(path, ";*") {
		return errors.New(`has ";" or "*" in its path`)
	}
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			continue
		}
		if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
			return errors.New("has a % in its path that begins no escape")
		}
		if path[i+1] < '8' {
			return errors.New("escapes an ASCII character in its path")
		}
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if s == "." || s == ".." || s == "" && i < len(segments)-1 {
			return errors.New("has an empty segment or one of dots in its path")
		}
	}
	return nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// checkQuery refuses names that the reader could take for what we add, by the
// rules of the laxest: PHP reads "access.token[]" as access_token, and some
// still part a query at ";".
func checkQuery(query string) error {
	for pair := range strings.FieldsFuncSeq(query, func(c rune) bool { return c == '&' || c == ';' }) {
		raw, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(raw)
		if _, err2 := url.QueryUnescape(value); err != nil || err2 != nil {
			return errors.New("has a % in its query that begins no escape")
		}
		name, _, _ = strings.Cut(strings.TrimLeft(name, " "), "[")
		name, _, _ = strings.Cut(name, "\x00")
		name = strings.NewReplacer(".", "_", " ", "_").Replace(name)
		for _, ours := range []string{"code", "state", "error", "openid", "access_token"} {
			if strings.EqualFold(name, ours) {
				return errors.New("has a query parameter named " + ours + ", which is ours to add")
			}
		}
	}
	return nil
}
