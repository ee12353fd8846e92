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
// could take for a credential, in whatever spelling; all else in it stands byte
// for byte as it came. The error is a Problem: an access_token too many, a query
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
	var kept strings.Builder
	tokens, n := 0, 0
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if n++; n > maxParameters {
			return s, "", badRequest("the query has more than 100 parameters", "")
		}
		name, value, err := parameter(pair)
		if err != nil {
			return s, "", err
		}
		switch folded := strings.ToLower(strings.TrimSpace(name)); {
		case folded == "access_token":
			if tokens++; tokens > 1 {
				return s, "", badRequest("the query has more than one access_token", "send one")
			}
			if name == folded {
				s.Token = value
			}
		case folded == "from_appid":
			if s.App != "" {
				return s, "", badRequest("the query has more than one from_appid", "send one")
			}
			s.App = credential.App(value)
		case isCredential(folded), s.Key != "" && strings.Contains(value, s.Key):
		case pair != "":
			if kept.Len() > 0 {
				kept.WriteByte('&')
			}
			kept.WriteString(pair)
		}
	}
	return s, kept.String(), nil
}

// isCredential: no call of WeChat's that is forwarded takes a parameter of such
// a name (component_access_token, access.token, appsecret) but access_token
// itself, and what stands there is somebody's secret.
func isCredential(name string) bool {
	return strings.Contains(name, "access") && strings.Contains(name, "token") || strings.HasSuffix(name, "secret")
}

// parameter decodes one parameter of a query.
func parameter(pair string) (name, value string, err error) {
	unread := badRequest("the query cannot be read in one way only", "write what is no letter, digit or one of -_.~ in it as %XX")
	// A blank cannot come over HTTP/1, but over HTTP/2 it can, and would then
	// end the target in the request line that is made of it.
	if strings.IndexByte(pair, ';') >= 0 || strings.ContainsFunc(pair, unprinted) {
		return "", "", unread
	}
	name, value, _ = strings.Cut(pair, "=")
	if name, err = unescape(name); err != nil {
		return "", "", unread
	}
	if value, err = unescape(value); err != nil {
		return "", "", unread
	}
	if strings.ContainsFunc(name, func(c rune) bool { return c != ' ' && unprinted(c) }) {
		return "", "", unread
	}
	return name, value, nil
}

func unprinted(c rune) bool { return c <= ' ' || c == 0x7f }

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	return url.QueryUnescape(s)
}
