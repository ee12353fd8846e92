package wxsim

import (
	"encoding/json"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
)

// ticket asks for one.
func (k *kit) ticket(t TicketType, token string) (string, got) {
	g := k.do("GET", pathTicket+"?access_token="+url.QueryEscape(token)+"&type="+url.QueryEscape(string(t)), "")
	var v struct{ Ticket string }
	_ = json.Unmarshal([]byte(g.body), &v)
	return v.Ticket, g
}

func TestATicketIsTheSameUntilThePlatformsOwnClockTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		token := k.wantToken("token", k.stableAsk(false)).token
		first, g := k.ticket(JSAPI, token)
		if len(first) != 86 || g.expiresIn != 7200 || g.errcode != 0 {
			t.Fatalf("got %s", g.body)
		}
		if card, _ := k.ticket(WXCard, token); card == first || card == "" {
			t.Error("two types share a ticket")
		}
		time.Sleep(10 * time.Minute)
		changes, last, old, since := 0, first, "", time.Now()
		for begin := time.Now(); time.Since(begin) < 12*time.Hour; time.Sleep(10 * time.Minute) {
			v, g := k.ticket(JSAPI, k.stableAsk(false).token)
			if g.expiresIn != 7200 {
				t.Fatalf("told %d", g.expiresIn)
			}
			if v != last {
				if changes++; changes > 1 && time.Since(since) != 2*time.Hour {
					t.Errorf("changed after %v", time.Since(since))
				}
				old, last, since = last, v, time.Now()
			}
			// The change was within the last ten minutes before it was seen.
			if lives := k.ValidTicket(appID, JSAPI, old); old != "" && lives != (time.Since(since) < time.Hour) {
				t.Errorf("%v after the change the old one lives: %v", time.Since(since), lives)
			}
		}
		if changes < 3 {
			t.Errorf("%d changes in twelve hours", changes)
		}
		k.wantRules("every ten minutes is seldom enough")
	})
}

func TestTicketsThatEndEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{Quirks: NewTickets})
		token := k.stableAsk(false).token
		first, _ := k.ticket(JSAPI, token)
		time.Sleep(time.Hour)
		second, _ := k.ticket(JSAPI, k.stableAsk(false).token)
		if first == second || k.TicketsIssued(appID, JSAPI) != 2 || k.Ticket(appID, JSAPI) != second {
			t.Fatal("the same again")
		}
		time.Sleep(5*time.Minute - 1)
		if !k.ValidTicket(appID, JSAPI, first) {
			t.Error("dead before the overlap was over")
		}
		time.Sleep(time.Nanosecond)
		if k.ValidTicket(appID, JSAPI, first) || !k.ValidTicket(appID, JSAPI, second) {
			t.Error("after the overlap the second alone lives")
		}
	})
}

func TestWhoGetsATicket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		must(t, k.AddApp(App{ID: "wx00000000000000aa", Secret: secret, Type: MiniProgram}))
		token := k.stableAsk(false).token
		code := func(ty TicketType, token string) got { _, g := k.ticket(ty, token); return g }
		k.wantCode("no token", k.do("GET", pathTicket+"?type=jsapi", ""), 41001)
		k.wantCode("no token of anybody", code(JSAPI, "nonsense"), 40001)
		k.wantCode("no such type", code("agent_config", token), 40097)
		k.wantCode("in capitals", code("JSAPI", token), 40097)
		other := k.do("POST", pathStable, `{"grant_type":"client_credential","appid":"wx00000000000000aa","secret":"`+secret+`"}`).token
		k.wantCode("a mini program", code(JSAPI, other), 48001)
		must(t, k.AllowTickets(appID, false))
		k.wantCode("no right", code(JSAPI, token), 48001)
		must(t, k.AllowTickets(appID, true))
		k.wantCode("the right given back", code(JSAPI, token), 0)
		value := k.Ticket(appID, JSAPI)
		must(t, k.EndTickets(appID))
		if k.ValidTicket(appID, JSAPI, value) {
			t.Error("an ended ticket lives")
		}
		if v, _ := k.ticket(JSAPI, token); v == value || !k.ValidTicket(appID, JSAPI, v) {
			t.Error("an ended ticket was given out again")
		}
		k.wantRules("nothing to mind")
		if got := k.TicketsAsked(appID, JSAPI); got != 3 {
			t.Errorf("asked %d times", got)
		}
	})
}

