package config

import (
	"net/url"
	"strings"
	"testing"
)

func TestOnlyCanonicalAddressesPass(t *testing.T) {
	t.Parallel()
	pass := []string{
		"https://a.example/", "https://a.example/cb", "https://a.example/cb/", "https://a.example:8443/cb?x=1&y=%E4%BD%A0",
		"https://xn--fiqs8s.example/@x/a.b~c", "https://192.0.2.1/cb", "https://[2001:db8::1]/cb", "https://a.example/%E8%99%8E",
		"https://1a.2b.example/", "https://intranet/cb", "https://a.example/cb?codes=1&mystate=2",
	}
	dev := []string{
		"http://localhost:8080/cb", "http://127.0.0.1:1/", "http://[::1]:3000/cb", "http://10.1.2.3:8080/", "http://shop.test:8080/cb",
	}
	for _, uri := range pass {
		if err := CheckRedirectURI(uri, false); err != nil {
			t.Errorf("%q: %v", uri, err)
		}
	}
	for _, uri := range append(pass, dev...) {
		if err := CheckRedirectURI(uri, true); err != nil {
			t.Errorf("dev, %q: %v", uri, err)
		}
	}
	for _, uri := range dev {
		if CheckRedirectURI(uri, false) == nil {
			t.Errorf("%q passes for a client that is not dev", uri)
		}
	}
	for uri, why := range map[string]string{
		"":                                                "must begin with https://",
		"HTTPS://a.example/":                              "must begin",
		"https:/a.example/":                               "must begin",
		"https:a.example/":                                "must begin",
		"//a.example/":                                    "must begin",
		"javascript:alert(1)//a.example/":                 "must begin",
		"https://a.example":                               "no path",
		"https://a.example?x":                             "no path",
		"https:///a.example/":                             "host",
		"https://a.example/#":                             "fragment",
		"https://u@a.example/":                            "user name",
		"https://a.example:443@b.example/":                "user name",
		"https://a.example\\@b.example/":                  "character",
		"https://a.example/ ":                             "character",
		"https://a.example/\x00":                          "character",
		"https://a.example/\n":                            "character",
		"https://a.example/虎":                             "character",
		"https://ⓐ.example/":                              "character",
		"https://A.example/":                              "host",
		"https://a.example./":                             "host",
		"https://.example/":                               "host",
		"https://a..example/":                             "host",
		"https://-a.example/":                             "host",
		"https://a_b.example/":                            "host",
		"https://a.example%2e/":                           "host",
		"https://127.1/":                                  "host",
		"https://0x7f.1/":                                 "host",
		"https://0x7f000001/":                             "host",
		"https://2130706433/":                             "host",
		"https://99999999999999999999999/":                "host",
		"https://0177.0.0.1/":                             "host",
		"https://256.1.1.1/":                              "host",
		"https://1.2.3.4.5/":                              "host",
		"https://a.0x/":                                   "host",
		"https://[::ffff:127.0.0.1]/":                     "host",
		"https://[0:0::1]/":                               "host",
		"https://[::1/":                                   "host",
		"https://[a.example]/":                            "host",
		"https://[fe80::1%25eth0]/":                       "host",
		"https://a.example:443/":                          "default port",
		"https://a.example:0/":                            "port",
		"https://a.example:08443/":                        "port",
		"https://a.example:99999/":                        "port",
		"https://a.example:/":                             "port",
		"https://a.example:+1/":                           "port",
		"https://a.example//cb":                           "segment",
		"https://a.example/./cb":                          "segment",
		"https://a.example/x/..":                          "segment",
		"https://a.example/x/../cb":                       "segment",
		"https://a.example/%2e%2E/cb":                     "ASCII",
		"https://a.example/%2fcb":                         "ASCII",
		"https://a.example/%00":                           "ASCII",
		"https://a.example/cb%3f":                         "ASCII",
		"https://a.example/%zz":                           "begins no escape",
		"https://a.example/%E":                            "begins no escape",
		"https://a.example/%":                             "begins no escape",
		"https://a.example/cb;x=1":                        `";"`,
		"https://a.example/*":                             `"*"`,
		"https://a.example/?code=1":                       "named code",
		"https://a.example/?a=1&state":                    "named state",
		"https://a.example/?CODE=1":                       "named code",
		"https://a.example/?%63ode=1":                     "named code",
		"https://a.example/?c%4Fde=1":                     "named code",
		"https://a.example/?a;code=1":                     "named code",
		"https://a.example/?code[]=1":                     "named code",
		"https://a.example/?+code=1":                      "named code",
		"https://a.example/?%C5%BFtate=1":                 "named state",
		"https://a.example/?access.token=1":               "named access_token",
		"https://a.example/?access_token":                 "named access_token",
		"https://a.example/?openid=":                      "named openid",
		"https://a.example/?error=x":                      "named error",
		"https://a.example/?%x=1":                         "begins no escape",
		"http://a.example/":                               "http",
		"http://a.example:8080/":                          "http",
		"http://localhost/":                               "http",
		"http://localhost.example:8080/":                  "http",
		"http://test:8080/":                               "http",
		"http://8.8.8.8:8080/":                            "http",
		"https://a.example/?" + strings.Repeat("a", 2048): "longer",
	} {
		if err := CheckRedirectURI(uri, true); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: got %v, want %s", uri, err, why)
		}
	}
}

