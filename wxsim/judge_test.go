package wxsim

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// judged runs a caller's behaviour on the platform's slow path and compares the verdicts.
func judged(t *testing.T, o Options, f func(k *kit)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(dull(t, o)) })
}

func TestAskingAgainNeedsAReason(t *testing.T) {
	t.Parallel()
	judged(t, Options{}, func(k *kit) {
		k.classic()
		time.Sleep(59 * time.Minute)
		k.classic()
		k.wantRules("in the first half of a life", AskedAgain)
		time.Sleep(90 * time.Minute)
		k.classic()
		k.wantRules("at three quarters of a life")
		time.Sleep(3 * time.Hour)
		k.classic()
		k.wantRules("after a life")

		time.Sleep(time.Minute)
		must(k.T, k.Outsider(appID))
		k.classic()
		k.wantRules("an outsider is no reason while the token lives", AskedAgain)
		must(k.T, k.Outsider(appID))
		must(k.T, k.Outsider(appID))
		k.use(k.caller())
		k.classic()
		k.wantRules("a refused token is a reason")
		time.Sleep(time.Minute)
		k.Fail(Fault{Mode: Errcode, Errcode: 40001, Path: "/cgi-bin/get_api_domain_ip", Count: 1})
		k.use(k.caller())
		k.classic()
		k.wantRules("even if the platform was wrong to refuse it")

		time.Sleep(time.Minute)
		must(k.T, k.Excuse(appID))
		k.classic()
		k.wantRules("an operator's order")
		time.Sleep(time.Minute)
		for range 10 {
			k.stableAsk(false)
		}
		k.wantRules("the stable line may be asked")
	})
}

// caller is the token that the judge believes in the caller's hand.
func (k *kit) caller() string { return k.app(appID).caller[Classic].hand.value }

func TestLostAnswerAllowsOneRepeatAfterTheDrain(t *testing.T) {
	t.Parallel()
	judged(t, Options{}, func(k *kit) {
		k.classic()
		time.Sleep(90 * time.Minute)
		k.Fail(Fault{Mode: LostAnswer, Count: 1})
		k.classic()
		time.Sleep(75 * time.Second)
		k.classic()
		k.wantRules("after the drain")

		time.Sleep(90 * time.Minute)
		k.Fail(Fault{Mode: SystemBusy, Count: 1})
		k.classic()
		time.Sleep(10 * time.Second)
		k.classic()
		k.wantRules("before the drain, with a live token in hand", RepeatedTooSoon)

		time.Sleep(90 * time.Minute)
		must(k.T, k.Expire(appID))
		k.Fail(Fault{Mode: Garbage, Count: 3})
		k.classic()
		time.Sleep(time.Second)
		k.classic()
		k.wantRules("nothing live in hand: at once")
		time.Sleep(time.Second)
		k.classic()
		k.wantRules("but not over and over", RepeatedTooSoon)
		time.Sleep(3 * time.Second)
		k.classic()
		k.wantRules("patiently")
	})
}

func TestAnswerThatCameTooLateIsLost(t *testing.T) {
	t.Parallel()
	judged(t, Options{}, func(k *kit) {
		k.classic()
		time.Sleep(90 * time.Minute)
		k.Fail(Fault{Mode: SlowAnswer, Delay: 10 * time.Second, Count: 1})
		ctx, cancel := context.WithTimeout(k.Context(), 8*time.Second)
		defer cancel()
		if g := k.doCtx(ctx, "GET", classicURL(appID, secret), ""); g.err == nil {
			k.Fatal("the caller waited")
		}
		if h := k.History(); !h[1].Lost || !h[1].Issued {
			k.Errorf("got %+v, want an issue whose answer was lost", h[1])
		}
		time.Sleep(80 * time.Second)
		k.classic()
		k.wantRules("after the drain")
	})
}

func TestOddExpiresInIsHalfAReason(t *testing.T) {
	t.Parallel()
	judged(t, Options{}, func(k *kit) {
		k.Fail(Fault{Mode: OddExpiresIn, Value: "null", Count: 1})
		k.classic()
		time.Sleep(time.Minute)
		k.classic()
		k.wantRules("too soon even for a life of one overlap", AskedAgain)
		time.Sleep(90 * time.Minute)
		k.Fail(Fault{Mode: OddExpiresIn, Value: "null", Count: 1})
		k.classic()
		time.Sleep(4 * time.Minute)
		k.classic()
		k.wantRules("taken as one overlap")
	})
}

func TestSilentRetryIsSeen(t *testing.T) {
	t.Parallel()
	judged(t, Options{}, func(k *kit) {
		k.Fail(Fault{Mode: LostAnswer, Count: 1})
		k.classic()
		k.classic()
		k.wantRules("the same request at once", SentTwice)
	})
	// And by net/http's own hand: a kept connection dies, and it sends the GET again.
	k := dull(t, Options{})
	v := k.server()
	client := &http.Client{Transport: &http.Transport{}}
	resp, err := client.Get(v.URL + "/cgi-bin/nothing")
	must(t, err)
	io.Copy(io.Discard, resp.Body) // else the connection is not kept
	resp.Body.Close()
	k.classic()
	k.Fail(Fault{Mode: LostAnswer, Path: pathToken, Count: 1})
	resp, err = client.Get(v.URL + classicURL(appID, secret))
	must(t, err)
	resp.Body.Close()
	if n := k.Issues(appID); n != 3 {
		t.Errorf("net/http: got %d issues, want one and the two of a repeated GET", n)
	}
	// On a machine that stood still for a moment it is no burst, but too soon all the same.
	if v := k.Violations(); len(v) != 2 || v[0].Rule != AskedAgain || v[1].Rule != SentTwice && v[1].Rule != RepeatedTooSoon {
		t.Errorf("net/http: got %v", v)
	}
}

