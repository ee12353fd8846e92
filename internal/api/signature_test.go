package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/wxsim"
)

const signPath = "/v1/apps/" + shop + "/jsapi-signature"

// signed asks for a signature and has WeChat's browser look at it.
func (w *world) signed(client, page string) error {
	w.t.Helper()
	a := w.ask("POST", signPath, client, `{"url":"`+page+`"}`)
	if a.status != http.StatusOK {
		w.t.Fatalf("%s: %d %s", client, a.status, a.body)
	}
	m := a.json(w.t)
	if len(m) != 4 || m["appId"] != shop || len(m["nonceStr"].(string)) < 16 {
		w.t.Errorf("the answer is %s", a.body)
	}
	if ticket := w.sim.Ticket(shop, wxsim.JSAPI); ticket == "" || strings.Contains(a.body, ticket) {
		w.t.Errorf("no ticket, or it is in the answer: %s", a.body)
	}
	return w.sim.CheckJSConfig(wxsim.JSConfig{
		AppID: shop, Timestamp: int64(m["timestamp"].(float64)), NonceStr: m["nonceStr"].(string), Signature: m["signature"].(string), URL: page,
	})
}

func TestWeChatTakesASignatureOfHufus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for _, page := range []string{"https://shop.example/", "https://shop.example/a?b=c&d=%E4%BD%A0#part", "http://shop.example:8080/#/cart"} {
		for range 2 {
			if err := w.signed("signer", page); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if got := w.sim.TicketsAsked(shop, wxsim.JSAPI); got != 1 {
		t.Errorf("WeChat was asked for the ticket %d times", got)
	}
	a, b := w.ask("POST", signPath, "signer", `{"url":"https://shop.example/"}`), w.ask("POST", signPath, "signer", `{"url":"https://shop.example/"}`)
	if a.json(t)["nonceStr"] == b.json(t)["nonceStr"] {
		t.Error("two signatures share their nonce")
	}
	if n := w.recorded("action", "sign", "client", "signer", "host", "*", "decision", "allowed"); n != 1 {
		t.Errorf("%d records of signatures with one ticket", n)
	}
	for _, v := range w.sim.Violations() {
		t.Errorf("WeChat would mind: %v", v)
	}
}

func TestWhoMaySignWhichPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for _, c := range []struct {
		client, app, page string
		status            int
		says              string
	}{
		{"narrow", shop, "https://shop.example/", 200, ""},
		{"narrow", shop, "https://a.m.example/x", 200, ""},
		{"narrow", shop, "https://m.example/", 403, "js_hosts"},
		{"narrow", shop, "https://shop.example.evil.example/", 403, "js_hosts"},
		{"signer", shop, "https://anywhere.example/", 200, ""},
		{"signer", other, "https://shop.example/", 404, "not_found"},
		{"signer", "wx00000000000000ff", "https://shop.example/", 404, "not_found"},
		{"real", shop, "https://shop.example/", 403, "add ticket to allow"},
		{"caller", shop, "https://shop.example/", 403, "add ticket to allow"},
		{"away", shop, "https://shop.example/", 403, "from"},
		{"", shop, "https://shop.example/", 401, "unauthorized"},
	} {
		a := w.ask("POST", "/v1/apps/"+c.app+"/jsapi-signature", c.client, `{"url":"`+c.page+`"}`)
		if a.status != c.status || !strings.Contains(a.body, c.says) {
			t.Errorf("%s, %s, %s: %d %s; want %d and %q", c.client, c.app, c.page, a.status, a.body, c.status, c.says)
		}
	}
	if n := w.recorded("action", "sign", "decision", "denied", "client", "narrow"); n != 2 {
		t.Errorf("%d denials of narrow recorded", n)
	}
	if n := w.recorded("action", "sign", "decision", "allowed", "host", "*.m.example"); n != 1 {
		t.Errorf("the registered host was recorded %d times", n)
	}
}

func TestWhatIsNoRequestForASignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for _, body := range []string{
		``, `{}`, `[]`, `null`, `"https://shop.example/"`, `{"url":""}`, `{"url":null}`, `{"url":7}`, `{"url":["https://shop.example/"]}`,
		`{"URL":"https://shop.example/"}`, `{"url":"https://shop.example/","url":"https://evil.example/"}`, `{"url":"https://shop.example/","nonceStr":"x"}`,
		`{"url":"https://shop.example/"} {}`, `url=https://shop.example/`, `{"url":"/page"}`, `{"url":"https:\/\/Shop.example\/"}`,
		`{"url":"https%3A%2F%2Fshop.example%2F"}`, `{"url":"https://shop.example/\u0000"}`, `{"url":"https://shop.example/你好"}`,
		`{"url":"https://shop.example/` + strings.Repeat("a", 3000) + `"}`,
	} {
		if a := w.ask("POST", signPath, "signer", body); a.status != http.StatusBadRequest || !strings.Contains(a.body, "bad_request") {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := w.ask("GET", signPath+"?url=https://shop.example/", "signer", ""); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", a.status)
	}
	if got := w.sim.TicketsAsked(shop, wxsim.JSAPI); got != 0 {
		t.Errorf("WeChat was asked for a ticket %d times", got)
	}
}

func TestWithoutTicketsAnAppSaysWhyItCannotSign(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{first: func(s *wxsim.Sim) error { return s.AllowTickets(shop, false) }})
	a := w.ask("POST", signPath, "signer", `{"url":"https://shop.example/"}`)
	if a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "48001") || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
}
