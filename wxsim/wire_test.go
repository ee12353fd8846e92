package wxsim

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// sent tells, as a careful caller would, whether a request may have reached the platform.
func (k *kit) sent(target string) (written bool, err error) {
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{WroteHeaders: func() { written = true }})
	return written, k.doCtx(ctx, "GET", target, "").err
}

func TestRefusedConnectionWasNotSent(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	k.Fail(Fault{Mode: Outage})
	written, err := k.sent(classicURL(appID, secret))
	var op *net.OpError
	if written || !errors.As(err, &op) || op.Op != "dial" || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got written %v, error %v; want a dial that was refused", written, err)
	}
	if k.Asked(appID, Classic) != 0 || len(k.History()) != 0 {
		t.Error("the platform saw a request that was never sent")
	}
	k.ClearFaults()
	k.wantToken("after the outage", k.classic())
}

func TestResetAndLostAnswerLookTheSame(t *testing.T) {
	t.Parallel()
	for mode, issues := range map[Mode]int{Reset: 0, LostAnswer: 1} {
		k := dull(t, Options{})
		k.Fail(Fault{Path: pathToken, Mode: mode, Count: 1})
		written, err := k.sent(classicURL(appID, secret))
		var op *net.OpError
		if !written || !errors.As(err, &op) || op.Op != "read" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v: got written %v, error %v; want a read that was reset", mode, written, err)
		}
		if n := k.Issues(appID); n != issues {
			t.Errorf("%v: got %d issues, want %d", mode, n, issues)
		}
		if h := k.History(); len(h) != 1 || !h[0].Lost || h[0].Fault != mode.String() {
			t.Errorf("%v: got history %+v", mode, h)
		}
	}
}

func TestHangLastsAsLongAsTheCallerWaits(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := dull(t, Options{})
			k.Fail(Fault{Mode: Hang, After: after})
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			g := k.doCtx(ctx, "GET", classicURL(appID, secret), "")
			if !errors.Is(g.err, context.DeadlineExceeded) || time.Since(begin) != 8*time.Second {
				t.Errorf("after %v: got error %v after %v", after, g.err, time.Since(begin))
			}
			if got := k.Issues(appID) == 1; got != after {
				t.Errorf("After %v: issued %v", after, got)
			}
		})
	}
}

func TestCallerWhoGaveUpSendsNothing(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	trace := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { cancel() }})
	if g := k.doCtx(trace, "GET", classicURL(appID, secret), ""); !errors.Is(g.err, context.Canceled) {
		t.Errorf("got %v", g.err)
	}
	if k.Issues(appID) != 0 || len(k.History()) != 0 {
		t.Error("a request was handled whose caller gave up before it was sent")
	}
}

func TestSlowBodyComesByteByByte(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		k.Fail(Fault{Mode: SlowBody})
		begin := time.Now()
		g := k.wantToken("patient", k.classic())
		if d := time.Since(begin); d != time.Duration(len(g.body)-1)*time.Second {
			t.Errorf("%d bytes took %v", len(g.body), d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if g := k.doCtx(ctx, "GET", classicURL(appID, secret), ""); !errors.Is(g.err, context.DeadlineExceeded) || len(g.body) > 6 {
			t.Errorf("impatient: got %q, %v", g.body, g.err)
		}
		if h := k.History(); len(h) != 2 || h[0].Lost || !h[1].Lost {
			t.Errorf("history: got %+v", h)
		}
	})
}

func TestSlowAnswerWaitsItsDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{Speed: 60})
		k.Fail(Fault{Mode: SlowAnswer, Delay: 3 * time.Second})
		begin := time.Now()
		k.wantToken("slow", k.classic())
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("got %v, want 3 s of the caller", d)
		}
	})
}

func TestFaultyAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault  Fault
		issues int
		check  func(got) bool
	}{
		{Fault{Mode: Status5xx}, 0, func(g got) bool { return g.status == 502 }},
		{Fault{Mode: Status5xx, Status: 504, After: true}, 1, func(g got) bool { return g.status == 504 }},
		{Fault{Mode: HTML}, 0, func(g got) bool {
			return g.status == 200 && strings.HasPrefix(g.body, "<html>") && strings.HasPrefix(g.header.Get("Content-Type"), "text/html")
		}},
		{Fault{Mode: Empty}, 0, func(g got) bool { return g.status == 200 && g.body == "" }},
		{Fault{Mode: Truncated}, 1, func(g got) bool {
			return errors.Is(g.err, io.ErrUnexpectedEOF) && strings.HasPrefix(g.body, `{"access_token"`)
		}},
		{Fault{Mode: Garbage}, 0, func(g got) bool { return g.status == 200 && !json.Valid([]byte(g.body)) }},
		{Fault{Mode: SystemBusy}, 0, func(g got) bool { return g.errcode == -1 && strings.HasPrefix(g.errmsg, "system error rid: ") }},
		{Fault{Mode: SystemBusy, After: true}, 1, func(g got) bool { return g.errcode == -1 }},
		{Fault{Mode: Errcode, Errcode: 40164}, 0, func(g got) bool { return strings.HasPrefix(g.errmsg, "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1") }},
		{Fault{Mode: OddExpiresIn}, 1, func(g got) bool { return strings.HasSuffix(g.body, `,"expires_in":"7200"}`) }},
		{Fault{Mode: OddExpiresIn, Value: "-7"}, 1, func(g got) bool { return g.expiresIn == -7 && g.token != "" }},
		{Fault{Mode: OddExpiresIn, Value: "missing"}, 1, func(g got) bool { return !strings.Contains(g.body, "expires_in") && g.token != "" }},
		{Fault{Mode: WrongTypes}, 1, func(g got) bool { return strings.HasPrefix(g.body, `{"access_token":null,`) }},
		{Fault{Mode: ExtraToken}, 1, func(g got) bool { return strings.Count(g.body, `"access_token"`) == 2 }},
		{Fault{Mode: Body, Body: `{"errcode":99999}`, Status: 418, ContentType: "x/y"}, 0, func(g got) bool {
			return g.status == 418 && g.body == `{"errcode":99999}` && g.header.Get("Content-Type") == "x/y"
		}},
	} {
		t.Run(c.fault.Mode.String(), func(t *testing.T) {
			t.Parallel()
			k := dull(t, Options{})
			c.fault.Path = "/cgi-bin/to"
			k.Fail(c.fault)
			if k.wantToken("another path", k.stableAsk(false)); k.Faults()[0].use != 0 {
				t.Error("the fault was used on another path")
			}
			if g := k.classic(); !c.check(g) {
				t.Errorf("got %+v", g)
			}
			if n := k.IssuesOf(appID, Classic); n != c.issues {
				t.Errorf("got %d issues, want %d", n, c.issues)
			}
		})
	}
}

func TestFaultsTakeTurnsInTheirForms(t *testing.T) {
	t.Parallel()
	want := map[Mode]int{OddExpiresIn: 11, WrongTypes: 6, ExtraToken: 2, Garbage: 11}
	synctest.Test(t, func(t *testing.T) { // time stands still, and with it what is left of the life
		for mode, forms := range want {
			k := dull(t, Options{})
			k.Fail(Fault{Mode: mode, Path: pathStable})
			seen := map[string]bool{}
			for range 22 {
				seen[k.stableAsk(false).body] = true
			}
			if len(seen) != forms {
				t.Errorf("%v: got %d forms, want %d", mode, len(seen), forms)
			}
		}
	})
}