func TestBackOffs(t *testing.T) {
	t.Parallel()
	judged(t, Options{MinuteLimit: 1}, func(k *kit) {
		time.Sleep(5 * time.Second)
		k.stableAsk(false)
		k.wantCode("minute", k.stableAsk(false), 45011)
		time.Sleep(30 * time.Second)
		k.stableAsk(false)
		k.wantRules("within the minute", IgnoredMinute)
		time.Sleep(time.Minute)
		k.stableAsk(false)
		k.wantRules("after the minute")
	})
	judged(t, Options{}, func(k *kit) {
		k.Fail(Fault{Mode: Errcode, Errcode: 45009, Count: 1})
		k.wantCode("quota", k.classic(), 45009)
		time.Sleep(time.Hour)
		k.stableAsk(false)
		k.wantRules("the other line is free")
		k.classic()
		k.wantRules("before midnight", IgnoredQuota)
		must(k.T, k.Expire(appID))

		k.Fail(Fault{Mode: Errcode, Errcode: 45009, Count: 1})
		k.classic()
		k.ClearViolations()
		k.wantCode("cleared", k.do("POST", "/cgi-bin/clear_quota/v2", `{"appid":"`+appID+`","appsecret":"`+secret+`"}`), 0)
		must(k.T, k.Expire(appID))
		k.classic()
		k.wantRules("after clear_quota")

		k.Fail(Fault{Mode: Errcode, Errcode: 45009, Count: 1})
		time.Sleep(3 * time.Hour)
		k.wantCode("quota", k.classic(), 45009)
		time.Sleep(time.Until(midnight(time.Now())))
		k.classic()
		k.wantRules("after midnight")
	})
}

func TestRefusalsWaitForAPerson(t *testing.T) {
	t.Parallel()
	judged(t, Options{}, func(k *kit) {
		wrong := func() { k.wantCode("wrong secret", k.do("GET", classicURL(appID, "wrong"), ""), 40125) }
		wrong()
		k.wantToken("another secret", k.classic())
		k.wantRules("is another question")
		must(k.T, k.Expire(appID))
		wrong()
		time.Sleep(30 * time.Second)
		wrong()
		k.wantRules("within a minute", IgnoredRefusal)
		time.Sleep(time.Minute)
		wrong()
		k.wantRules("once a minute")
		must(k.T, k.ResetSecret(appID, "wrong"))
		k.wantToken("put right", k.do("GET", classicURL(appID, "wrong"), ""))
		k.wantRules("somebody touched the console")
		must(k.T, k.ResetSecret(appID, secret))

		time.Sleep(3 * time.Hour)
		must(k.T, k.AllowIPs(appID, "203.0.113.9"))
		k.wantCode("address", k.classic(), 40164)
		k.tr.RemoteAddr = "203.0.113.9:1"
		k.wantToken("another address", k.classic())
		k.wantRules("is another question")
	})
}

func TestForceHasASpacing(t *testing.T) {
	t.Parallel()
	judged(t, Options{}, func(k *kit) {
		k.stableAsk(true)
		time.Sleep(20 * time.Second)
		k.stableAsk(true)
		k.wantRules("after 20 s", ForcedTooSoon)
		time.Sleep(10 * time.Second)
		k.stableAsk(true)
		k.wantRules("after 30 s")
	})
}

func TestSecretsAndTokensInTheWrongPlace(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	k.do("POST", pathStable+"?secret="+secret, `{}`)
	k.wantRules("stable_token", SecretInURL)
	k.do("POST", "/cgi-bin/clear_quota/v2?appid="+appID+"&appsecret="+secret, "")
	k.wantRules("clear_quota/v2", SecretInURL)

	raw := func(host, header, value string) {
		r, _ := http.NewRequest("GET", host+"/cgi-bin/get_api_domain_ip", strings.NewReader(""))
		if header != "" {
			r.Header.Set(header, value)
		}
		resp, err := k.tr.RoundTrip(r)
		must(t, err)
		resp.Body.Close()
	}
	raw(host, "Referer", host+classicURL(appID, secret))
	k.wantRules("referer", SecretInURL)
	raw(host, "Authorization", "Bearer x")
	k.wantRules("header", TokenMisplaced)
	for _, good := range []string{"https://api2.weixin.qq.com", "https://sz.api.weixin.qq.com:443", "http://127.0.0.1:8080", "http://[::1]:80", "http://localhost:1", "http://10.1.2.3"} {
		raw(good, "", "")
	}
	k.wantRules("known hosts")
	raw("https://api.weixin.qq.com.example.com", "", "")
	raw("https://8.8.8.8", "", "")
	k.wantRules("strange hosts", ForeignHost, ForeignHost)

	for _, v := range k.History() {
		if strings.Contains(v.Path+v.Host+v.Token, secret) {
			t.Errorf("the history holds a secret: %+v", v)
		}
	}
}

func TestScaledPlatformScalesThePatience(t *testing.T) {
	t.Parallel()
	judged(t, Options{Speed: 60}, func(k *kit) {
		k.classic()
		time.Sleep(59 * time.Second)
		k.classic()
		k.wantRules("in the first half", AskedAgain)
		time.Sleep(90 * time.Second)
		k.classic()
		k.wantRules("at three quarters")
	})
}