func TestPrefixMatchesBelowItselfOnly(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		registered, uri string
		want            bool
	}{
		{"https://a.example/cb", "https://a.example/cb", true},
		{"https://a.example/cb", "https://a.example/cb?x=1", false},
		{"https://a.example/cb", "https://a.example/cb/", false},
		{"https://a.example/x/*", "https://a.example/x/", true},
		{"https://a.example/x/*", "https://a.example/x/y/z?q=1", true},
		{"https://a.example/x/*", "https://a.example/x", false},
		{"https://a.example/x/*", "https://a.example/xy", false},
		{"https://a.example/*", "https://a.example.evil.example/", false},
		{"https://a.example/*", "https://a.example:8443/", false},
	} {
		if got := MatchRedirectURI(row.registered, row.uri); got != row.want {
			t.Errorf("%s %s: got %v", row.registered, row.uri, got)
		}
	}
}

func TestRegisteredPrefixIsCanonicalToo(t *testing.T) {
	t.Parallel()
	for uri, ok := range map[string]bool{
		"https://a.example/*": true, "https://a.example/x/*": true,
		"https://*.example/": false, "https://*/": false, "https://a.example*": false, "https://a.example/x*": false,
		"https://a.example/*/cb": false, "https://a.example/?x/*": false, "https://a.example//*": false, "http://localhost:1/*": false,
		"https://a.example/../*": false, "https:///*": false, "/*": false, "*": false, "": false,
	} {
		if _, err := checkRegistered(uri, true); (err == nil) != ok {
			t.Errorf("%q: %v", uri, err)
		}
	}
}

// FuzzRedirectURI: what passes reads the same to net/url, and stays as it is.
func FuzzRedirectURI(f *testing.F) {
	for _, s := range []string{
		"https://a.example/cb?x=1", "http://localhost:8080/", "https://[::1]:8443/%E4", "https://1.2.3.4/@", "https://0x7f.1/",
		"https://a.example/?c%6fde=1", "https://a.example:443@b/", "https://a.example/..;/", "https://xn--a/",
	} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, uri string, dev bool) {
		if CheckRedirectURI(uri, dev) != nil {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("net/url refuses %q: %v", uri, err)
		}
		rest := strings.TrimPrefix(strings.TrimPrefix(uri, "https://"), "http://")
		if host, _, _ := strings.Cut(rest, "/"); u.Host != host {
			t.Errorf("%q: host %q, not %q", uri, u.Host, host)
		}
		if u.User != nil || u.Fragment != "" || u.Opaque != "" {
			t.Errorf("%q has parts that it must not have", uri)
		}
		if u.Scheme != "https" && !(dev && isPrivate(u.Hostname()) && u.Port() != "") {
			t.Errorf("%q passes with %s", uri, u.Scheme)
		}
		if clean := u.JoinPath(); clean.EscapedPath() != u.EscapedPath() {
			t.Errorf("%q: path %q becomes %q", uri, u.EscapedPath(), clean.EscapedPath())
		}
		if q, err := url.ParseQuery(strings.ReplaceAll(u.RawQuery, ";", "&")); err != nil || q.Has("code") || q.Has("state") {
			t.Errorf("%q: query %v, %v", uri, q, err)
		}
		if u.String() != uri && u.RawQuery == "" && !u.ForceQuery {
			t.Errorf("%q is written %q", uri, u)
		}
	})
}
