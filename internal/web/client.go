package web

import (
	"net/http"
	"net/netip"
	"strings"
)

// Trust sets the proxies whose X-Forwarded-For is believed, none at first. It
// is safe while the surface serves.
func (s *Surface) Trust(proxies []netip.Prefix) { s.trusted.Store(&proxies) }

// ClientIP returns the address that a request came from: the peer's, or, where
// the peer is a trusted proxy, the rightmost address in
// X-Forwarded-For that is not. What stands further left was written by who
// knows whom. X-Real-Ip, Forwarded and the like are never looked at. The zero
// Addr means that the peer has no address (a test, a Unix socket).
func (s *Surface) ClientIP(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := peer.Addr().Unmap().WithZone("")
	trusted := *s.trusted.Load()
	if !within(ip, trusted) {
		return ip
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var hop string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, hop = rest[:comma], rest[comma+1:]
			} else {
				hop, more = rest, false
			}
			next, ok := parseHop(strings.Trim(hop, " \t"))
			if !ok {
				return ip // the nearest address that is known for sure
			}
			if ip = next; !within(ip, trusted) {
				return ip
			}
		}
	}
	return ip
}

// parseHop reads one entry of X-Forwarded-For; some proxies write the port.
func parseHop(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		ip = withPort.Addr()
	}
	return ip.Unmap().WithZone(""), true
}

func within(ip netip.Addr, nets []netip.Prefix) bool {
	for _, p := range nets {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// ClientKey takes the client key out of a request: one Authorization header of
// the form "Bearer <key>", or one X-Hufu-Key header. A key in a cookie, a query
// or a body does not count. An empty key and no problem means that none was
// sent; two are ambiguous and refused.
func ClientKey(r *http.Request) (string, *Problem) {
	auth, own := r.Header["Authorization"], r.Header["X-Hufu-Key"]
	switch {
	case len(auth)+len(own) > 1:
		return "", badRequest("more than one client key", "send one Authorization header or one X-Hufu-Key header, not both")
	case len(own) == 1:
		return own[0], nil
	case len(auth) == 0:
		return "", nil
	}
	const scheme = "Bearer "
	if v := auth[0]; len(v) > len(scheme) && strings.EqualFold(v[:len(scheme)], scheme) {
		return v[len(scheme):], nil
	}
	return "", nil
}
