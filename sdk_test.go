package hufu_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	hufud "github.com/hufu-project/hufu/internal/server"
	"github.com/hufu-project/hufu/wxsim"
)

// dialect is how an SDK speaks that no test can run. What it says here is what it
// sent when it was run by hand (docs/sdk.md), in its own order of parameters; or,
// where it was not run, what its source says that it sends.
type dialect struct {
	name, version string // as docs/sdk.md has them
	json          string // the Content-Type of its bodies
	says          []string
}

// What is said begins with what the answer is: a token, the user's token (user), a
// session, a login, which a browser begins, or any other call. {…} are filled in.
var dialects = []dialect{
	{"EasyWeChat", "6.19.1", "application/json", []string{
		`token GET /cgi-bin/token?grant_type=client_credential&appid={app}&secret={key}`,
		`call GET /cgi-bin/get_api_domain_ip?access_token={token}`,
		`call POST /cgi-bin/message/custom/send?access_token={token} {"touser":"x","msgtype":"text","text":{"content":"你好"}}`,
		`call GET /cgi-bin/ticket/getticket?type=jsapi&access_token={token}`,
		`login GET /connect/oauth2/authorize?appid={app}&redirect_uri={site}&response_type=code&scope=snsapi_userinfo&state=aState&connect_redirect=1#wechat_redirect`,
		`user GET /sns/oauth2/access_token?appid={app}&secret={key}&code={code}&grant_type=authorization_code`,
		`call GET /sns/userinfo?access_token={user}&openid={openid}&lang=zh_CN`,
		`session GET /sns/jscode2session?appid={mini}&secret={key}&js_code={js_code}&grant_type=authorization_code`,
	}},
	{"WxJava", "4.7.0", "application/json; charset=utf-8", []string{
		`token GET /cgi-bin/token?grant_type=client_credential&appid={app}&secret={key}`,
		`token POST /cgi-bin/stable_token {"grant_type":"client_credential","appid":"{app}","secret":"{key}","force_refresh":false}`,
		`call GET /cgi-bin/getcallbackip?access_token={token}`,
		`call POST /cgi-bin/message/custom/send?access_token={token} {"touser":"x","msgtype":"text","text":{"content":"你好"}}`,
		`call GET /cgi-bin/ticket/getticket?type=jsapi&access_token={token}`,
		`login GET /connect/oauth2/authorize?appid={app}&redirect_uri={site}&response_type=code&scope=snsapi_userinfo&state=aState&connect_redirect=1#wechat_redirect`,
		`user GET /sns/oauth2/access_token?appid={app}&secret={key}&code={code}&grant_type=authorization_code`,
		`call GET /sns/userinfo?access_token={user}&openid={openid}&lang=zh_CN`,
		`call GET /sns/auth?access_token={user}&openid={openid}`,
		`user GET /sns/oauth2/refresh_token?appid={app}&grant_type=refresh_token&refresh_token={refresh_token}`,
		`token GET /cgi-bin/token?grant_type=client_credential&appid={mini}&secret={key}`,
		`session GET /sns/jscode2session?access_token={token}&js_code={js_code}&secret={key}&grant_type=authorization_code&appid={mini}`,
	}},
	{"wechatpy", "2.0.0a26", "", []string{
		`token GET /cgi-bin/token?grant_type=client_credential&appid={app}&secret={key}`,
		`call GET /cgi-bin/get_api_domain_ip?access_token={token}`,
		`call POST /cgi-bin/message/custom/send?access_token={token} {"touser": "x", "msgtype": "text", "text": {"content": "你好"}}`,
		`call GET /cgi-bin/ticket/getticket?type=jsapi&access_token={token}`,
		`login GET /connect/oauth2/authorize?appid={app}&redirect_uri={site}&response_type=code&scope=snsapi_userinfo#wechat_redirect`,
		`user GET /sns/oauth2/access_token?appid={app}&secret={key}&code={code}&grant_type=authorization_code`,
		`call GET /sns/userinfo?access_token={user}&openid={openid}&lang=zh_CN`,
		`call GET /sns/auth?access_token={user}&openid={openid}`,
		`user GET /sns/oauth2/refresh_token?appid={app}&grant_type=refresh_token&refresh_token={refresh_token}`,
		`token GET /cgi-bin/token?grant_type=client_credential&appid={mini}&secret={key}`,
		`session GET /sns/jscode2session?appid={mini}&secret={key}&js_code={js_code}&grant_type=authorization_code&access_token={token}`,
	}},
	{"Senparc.Weixin", "16.25.3", "application/json; charset=utf-8", []string{ // not run: read
		`token GET /cgi-bin/token?grant_type=client_credential&appid={app}&secret={key}`,
		`call GET /cgi-bin/getcallbackip?access_token={token}`,
		`call GET /cgi-bin/ticket/getticket?access_token={token}&type=jsapi`,
		`login GET /connect/oauth2/authorize?appid={app}&redirect_uri={site}&response_type=code&scope=snsapi_userinfo&state=aState&forcePopup=true&connect_redirect=1#wechat_redirect`,
		`user GET /sns/oauth2/access_token?appid={app}&secret={key}&code={code}&grant_type=authorization_code`,
		`call GET /sns/userinfo?access_token={user}&openid={openid}&lang=zh_CN`,
		`call GET /sns/auth?access_token={user}&openid={openid}`,
		`user GET /sns/oauth2/refresh_token?appid={app}&grant_type=refresh_token&refresh_token={refresh_token}`,
		`session GET /sns/jscode2session?appid={mini}&secret={key}&js_code={js_code}&grant_type=authorization_code`,
	}},
	{"weapp", "v3.8.2", "application/json", []string{
		`token POST /cgi-bin/stable_token {"grant_type":"client_credential","appid":"{mini}","secret":"{key}","force_refresh":false}`,
		`call POST /cgi-bin/openapi/quota/get?access_token={token} {"cgi_path":"/cgi-bin/token"}`,
		`session GET /sns/jscode2session?appid={mini}&grant_type=authorization_code&js_code={js_code}&secret={key}`,
	}},
}

