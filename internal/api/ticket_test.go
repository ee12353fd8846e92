package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/wxsim"
)

const ticketPath = "/cgi-bin/ticket/getticket"

// On WeChat's own path a program is given the kept ticket, in WeChat's form,
// whether it shows a client key or a phantom token.
func TestGetTicketIsAnsweredFromTheKeptOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	phantom := func(client string, typ access.PhantomType, end time.Duration) string {
		key := w.keys[client]
		caller, err := w.guard.Authenticate(key, prefixes("127.0.0.1/32")[0].Addr(), access.Request{})
		must(t, err)
		return w.mint.Mint(access.Phantom{Type: typ, App: shop, Client: client, KeyID: caller.KeyID, End: time.Now().Add(end)}).Reveal()
	}
	c := w.client("ticketed", config.Phantom, shop, config.Token, config.Ticket)
	all := []config.Client{c, w.client("bare", config.Phantom, shop, config.Token), w.client("all", config.Phantom, "*", config.Ticket)}
	w.reg.Declare([]config.App{w.app(shop, config.Stable), w.app(other, config.Stable)}, all)
	token := phantom("ticketed", access.AppPhantom, time.Hour)
	for _, row := range []struct {
		name, method, query, client string
		code                        float64
		says                        string
	}{
		{"a phantom token", "GET", "?access_token=" + token + "&type=jsapi", "", 0, ""},
		{"in any order", "GET", "?type=jsapi&access_token=" + token, "", 0, ""},
		{"the other type", "GET", "?access_token=" + token + "&type=wx_card", "", 0, ""},
		{"a client key", "GET", "?type=jsapi", "ticketed", 0, ""},
		{"a client key beside a token of WeChat's", "GET", "?type=jsapi&access_token=91_REAL", "ticketed", 0, ""},
		{"a client of several apps", "GET", "?type=jsapi&from_appid=" + shop, "all", 0, ""},
		{"which app?", "GET", "?type=jsapi", "all", 40013, "from_appid"},
		{"an app that is not the client's", "GET", "?type=jsapi&from_appid=" + other, "ticketed", 40013, ""},
		{"nothing", "GET", "?type=jsapi", "", 41001, "missing"},
		{"an empty token", "GET", "?type=jsapi&access_token=", "", 41001, "missing"},
		{"a token of WeChat's alone", "GET", "?type=jsapi&access_token=91_REAL", "", 40001, "none that Hufu gave out"},
		{"a user's token", "GET", "?type=jsapi&access_token=" + phantom("ticketed", access.UserPhantom, time.Hour), "", 40001, ""},
		{"an old phantom token", "GET", "?type=jsapi&access_token=" + phantom("ticketed", access.AppPhantom, -time.Hour), "", 42001, "expired"},
		{"no right to tickets", "GET", "?type=jsapi&access_token=" + phantom("bare", access.AppPhantom, time.Hour), "", 48001, "add ticket to allow"},
		{"no type", "GET", "?access_token=" + token, "", 40097, "invalid args"},
		{"an unknown type", "GET", "?type=agent_config&access_token=" + token, "", 40097, "invalid args"},
		{"a type in capitals", "GET", "?type=JSAPI&access_token=" + token, "", 40097, "invalid args"},
		{"two types", "GET", "?type=jsapi&type=wx_card&access_token=" + token, "", 40097, "invalid args"},
		{"another method", "POST", "?type=jsapi&access_token=" + token, "", 43001, "GET"},
	} {
		a := w.ask(row.method, ticketPath+row.query, row.client, "")
		m := a.json(t)
		if a.status != http.StatusOK || m["errcode"] != row.code || !strings.Contains(a.body, row.says) {
			t.Errorf("%s: %d %s; want %v", row.name, a.status, a.body, row.code)
		}
		if row.code == 0 {
			typ := wxsim.JSAPI
			if strings.Contains(row.query, "wx_card") {
				typ = wxsim.WXCard
			}
			// At least half a life is certain, and no more than what is.
			in := m["expires_in"].(float64)
			if m["errmsg"] != "ok" || m["ticket"] != w.sim.Ticket(shop, typ) || in < 2400 || in > 2925 || len(m) != 4 {
				t.Errorf("%s: %s", row.name, a.body)
			}
		} else if !strings.Contains(a.body, " rid: ") {
			t.Errorf("%s: no rid in %s", row.name, a.body)
		}
	}
	if a := w.ask("GET", ticketPath+"?type=jsapi&access_token="+token+"&access_token=x", "", ""); a.status != http.StatusBadRequest {
		t.Errorf("two tokens: %d %s", a.status, a.body)
	}
	if js, card := w.sim.TicketsAsked(shop, wxsim.JSAPI), w.sim.TicketsAsked(shop, wxsim.WXCard); js != 1 || card != 1 {
		t.Errorf("WeChat was asked %d and %d times", js, card)
	}
	if n := w.recorded("action", "ticket", "kind", "jsapi_ticket", "client", "ticketed", "decision", "allowed"); n != 1 {
		t.Errorf("%d records of one ticket", n)
	}
}