func TestFaultsEndWhenTold(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{Seed: 1})
	k.Fail(Fault{Mode: Empty, Count: 2})
	clear := k.Fail(Fault{Mode: HTML})
	for i, want := range []string{"", "", "<html>"} {
		if g := k.classic(); !strings.HasPrefix(g.body, want) || want == "" && g.body != "" {
			t.Errorf("request %d: got %q", i, g.body)
		}
	}
	clear()
	k.wantToken("cleared", k.classic())

	must(t, k.AddApp(App{ID: "wx-other", Secret: "s"}))
	k.Fail(Fault{Mode: Empty, App: "wx-other"})
	k.wantToken("an app without fault", k.classic())
	if g := k.do("GET", classicURL("wx-other", "s"), ""); g.body != "" {
		t.Errorf("an app with a fault: got %q", g.body)
	}
	k.ClearFaults()
	k.Fail(Fault{Mode: SystemBusy, Probability: 0.5})
	busy := 0
	for range 1000 {
		if k.stableAsk(false).errcode == -1 {
			busy++
		}
	}
	if busy < 400 || busy > 600 {
		t.Errorf("probability one half: %d of 1000", busy)
	}
}

func TestEveryModeHasAName(t *testing.T) {
	t.Parallel()
	for m := Outage; m <= Body; m++ {
		text, _ := m.MarshalText()
		var back Mode
		if err := back.UnmarshalText(text); err != nil || back != m {
			t.Errorf("%d: %q became %d, %v", m, text, back, err)
		}
	}
	if len(modes) != int(Body)+1 {
		t.Errorf("got %d names for %d modes", len(modes)-1, Body)
	}
}

func TestBadFaultIsTheProgrammersMistake(t *testing.T) {
	t.Parallel()
	for _, f := range []Fault{{}, {Mode: 99}, {Mode: Reset, Probability: 2}, {Mode: Errcode}, {Mode: Errcode, Errcode: 1}, {Mode: Reset, Count: -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was taken", f)
				}
			}()
			dull(t, Options{}).Fail(f)
		}()
	}
}

func TestGzipBombIsSmallOnTheWireOnly(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	k.Fail(Fault{Mode: GzipBomb})
	for _, rt := range []http.RoundTripper{k.tr, &http.Transport{DisableKeepAlives: true}} {
		base := host
		if rt != k.tr {
			base = k.server().URL
		}
		r, _ := http.NewRequest("GET", base+classicURL(appID, secret), nil)
		resp, err := rt.RoundTrip(r)
		must(t, err)
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if n != 100<<20 || err != nil || !resp.Uncompressed {
			t.Errorf("got %d bytes, %v, uncompressed %v; want 100 MiB", n, err, resp.Uncompressed)
		}
		r.Header.Set("Accept-Encoding", "identity")
		resp, err = rt.RoundTrip(r)
		must(t, err)
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if len(b) > 200<<10 || err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("as sent: got %d bytes, %v", len(b), err)
		}
		if _, err := gzip.NewReader(strings.NewReader(string(b))); err != nil {
			t.Error(err)
		}
	}
}

// TestSocketsSayTheSame repeats over TCP what the in-process way promises.
func TestSocketsSayTheSame(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	v := k.server()
	get := func(ctx context.Context) (string, error) {
		r, _ := http.NewRequestWithContext(ctx, "GET", v.URL+classicURL(appID, secret), nil)
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	if b, err := get(t.Context()); err != nil || parse([]byte(b)).token == "" {
		t.Errorf("good: got %q, %v", b, err)
	}
	for _, m := range []Mode{Outage, Reset, LostAnswer} {
		clear := k.Fail(Fault{Mode: m})
		if b, err := get(t.Context()); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			t.Errorf("%v: got %q, %v", m, b, err)
		}
		clear()
	}
	clear := k.Fail(Fault{Mode: Truncated})
	if b, err := get(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(b, "{") {
		t.Errorf("truncated: got %q, %v", b, err)
	}
	clear()
	for _, m := range []Mode{Hang, SlowBody} {
		clear := k.Fail(Fault{Mode: m})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if b, err := get(ctx); !errors.Is(err, context.DeadlineExceeded) || len(b) > 1 {
			t.Errorf("%v: got %q, %v", m, b, err)
		}
		cancel()
		clear()
	}
}