func TestWhatTheJudgeMindsAboutTickets(t *testing.T) {
	t.Parallel()
	judged(t, Options{}, func(k *kit) {
		token := k.stableAsk(false).token
		k.ticket(JSAPI, token)
		k.ticket(WXCard, token)
		k.wantRules("another type is another ticket")
		time.Sleep(3 * time.Minute)
		k.ticket(JSAPI, token)
		k.wantRules("after three minutes", TicketTooSoon)
		time.Sleep(4 * time.Minute)
		k.ticket(JSAPI, token)
		k.wantRules("after four")
		k.Fail(Fault{Mode: LostAnswer, Path: pathTicket, Count: 1})
		time.Sleep(4 * time.Minute)
		k.ticket(JSAPI, token)
		k.ticket(JSAPI, token)
		k.wantRules("after a lost answer")

		time.Sleep(time.Hour)
		must(k.T, k.Revoke(appID))
		k.ticket(JSAPI, token)
		k.wantRules("who could know")
		k.ticket(JSAPI, token)
		k.wantRules("the same dead token again", DeadTokenShown)

		must(k.T, k.Expire(appID))
		token = k.stableAsk(true).token
		must(k.T, k.AllowTickets(appID, false))
		k.ticket(JSAPI, token)
		k.wantRules("no right")
		k.ticket(JSAPI, token)
		k.wantRules("no right, asked again", IgnoredRefusal)
		k.Fail(Fault{Mode: Errcode, Errcode: 45009, Path: pathTicket, Count: 1})
		time.Sleep(time.Minute)
		k.ticket(JSAPI, token)
		k.ticket(JSAPI, token)
		k.wantRules("the day is spent", IgnoredQuota)
	})
}

// The vectors of WeChat's page: JS-SDK, appendix 1.
func TestJSSignaturesAreThePublishedOnes(t *testing.T) {
	t.Parallel()
	const ticket = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
	for page, want := range map[string]string{
		"http://mp.weixin.qq.com?params=value": "0f9de62fce790f9a083d5c99e95740ceb90c27ed",
		"http://mp.weixin.qq.com":              "f4d90daf4b3bca3078ab155816175ba34c443a7b",
	} {
		if got := signJS(ticket, "Wm3WZYTPz0wzccnW", 1414587457, page); got != want {
			t.Errorf("%s: %s, want %s", page, got, want)
		}
	}
}

func TestABrowserTakesAConfigurationOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	s := New(Options{Quirks: NoQuirks})
	must(t, s.AddApp(App{ID: appID, Secret: secret, JSDomains: []string{"shop.example"}}))
	k := &kit{T: t, Sim: s, tr: s.Transport()}
	ticket, _ := k.ticket(JSAPI, k.stableAsk(false).token)
	good := JSConfig{AppID: appID, Timestamp: 1414587457, NonceStr: "n", URL: "https://shop.example/?a=1#part"}
	good.Signature = signJS(ticket, "n", 1414587457, "https://shop.example/?a=1")
	must(t, s.CheckJSConfig(good))
	for what, edit := range map[string]func(*JSConfig){
		"another time":    func(c *JSConfig) { c.Timestamp++ },
		"another nonce":   func(c *JSConfig) { c.NonceStr = "m" },
		"another address": func(c *JSConfig) { c.URL = "https://shop.example/?a=2" },
		"another app":     func(c *JSConfig) { c.AppID = "wx00000000000000aa" },
	} {
		c := good
		edit(&c)
		if err := s.CheckJSConfig(c); err != ErrJSSignature {
			t.Errorf("%s: %v", what, err)
		}
	}
	other := good
	other.URL = "https://evil.example/"
	if err := s.CheckJSConfig(other); err != ErrJSDomain {
		t.Errorf("another host: %v", err)
	}
	must(t, s.EndTickets(appID))
	if err := s.CheckJSConfig(good); err != ErrJSSignature {
		t.Errorf("a dead ticket: %v", err)
	}
}
