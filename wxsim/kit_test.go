package wxsim

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const (
	appID  = "wx0123456789abcdef"
	secret = "0123456789abcdef0123456789abcdef"
	host   = "https://api.weixin.qq.com"
)

// kit is a caller of a platform of its own.
type kit struct {
	*testing.T
	*Sim
	tr *Transport
}

// got is what came back from a call.
type got struct {
	status    int
	header    http.Header
	body      string
	errcode   int
	errmsg    string
	token     string
	expiresIn int
	err       error
}

// dull is a platform without quirks; quirky tests say which they want.
func dull(t *testing.T, o Options) *kit {
	t.Helper()
	if o.Quirks == 0 {
		o.Quirks = NoQuirks
	}
	s := New(o)
	must(t, s.AddApp(App{ID: appID, Secret: secret}))
	return &kit{T: t, Sim: s, tr: s.Transport()}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (k *kit) do(method, target, body string) got {
	return k.doCtx(context.Background(), method, target, body)
}

func (k *kit) doCtx(ctx context.Context, method, target, body string) got {
	k.Helper()
	r, err := http.NewRequestWithContext(ctx, method, host+target, strings.NewReader(body))
	must(k.T, err)
	resp, err := (&http.Client{Transport: k.tr}).Do(r)
	if err != nil {
		return got{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	g := parse(b)
	g.status, g.header, g.err = resp.StatusCode, resp.Header, err
	return g
}

func parse(b []byte) got {
	var v struct {
		Errcode   int
		Errmsg    string
		Token     string `json:"access_token"`
		ExpiresIn int    `json:"expires_in"`
	}
	_ = json.Unmarshal(b, &v) // many a body here is no JSON
	return got{body: string(b), errcode: v.Errcode, errmsg: v.Errmsg, token: v.Token, expiresIn: v.ExpiresIn}
}

func classicURL(app, secret string) string {
	return pathToken + "?grant_type=client_credential&appid=" + app + "&secret=" + secret
}

func (k *kit) classic() got { return k.do("GET", classicURL(appID, secret), "") }

func (k *kit) stableAsk(force bool) got {
	b, _ := json.Marshal(map[string]any{"grant_type": "client_credential", "appid": appID, "secret": secret, "force_refresh": force})
	return k.do("POST", pathStable, string(b))
}

// use brings a token to a call that needs nothing else.
func (k *kit) use(token string) int {
	return k.do("GET", "/cgi-bin/get_api_domain_ip?access_token="+url.QueryEscape(token), "").errcode
}

func (k *kit) wantCode(what string, g got, code int) {
	k.Helper()
	if g.err != nil || g.errcode != code || g.status != 200 {
		k.Errorf("%s: got errcode %d, status %d, error %v, body %q; want errcode %d", what, g.errcode, g.status, g.err, g.body, code)
	}
}

func (k *kit) wantToken(what string, g got) got {
	k.Helper()
	if g.err != nil || g.token == "" {
		k.Fatalf("%s: got body %q, error %v; want a token", what, g.body, g.err)
	}
	return g
}

// wantRules compares the rules broken so far, and forgets them.
func (k *kit) wantRules(what string, rules ...Rule) {
	k.Helper()
	var found []Rule
	for _, v := range k.Violations() {
		found = append(found, v.Rule)
	}
	k.ClearViolations()
	if len(found) != len(rules) {
		k.Errorf("%s: got violations %v, want %v", what, found, rules)
		return
	}
	for i := range rules {
		if found[i] != rules[i] {
			k.Errorf("%s: got violations %v, want %v", what, found, rules)
			return
		}
	}
}

// server is the platform behind a real socket.
func (k *kit) server() *httptest.Server {
	v := httptest.NewUnstartedServer(k.Sim)
	v.Config.ErrorLog = quiet()
	v.Start()
	k.Cleanup(v.Close)
	return v
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
