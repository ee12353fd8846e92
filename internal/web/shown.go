package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
)

// maxQuery and maxParameters bound the query of a call on WeChat's paths.
const (
	maxQuery      = 8 << 10
	maxParameters = 100
)

// Shown takes out of a call on one of WeChat's paths what it shows of its
// caller: a client key as in ClientKey, access_token and from_appid in the
// query. Rest is the query without them and without anything that two programs
// could take for a credential, in whatever spelling, or that quotes the key or the
// token; all else in it stands byte for byte as it came. The error is a Problem: an access_token too many, a query
// that cannot be read in one way only, or one that is too long.
func Shown(r *http.Request) (s access.Shown, rest string, err error) {
	key, problem := ClientKey(r)
	if problem != nil {
		return s, "", problem
	}
	s.Key = key
	if rest = r.URL.RawQuery; rest == "" {
		return s, "", nil
	}
	if len(rest) > maxQuery {
		return s, "", &Problem{Status: http.StatusRequestURITooLong, Code: "too_large", Detail: "the query is longer than 8 KiB", Hint: "send what is long in the body"}
	}
	tokens, all := 0, make([]parameter, 0, 8)
	for pair := range strings.SplitSeq(rest, "&") {
		if len(all) == maxParameters {
			return s, "", badRequest("the query has more than 100 parameters", "")
		}
		p, err := read(pair)
		if err != nil {
			return s, "", err
		}
		all = append(all, p)
		switch p.folded {
		case "access_token":
			if tokens++; tokens > 1 {
				return s, "", badRequest("the query has more than one access_token", "send one")
			}
			if p.name == p.folded {
				s.Token = p.value
			}
		case "from_appid":
			if s.App != "" {
				return s, "", badRequest("the query has more than one from_appid", "send one")
			}
			s.App = credential.App(p.value)
		}
	}
	var kept strings.Builder
	for _, p := range all {
		if p.pair == "" || p.folded == "from_appid" || isCredential(p.folded) || p.quotes(s.Key) || p.quotes(s.Token) {
			continue
		}
		if kept.Len() > 0 {
			kept.WriteByte('&')
		}
		kept.WriteString(p.pair)
	}
	return s, kept.String(), nil
}

// isCredential: no call of WeChat's that is forwarded takes a parameter of such
// a name (component_access_token, access.token, appsecret) but access_token
// itself, and what stands there is somebody's secret.
func isCredential(name string) bool {
	return strings.Contains(name, "access") && strings.Contains(name, "token") || strings.HasSuffix(name, "secret")
}

// parameter is one parameter of a query.
type parameter struct {
	pair        string // as it came
	name, value string // decoded
	folded      string // the name, whatever its case, without blanks around it
}

// minQuoted is shorter than any key or token; what is shorter may stand in
// anything.
const minQuoted = 32

// quotes reports whether a key or token stands anywhere in the parameter.
func (p parameter) quotes(secret string) bool {
	return len(secret) >= minQuoted && (strings.Contains(p.value, secret) || strings.Contains(p.name, secret))
}

// read decodes one parameter.
func read(pair string) (p parameter, err error) {
	unread := badRequest("the query cannot be read in one way only", "write what is no letter, digit or one of -_.~ in it as %XX")
	// A blank cannot come over HTTP/1, but over HTTP/2 it can, and would then
	// end the target in the request line that is made of it.
	if strings.IndexByte(pair, ';') >= 0 || strings.ContainsFunc(pair, unprinted) {
		return p, unread
	}
	name, value, _ := strings.Cut(pair, "=")
	if name, err = unescape(name); err != nil {
		return p, unread
	}
	if value, err = unescape(value); err != nil {
		return p, unread
	}
	if strings.ContainsFunc(name, func(c rune) bool { return c != ' ' && unprinted(c) }) {
		return p, unread
	}
	return parameter{pair, name, value, fold(name)}, nil
}

// fold takes a name to lower case, the long s too, which is an S in capitals.
func fold(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "ſ", "s")
}

func unprinted(c rune) bool { return c <= ' ' || c == 0x7f }

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	return url.QueryUnescape(s)
}
