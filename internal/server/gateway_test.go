package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// WeChat's API on listen.api, and who may call what follows the file.
func TestCallsOfWeChatsAPIPassThrough(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	write := func(paths string) {
		n.file("hufu.yaml", `
store: bolt:hufu.db
master_key_file: hufu.key
audit: {file: audit.jsonl}
wechat: {api_url: `+n.api+`}
apps: [{appid: `+shop+`, secret: `+shopSecret+`}]
clients: [{name: shop, key_sha256: [`+n.hash+`], apps: [`+shop+`], allow: [token, call], tokens: real`+paths+`}]
`+anyPorts+"\n")
	}
	write("")
	n.start()
	for path, want := range map[string]struct {
		status int
		part   string
	}{
		"/cgi-bin/get_api_domain_ip": {200, `"ip_list"`},
		"/cgi-bin/clear_quota":       {200, `"errcode":48001`},
		"/cgi-bin/token?appid=wx":    {200, `"errcode":`},
		"/v1/nothing":                {404, "not_found"},
		"/cgi-bin/%2e%2e/v1/apps":    {400, "bad_request"},
	} {
		if status, body := n.get("api", path); status != want.status || !strings.Contains(body, want.part) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	write(", paths: [/cgi-bin/user/*]")
	n.Reload()
	n.until("refused", func() bool {
		status, body := n.get("api", "/cgi-bin/get_api_domain_ip")
		return status == http.StatusOK && strings.Contains(body, "- /cgi-bin/get_api_domain_ip")
	})
	_, metrics := n.get("admin", "/metrics")
	wants(t, metrics, `hufu_calls_total{client="shop",path="/cgi-bin/*",result="passed"}`, `hufu_call_errcodes_total{client="shop",errcode="48001",path=""}`,
		`hufu_call_seconds_count{client="shop",path="/cgi-bin/*"}`, `hufu_app_calls_total{app="`+shop+`"}`, "hufu_calls_under_way 0")
}

// What an SDK does that knows WeChat only: its AppSecret is a client key, its
// API host is Hufu, and the token that it is given works nowhere else.
func TestAProgramThatKnowsWeChatOnlyNeverSeesARealToken(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.file("hufu.yaml", `
store: bolt:hufu.db
master_key_file: hufu.key
audit: {file: audit.jsonl}
wechat: {api_url: `+n.api+`}
apps: [{appid: `+shop+`, secret: `+shopSecret+`}]
clients: [{name: shop, key_sha256: [`+n.hash+`], apps: [`+shop+`], allow: [token, call]}]
`+anyPorts+"\n")
	n.start()
	ask := func(path string) string {
		t.Helper()
		resp, err := client.Get(n.URL("api") + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	var given struct {
		Token string `json:"access_token"`
	}
	said := ask("/cgi-bin/token?grant_type=client_credential&appid=" + shop + "&secret=" + n.key)
	if err := json.Unmarshal([]byte(said), &given); err != nil || given.Token == "" {
		t.Fatal(said, err)
	}
	call := "/cgi-bin/get_api_domain_ip?access_token=" + given.Token
	wants(t, ask(call), `"ip_list"`)
	if n.sim.Valid(shop, given.Token) {
		t.Error("it was given a token of WeChat's")
	}
	if err := n.sim.Expire(shop); err != nil {
		t.Fatal(err)
	}
	wants(t, ask(call), `"ip_list"`)
	if n.sim.Issues(shop) != 2 {
		t.Errorf("%d issues", n.sim.Issues(shop))
	}
	brought, _ := n.sim.LastBrought("/cgi-bin/get_api_domain_ip")
	if strings.Contains(brought.Target, given.Token) {
		t.Error("the phantom token reached WeChat")
	}
}
