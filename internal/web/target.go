package web

import "strings"

// checkTarget looks at the request target as it came over the wire, before any
// router has cleaned, decoded or redirected it. Every path of ours and of
// WeChat's server API is plain ASCII without escapes, so anything that two
// programs could read in two ways is refused.
func checkTarget(target string) *Problem {
	if target == "" || target[0] != '/' {
		return badRequest("the request target is not a path",
			"send the path alone (GET /v1/apps) and name the host in the Host header; Hufu is not a forward proxy")
	}
	if strings.HasPrefix(target, "//") {
		return badRequest("the path begins with //", "take the last / off the base URL")
	}
	segment := 1 // where the segment under way began
	for i := 1; i < len(target); i++ {
		c := target[i]
		switch role[c] {
		case plain:
		case divider:
			if dots(target[segment:i]) || c == '/' && segment == i {
				return notCanonical()
			}
			if c == '?' {
				return checkQuery(target[i+1:])
			}
			segment = i + 1
		default:
			return notCanonical()
		}
	}
	if dots(target[segment:]) {
		return notCanonical()
	}
	return nil
}

// role is what a byte may be in a path: RFC 3986 allows less than net/http
// does, and we no escapes and no parameters.
var role = func() (r [256]byte) {
	for c := '!'; c <= '~'; c++ {
		r[c] = plain
	}
	for _, c := range "%;#\\\"<>^`{|}" {
		r[c] = refused
	}
	r['/'], r['?'] = divider, divider
	return r
}()

const (
	refused = iota
	plain
	divider
)

func dots(segment string) bool { return segment == "." || segment == ".." }

// checkQuery refuses a fragment: net/http takes it for a part of the query.
func checkQuery(query string) *Problem {
	if strings.IndexByte(query, '#') >= 0 {
		return notCanonical()
	}
	return nil
}

func notCanonical() *Problem {
	return badRequest("the path is not in its canonical form",
		"send it without //, dot segments, % escapes, ;, # and anything that is not ASCII")
}
