package access

import "strings"

// families is WeChat's server API by the beginnings of its paths: what a
// client without paths of its own may call, and the names under which calls are
// counted. A path belongs to the longest beginning that fits.
//
// The families are those of the addresses that the SDKs silenceper/wechat and
// WxJava call (WxJava as of January 2025), and, for groups, cityservice, intp,
// mall, merchant, nontax, scan and union, other public programs: not a list of
// WeChat's. What is missing needs a line in paths of the client.
var families = func() map[string]string {
	m := map[string]string{}
	for _, f := range strings.Fields(`
		/cgi-bin /cgi-bin/comment /cgi-bin/customservice /cgi-bin/draft /cgi-bin/express
		/cgi-bin/freepublish /cgi-bin/groups /cgi-bin/guide /cgi-bin/material /cgi-bin/media /cgi-bin/menu
		/cgi-bin/message /cgi-bin/openapi /cgi-bin/poi /cgi-bin/qrcode /cgi-bin/shorten /cgi-bin/tags
		/cgi-bin/template /cgi-bin/user /cgi-bin/wxaapp /cgi-bin/wxopen
		/bizwifi /card /channels /cityservice /customservice /cv /datacube /device /intp /mall
		/marketing /merchant /nontax /product /promoter /publisher /redpacketcover /scan /semantic /shakearound /shop
		/tcb /union /user-order /wxa /wxa/business /wxaapi /wxaapi/broadcast /wxaapi/newtmpl /xpay`) {
		m[f] = f + "/*"
	}
	return m
}()

// never is what no client may call, whatever its paths: what hands out
// credentials, resets them, or clears the counters that warn of a leak. In
// lower case; each stands for itself and for what is below it.
var never = strings.Fields(`
	/cgi-bin/token /cgi-bin/stable_token /cgi-bin/ticket /cgi-bin/component /cgi-bin/gettoken
	/cgi-bin/clear_quota /cgi-bin/openapi/quota/clear /cgi-bin/openapi/rid
	/sns /tcb/getqcloudtoken /tcb/usecloudaccesstoken`)

// maxPath is longer than any path of WeChat's.
const maxPath = 256

// CanonicalPath reports whether a path can be read in one way only: segments of
// letters, digits, "_" and "-", none of them empty. Every path of WeChat's
// server API is like that.
func CanonicalPath(path string) bool {
	if len(path) < 2 || len(path) > maxPath || path[0] != '/' || path[len(path)-1] == '/' {
		return false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		case c == '/' && (i == 0 || path[i-1] != '/'):
		default:
			return false
		}
	}
	return true
}

// KnownPath reports whether a path is of a family in WeChat's server API.
func KnownPath(path string) bool {
	_, ok := familyOf(path)
	return ok
}

// familyOf is the family of a canonical path.
func familyOf(path string) (pattern string, ok bool) {
	for end := strings.LastIndexByte(path, '/'); end > 0; end = strings.LastIndexByte(path[:end], '/') {
		if pattern, ok = families[path[:end]]; ok {
			return pattern, true
		}
	}
	return "", false
}

// neverForwarded reports whether a path is on the never-list. Its letters may
// be of any case: nobody knows whether WeChat minds.
func neverForwarded(path string) bool {
	for _, n := range never {
		rest := len(path) - len(n)
		if rest < 0 || !strings.EqualFold(path[:len(n)], n) {
			continue
		}
		if rest == 0 || path[len(n)] == '/' {
			return true
		}
	}
	// clear_quota has a v2, and who knows what else.
	const clears = "/cgi-bin/clear_quota"
	return len(path) > len(clears) && strings.EqualFold(path[:len(clears)], clears)
}

// match finds the first of a client's paths, or the family, that a path belongs
// to.
func match(paths []string, path string) (pattern string, ok bool) {
	if len(paths) == 0 {
		return familyOf(path)
	}
	for _, p := range paths {
		below, prefix := strings.CutSuffix(p, "*")
		if prefix && strings.HasPrefix(path, below) || p == path {
			return p, true
		}
	}
	return "", false
}
