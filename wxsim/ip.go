package wxsim

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// standing is what the operator said about one address.
type standing struct {
	confirmed bool
	denials   int
	until     time.Time // of the block after a denial
}

// The console blocks an address for an hour after the first refusal, for a day after the second.
const (
	firstBlock  = time.Hour
	secondBlock = 24 * time.Hour
)

// parsePrefixes reads the three forms of the console: an address, a CIDR range, and an IPv4
// address whose last parts are stars.
func parsePrefixes(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, e := range list {
		p, err := parsePrefix(strings.TrimSpace(e))
		if err != nil {
			return nil, fmt.Errorf("allow ip %q: not an address, a range or a form like 203.0.113.*", e)
		}
		out = append(out, p)
	}
	return out, nil
}

func parsePrefix(e string) (netip.Prefix, error) {
	bits := 32
	for bits > 8 && strings.HasSuffix(e, ".*") {
		e, bits = strings.TrimSuffix(e, ".*"), bits-8
	}
	if bits < 32 {
		a, err := netip.ParseAddr(e + strings.Repeat(".0", (32-bits)/8))
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(a, bits), nil
	}
	if strings.Contains(e, "/") {
		p, err := netip.ParsePrefix(e)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(e)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// allowed reports whether the list, if there is one, has the address.
func (a *app) allowed(ip netip.Addr) bool {
	if len(a.allow) == 0 {
		return true
	}
	for _, p := range a.allow {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// risk is the flow of 89503: an address that nobody confirmed waits for a person.
func (a *app) risk(ip netip.Addr, now time.Time) int {
	if !a.confirm {
		return 0
	}
	st := a.addresses[ip]
	switch {
	case st == nil:
		return 89503
	case st.confirmed:
		return 0
	case now.Before(st.until) && st.denials > 1:
		return 89506
	case now.Before(st.until):
		return 89507
	}
	return 89503
}

// caller's address, as the connection has it; a test that sets none calls from loopback.
func remoteIP(r *http.Request) netip.Addr {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	if a, err := netip.ParseAddr(r.RemoteAddr); err == nil {
		return a.Unmap().WithZone("")
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// ipText is the text of 40164 with the address that was seen, in both forms.
func ipText(ip netip.Addr) (text string, old []string) {
	v6 := ip.String()
	if ip.Is4() {
		v6 = "::ffff:" + v6
	}
	return fmt.Sprintf("invalid ip %s ipv6 %s, not in whitelist", ip, v6),
		[]string{fmt.Sprintf("invalid ip %s, not in whitelist", ip)}
}
