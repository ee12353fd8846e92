package wxsim

import (
	"net/url"
	"slices"
	"strings"
)

// request is what an authorize address asks for.
type request struct {
	appid        string
	redirectURI  string
	responseType string
	scope        string
	state        string // as it was sent, not decoded
	component    string // component_appid
	popup        bool   // forcePopup
	snapshot     bool   // forceSnapShot
	ordered      bool   // each once, and in the documented order
}

// documented is the order of the parameters; others come after.
var documented = []string{"appid", "redirect_uri", "response_type", "scope", "state", "component_appid"}

// readRequest reads the query of an authorize address by hand: the order counts, names count with
// their case, and of a parameter that is there twice the first counts.
func readRequest(query string) request {
	q := request{ordered: true}
	seen := make(map[string]bool)
	last := -1
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, raw, _ := strings.Cut(pair, "=")
		rank := slices.Index(documented, name)
		if rank < 0 {
			rank = len(documented)
		}
		if seen[name] || rank < last {
			q.ordered = false
		}
		if seen[name] {
			continue
		}
		seen[name], last = true, rank
		value, err := url.QueryUnescape(raw)
		if err != nil {
			value = "%" // what nothing is registered as
		}
		switch name {
		case "appid":
			q.appid = value
		case "redirect_uri":
			q.redirectURI = value
		case "response_type":
			q.responseType = value
		case "scope":
			q.scope = value
		case "state":
			q.state = raw
		case "component_appid":
			q.component = value
		case "forcePopup":
			q.popup = value == "true"
		case "forceSnapShot":
			q.snapshot = value == "true"
		}
	}
	return q
}

// goodState is what the documentation allows.
func goodState(state string) bool {
	for _, r := range []byte(state) {
		if !strings.ContainsRune(alphanumerics, rune(r)) {
			return false
		}
	}
	return len(state) <= 128
}

// callbackOf is the address that a browser goes back to: the query goes before a fragment and
// after a query that is there, and the state is what it was.
func callbackOf(redirectURI, query string) string {
	front, fragment, has := strings.Cut(redirectURI, "#")
	switch {
	case !strings.Contains(front, "?"):
		front += "?"
	case !strings.HasSuffix(front, "?") && !strings.HasSuffix(front, "&"):
		front += "&"
	}
	out := front + query
	if has {
		out += "#" + fragment
	}
	return inHeader(out)
}

// inHeader escapes what cannot stand in a Location.
func inHeader(address string) string {
	var b strings.Builder
	for _, c := range []byte(address) {
		if c <= ' ' || c >= 0x7f {
			b.WriteByte('%')
			b.WriteByte("0123456789ABCDEF"[c>>4])
			b.WriteByte("0123456789ABCDEF"[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// checkRequest is everything that WeChat looks at before there is a user: 0 if it may go on.
func (s *Sim) checkRequest(c *call, q request) int {
	qr := c.path == pathQRConnect
	if s.has(WeChatOnly) && !qr && !strings.Contains(c.header.Get("User-Agent"), "MicroMessenger") {
		return pageOutside
	}
	switch {
	case s.has(StrictOrder) && !q.ordered:
		return pageOrder
	case q.appid == "":
		return 10012
	}
	a := s.app(q.appid)
	if a == nil {
		return pageAppID
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle(c.arrived)
	switch {
	case a.punished != 0:
		return 10004
	case a.cfg.Type == Website && !qr:
		return 10016
	case q.scope == "":
		return 10010
	case !a.allows(q.scope, qr):
		return 10005
	case q.redirectURI == "":
		return 10011
	case !a.callsBack(q.redirectURI):
		return 10003
	case q.responseType != "code":
		return pageResponseType
	case s.has(StrictState) && q.state == "":
		return 10013
	case s.has(StrictState) && !goodState(q.state):
		return pageState
	case q.component != "":
		return 10015 // no third-party platform is simulated
	}
	return 0
}

// callsBack reports whether an address is on a callback domain of the app; a port makes it another
// host.
func (a *app) callsBack(redirectURI string) bool {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Opaque != "" || strings.Contains(redirectURI, `\`) {
		return false
	}
	return slices.Contains(a.cfg.CallbackDomains, strings.ToLower(u.Host))
}

// allows reports whether an app of this type may have the scope.
func (a *app) allows(scope string, qr bool) bool {
	if qr {
		return a.cfg.Type == Website && scope == scopeLogin
	}
	return a.cfg.Type == ServiceAccount && (scope == scopeBase || scope == scopeUserinfo)
}
