package config

import (
	"strings"
	"testing"
)

func TestAPageIsSignedAsTheBrowserShowsIt(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{ // page and host; "" is refused
		"https://shop.example.com/":                             "https://shop.example.com/ shop.example.com",
		"https://shop.example.com/a?b=c&d=%E4%BD%A0#part":       "https://shop.example.com/a?b=c&d=%E4%BD%A0 shop.example.com",
		"https://shop.example.com/#":                            "https://shop.example.com/ shop.example.com",
		"https://shop.example.com/#/a#b?c":                      "https://shop.example.com/ shop.example.com",
		"http://shop.example.com/?a={x}|`^'\\":                  "http://shop.example.com/?a={x}|`^'\\ shop.example.com",
		"https://shop.example.com/a//b/../c;d":                  "https://shop.example.com/a//b/../c;d shop.example.com",
		"http://127.0.0.1:8701/jssdk":                           "http://127.0.0.1:8701/jssdk 127.0.0.1",
		"https://[2001:db8::1]:8443/":                           "https://[2001:db8::1]:8443/ [2001:db8::1]",
		"https://xn--fiqs8s.example/":                           "https://xn--fiqs8s.example/ xn--fiqs8s.example",
		"":                                                      "",
		"#":                                                     "",
		"/page":                                                 "",
		"//shop.example.com/":                                   "",
		"shop.example.com/":                                     "",
		"HTTPS://shop.example.com/":                             "",
		"https:/shop.example.com/":                              "",
		"https:\\\\shop.example.com/":                           "",
		"javascript:alert(1)":                                   "",
		"file:///etc/passwd":                                    "",
		"https://shop.example.com":                              "",
		"https://shop.example.com?a":                            "",
		"https://shop.example.com\\.evil.example/":              "",
		"https://evil.example\\@shop.example.com/":              "",
		"https://Shop.example.com/":                             "",
		"https://shop.example.com./":                            "",
		"https://shop.example.com:443/":                         "",
		"http://shop.example.com:80/":                           "",
		"https://shop.example.com:0/":                           "",
		"https://shop.example.com:99999/":                       "",
		"https://shop.example.com:/":                            "",
		"https://user@shop.example.com/":                        "",
		"https://user:pass@shop.example.com/":                   "",
		"https:///page":                                         "",
		"https://.example.com/":                                 "",
		"https://shop_a.example.com/":                           "",
		"https://0x7f.1/":                                       "",
		"https://中国.example/":                                   "",
		"https://shop.example.com/你好":                           "",
		"https://shop.example.com/a b":                          "",
		" https://shop.example.com/":                            "",
		"https://shop.example.com/\n":                           "",
		"https://shop.example.com/\x00":                         "",
		"https://shop.example.com/\"><script>":                  "",
		"https://shop.example.com/" + strings.Repeat("a", 2048): "",
		"https://shop.example.com/&jsapi_ticket=x&timestamp=1":  "https://shop.example.com/&jsapi_ticket=x&timestamp=1 shop.example.com",
	} {
		page, host, err := CheckPage(address)
		if got := strings.TrimSpace(page + " " + host); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", address, got, err, want)
		}
		if err != nil && len(address) > 20 && strings.Contains(err.Error(), address) {
			t.Errorf("%q is quoted: %v", address, err)
		}
	}
}

func TestHostsOfAClient(t *testing.T) {
	t.Parallel()
	hosts := []string{"shop.example.com", "*.example.net"}
	for host, want := range map[string]string{
		"shop.example.com": "shop.example.com", "a.example.net": "*.example.net", "a.b.example.net": "*.example.net",
		"example.net": "", "badexample.net": "", "shop.example.com.evil.example": "", "example.com": "", "a.shop.example.com": "", "": "",
	} {
		if got, ok := MatchHost(hosts, host); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", host, got, ok)
		}
	}
}
