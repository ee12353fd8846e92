package server

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/wxsim"
)

// A login through the listeners: the browser's way on listen.web, the
// redemption on listen.api.
func TestUsersLogInThroughBothListeners(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.file("hufu.yaml", `
store: bolt:hufu.db
master_key_file: hufu.key
audit: {file: audit.jsonl}
wechat: {api_url: `+n.api+`}
web_url: https://auth.example.com/wx
apps: [{appid: `+shop+`, secret: `+shopSecret+`}]
clients: [{name: shop, key_sha256: [`+n.hash+`], apps: [`+shop+`], allow: [login], redirect_uris: ["https://app.example.com/cb"]}]
`+anyPorts+"\n")
	n.start()
	if err := n.sim.CallbackDomains(shop, "auth.example.com"); err != nil {
		t.Fatal(err)
	}

	// The proxy leaves the path as it is; listen.web finds its way.
	resp := n.visit(t, "/wx/connect/oauth2/authorize?appid="+shop+"&redirect_uri="+url.QueryEscape("https://app.example.com/cb")+
		"&response_type=code&scope=snsapi_base&state=S", nil)
	phone := &wxsim.Browser{Sim: n.sim, User: "xiaoming"}
	callbacks, err := phone.Authorize(t.Context(), resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(callbacks[0])
	if err != nil || back.Host != "auth.example.com" || back.Path != "/wx/callback" {
		t.Fatal(callbacks[0], err)
	}
	to, err := url.Parse(n.visit(t, "/callback?"+back.RawQuery, resp.Cookies()).Header.Get("Location"))
	if err != nil || to.Host != "app.example.com" || to.Query().Get("state") != "S" {
		t.Fatal(to, err)
	}
	status, body := n.get("api", "/sns/oauth2/access_token?appid="+shop+"&secret="+n.key+"&grant_type=authorization_code&code="+to.Query().Get("code"))
	if status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	wants(t, body, `"openid":"`+wxsim.OpenID(shop, "xiaoming")+`"`, `"access_token":"10_`)

	// The app's own token is known for what it is, where the user's is meant.
	n.until("the app's token is told from the user's", func() bool {
		token := n.sim.Current(shop, wxsim.Stable)
		if token == "" {
			return false
		}
		_, body := n.get("api", "/sns/userinfo?openid=o&access_token="+token)
		return strings.Contains(body, `"errcode":40001`) && strings.Contains(body, "this is the app's token")
	})
}

// What no browser of today sends, on the wire.
func TestTheBrowsersListenerTakesOldAndOddRequests(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write("web_url: https://auth.example.com\n" + anyPorts)
	n.start()
	for name, c := range map[string]struct{ request, first string }{
		"HTTP/1.0":      {"GET /connect/oauth2/authorize?appid=x HTTP/1.0\r\n\r\n", "HTTP/1.0 400 "},
		"HEAD":          {"HEAD /callback?code=1&state=2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 "},
		"POST":          {"POST /callback HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\na=b", "HTTP/1.1 405 "},
		"giant cookies": {"GET /callback?state=x HTTP/1.1\r\nHost: h\r\nCookie: a=" + strings.Repeat("x", 20<<10) + "\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 "},
		"too giant":     {"GET /callback?state=x HTTP/1.1\r\nHost: h\r\nCookie: a=" + strings.Repeat("x", 64<<10) + "\r\nConnection: close\r\n\r\n", "HTTP/1.1 431 "},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.URL("web"), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, c.request) }()
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if !strings.HasPrefix(string(answer), c.first) || strings.Contains(string(answer), "\r\nLocation:") {
			t.Errorf("%s: %.200q", name, answer)
		}
	}
}

// visit opens an address on listen.web as WeChat's browser does, and does not
// follow where it is sent.
func (n *node) visit(t *testing.T, path string, cookies []*http.Cookie) *http.Response {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, n.URL("web")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "MicroMessenger")
	for _, c := range cookies {
		req.AddCookie(c)
	}
	resp, err := client.Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s: status %d", path, resp.StatusCode)
	}
	return resp
}
