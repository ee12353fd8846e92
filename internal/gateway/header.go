package gateway

import (
	"net/http"
	"strings"
)

// forwarded is which headers of a call reach WeChat. All others stay here: who
// the program is, what proxies on the way had to say, and what could make
// somebody on the way read another request than the one that was checked.
var forwarded = []string{"Accept", "Accept-Language", "Content-Type", "Range", "User-Agent"}

// signing begins the headers of WeChat's own signatures over calls (its page
// api_signature).
const signing = "Wechatmp-"

// plainly asks for an answer as it is: an error inside a compressed one would
// not be seen.
var plainly = []string{"identity"}

// outgoing are the headers that go to WeChat.
func outgoing(in http.Header) http.Header {
	out := make(http.Header, 4)
	for _, name := range forwarded {
		if v := in[name]; len(v) > 0 {
			out[name] = v[:1]
		}
	}
	if out["User-Agent"] == nil {
		out["User-Agent"] = []string{""} // or else net/http says its own
	}
	for name, v := range in {
		if strings.HasPrefix(name, signing) {
			out[name] = v
		}
	}
	out["Accept-Encoding"] = plainly
	return out
}

// ours are the headers of an answer that do not pass: those of one connection
// (RFC 9110, section 7.6.1), those about a site that is WeChat's and not this
// one, and those that Hufu says itself.
var ours = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Connection": true, "Te": true,
	"Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Set-Cookie": true, "Alt-Svc": true, "Strict-Transport-Security": true, "Clear-Site-Data": true,
	"X-Request-Id": true, "X-Content-Type-Options": true, "Cache-Control": true,
}

// incoming puts the headers of WeChat's answer into ours. One that quotes the
// token, as the address of a redirect may, stays here.
func incoming(out, in http.Header, token string) {
	dropped := in["Connection"]
	for name, values := range in {
		if ours[name] || strings.HasPrefix(name, "X-Hufu-") || named(dropped, name) || quotes(values, token) {
			continue
		}
		out[name] = values
	}
}

// named reports whether a Connection header names another one.
func named(connection []string, name string) bool {
	for _, line := range connection {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), name) {
				return true
			}
		}
	}
	return false
}

func quotes(values []string, token string) bool {
	for _, v := range values {
		if len(v) >= len(token) && strings.Contains(v, token) {
			return true
		}
	}
	return false
}