// An SDK that is not here is answered as if it were WeChat whom it asks.
func TestSDKsThatAreNotHereAreAnswered(t *testing.T) {
	t.Parallel()
	sim := newSim(t)
	const mini, site, secret = "wxfedcba9876543210", "https://shop.example.com/wechat/callback", "fedcba9876543210fedcba9876543210"
	for _, err := range []error{
		sim.CallbackDomains(appID, "auth.example.com"),
		sim.AddApp(wxsim.App{ID: mini, Secret: secret, Type: wxsim.MiniProgram}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	wechat := httptest.NewServer(sim)
	t.Cleanup(wechat.Close)
	key, hash := access.NewKey()
	api, web := startHufu(t, fmt.Sprintf(`
listen: {api: "127.0.0.1:0", web: "127.0.0.1:0", admin: "127.0.0.1:0"}
wechat: {api_url: %q}
web_url: https://auth.example.com
store: bolt:hufu.db
master_key_file: hufu.key
audit: {file: audit.jsonl}
apps: [{appid: %s, secret: %s}, {appid: %s, secret: %s, type: mini_program}]
clients: [{name: site, key_sha256: %s, apps: ["*"], allow: [token, ticket, call, login], redirect_uris: [%q]}]
`, wechat.URL, appID, appSecret, mini, secret, hex.EncodeToString(hash[:]), site))
	phone := sdkBrowser{web: web, site: site}

	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			said := map[string]string{"app": appID, "mini": mini, "key": key.Reveal(), "site": url.QueryEscape(site)}
			for _, line := range d.says {
				if strings.Contains(line, "{js_code}") {
					code, err := sim.Code(mini, "xiaoming", "jscode")
					if err != nil {
						t.Fatal(err)
					}
					said["js_code"] = code
				}
				for name, value := range said {
					line = strings.ReplaceAll(line, "{"+name+"}", value)
				}
				what, request, _ := strings.Cut(line, " ")
				if what == "login" {
					said["code"] = phone.login(t, sim, strings.TrimPrefix(request, "GET "))
					continue
				}
				answer := sdkAsk(t, api, request, d.json)
				for _, name := range map[string][]string{
					"call": {}, "token": {"access_token"}, "user": {"access_token", "openid", "refresh_token"}, "session": {"openid", "session_key"},
				}[what] {
					value, _ := answer[name].(string)
					if value == "" {
						t.Fatalf("%s has no %s: %v", request, name, answer)
					}
					said[name] = value
				}
				if what != "call" {
					said[what] = said["access_token"]
				}
			}
		})
	}
	for _, v := range sim.Violations() {
		t.Errorf("WeChat would mind: %+v", v)
	}
}

// sdkAsk makes a request, "METHOD target" and perhaps a body, until there is an
// answer without an error of WeChat's. The first one may come before the first token.
func sdkAsk(t *testing.T, api, request, contentType string) (answer map[string]any) {
	t.Helper()
	parts := append(strings.SplitN(request, " ", 3), "")
	eventually(t, func() (string, bool) {
		r, err := http.NewRequestWithContext(t.Context(), parts[0], api+parts[1], strings.NewReader(parts[2]))
		if err != nil {
			t.Fatal(err)
		}
		if parts[2] != "" && contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer = nil
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d: %v", request, resp.StatusCode, err)
		}
		code, _ := answer["errcode"].(float64)
		if code != 0 && code != -1 {
			t.Fatalf("%s: %v", request, answer)
		}
		return "", code == 0
	})
	return answer
}

// startHufu runs a whole Hufu, and says where its listeners are.
func startHufu(t *testing.T, text string) (api, web string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hufu.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	s, err := hufud.New(cfg, hufud.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s.URL("api"), s.URL("web")
}

// sdkBrowser is the way of a user's browser: web is Hufu's listen.web, whose name
// is another one in public; the site shows an empty page.
type sdkBrowser struct{ web, site string }

func (b sdkBrowser) RoundTrip(r *http.Request) (*http.Response, error) {
	if "https://"+r.URL.Host+r.URL.Path == b.site {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
	}
	to, err := url.Parse(b.web)
	if err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.URL.Scheme, in.URL.Host, in.Host = to.Scheme, to.Host, r.URL.Host
	resp, err := http.DefaultTransport.RoundTrip(in)
	if err == nil {
		resp.Request = r
	}
	return resp, err
}

// login is a user who says yes, and the code with which they come back.
func (b sdkBrowser) login(t *testing.T, sim *wxsim.Sim, target string) (code string) {
	t.Helper()
	phone := wxsim.Browser{Sim: sim, User: "xiaoming", Transport: b}
	resp, err := phone.Visit(t.Context(), "https://auth.example.com"+target)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	back := resp.Request.URL
	if !strings.HasPrefix(back.String(), b.site+"?") || strings.Contains(target, "state=") && back.Query().Get("state") != "aState" {
		page, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: the login ended at %s: %.300s", target, back, page)
	}
	return back.Query().Get("code")
}

// docs/sdk.md names the SDKs of this file in their versions, in both languages
// with the same lines of code, and its addresses are those that they ask.
func TestDocumentedSDKsAreThoseOfTheTests(t *testing.T) {
	t.Parallel()
	served := map[string][]string{} // by Hufu's port
	for _, d := range dialects {
		for _, line := range d.says {
			words := strings.Fields(line)
			target, _, _ := strings.Cut(words[2], "?")
			port := "8700"
			if words[0] == "login" {
				port = "8701"
			}
			served[port] = append(served[port], target+"/")
		}
	}
	address := regexp.MustCompile(`http://127\.0\.0\.1:(\d+)([^\s"']*)`)
	var code []string
	for _, file := range []string{"docs/sdk.md", "docs/sdk.zh-CN.md"} {
		text := read(t, file)
		for _, d := range dialects {
			if !regexp.MustCompile(`(?m)^\| \[` + regexp.QuoteMeta(d.name) + `\]\(#.*\| ` + regexp.QuoteMeta(d.version) + ` \|`).MatchString(text) {
				t.Errorf("%s has no line for %s %s", file, d.name, d.version)
			}
		}
		var all []string
		for _, b := range blocks(t, file) {
			if b.lang == "sh" {
				continue
			}
			all = append(all, b.lang+"\n"+b.text)
			for _, m := range address.FindAllStringSubmatch(b.text, -1) {
				if !slices.ContainsFunc(served[m[1]], func(path string) bool { return strings.HasPrefix(path, strings.TrimSuffix(m[2], "/")+"/") }) {
					t.Errorf("%s:%d: no SDK asks for what is below %s", file, b.line, m[0])
				}
			}
		}
		if code == nil {
			code = all
		} else if i := slices.IndexFunc(all, func(b string) bool { return !slices.Contains(code, b) }); i >= 0 || len(all) != len(code) {
			t.Errorf("%s shows other code than the English page: %s", file, all[max(i, 0)])
		}
	}
}

// A block that names a file stands in it, but for its indentation:
//
//	```go examples/silenceper/main.go
//	```go norun: why       stands in none
func TestDocumentedCodeStandsInItsFile(t *testing.T) {
	t.Parallel()
	dedent := func(text string) string { return regexp.MustCompile(`(?m)^[ \t]+`).ReplaceAllString(text, "") }
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			if b.lang != "go" && b.lang != "js" || b.info == "" || strings.HasPrefix(b.info, "norun: ") {
				continue
			}
			if !strings.Contains(dedent(read(t, b.info)), "\n"+dedent(b.text)) {
				t.Errorf("%s:%d: %s says it differently", file, b.line, b.info)
			}
		}
	}
}
