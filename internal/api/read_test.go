package api_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/wxsim"
)

func TestReadAnswersWithTheCredential(t *testing.T) {
	t.Parallel()
	for _, source := range []string{config.Stable, config.Classic} {
		w := newWorld(t, options{source: source})
		a := w.ask("GET", path(shop), "real", "")
		if a.status != 200 || a.header.Get("Content-Type") != "application/json" ||
			a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%d %v %s", a.status, a.header, a.body)
		}
		got := a.json(t)
		value := got["value"].(string)
		if !w.sim.Valid(shop, value) {
			t.Errorf("%s: the value does not work", source)
		}
		issued, err := time.Parse(time.RFC3339, got["issued_at"].(string))
		must(t, err)
		expires, err := time.Parse(time.RFC3339, got["expires_at"].(string))
		must(t, err)
		if age := time.Since(issued); age < 0 || age > time.Minute || !strings.HasSuffix(got["issued_at"].(string), "Z") {
			t.Errorf("%s: issued %v ago", source, age)
		}
		left := got["expires_in"].(float64)
		if d := time.Until(expires).Seconds() - left; d < -1 || d > 2 || left > 7200 || left < 7100 {
			t.Errorf("%s: expires in %v s, at %v", source, left, expires)
		}
		want := map[string]any{
			"app": shop, "kind": "access_token", "value": value, "generation": 1.0, "issued_at": got["issued_at"], "expires_at": got["expires_at"],
			"expires_in": left, "max_age": 60.0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", source, diff)
		}
		tag := a.header.Get("Etag")
		if !strings.HasPrefix(tag, `"1-`) || len(tag) != len(`"1-12345678"`) || strings.Contains(value, tag[3:len(tag)-1]) {
			t.Errorf("%s: the tag is %s", source, tag)
		}
	}
}

func TestConditionalReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	tag := w.ask("GET", path(shop), "real", "").header.Get("Etag")
	for _, test := range []struct {
		match []string
		want  int
	}{
		{[]string{tag}, 304},
		{[]string{"W/" + tag}, 304},
		{[]string{`"x", ` + tag}, 304},
		{[]string{`"x",W/` + tag + `,"y"`}, 304},
		{[]string{`"x"`, tag}, 304},
		{[]string{"*"}, 200},
		{[]string{`"x"`}, 200},
		{[]string{strings.Trim(tag, `"`)}, 200},
		{[]string{tag[:len(tag)-2] + `"`}, 200},
		{[]string{""}, 200},
		{[]string{","}, 200},
	} {
		var headers []string
		for _, m := range test.match {
			headers = append(headers, "If-None-Match", m)
		}
		a := w.ask("GET", path(shop), "real", "", headers...)
		if a.status != test.want {
			t.Errorf("If-None-Match: %q: %d, want %d", test.match, a.status, test.want)
		}
		if a.status == 304 && (a.body != "" || a.header.Get("Etag") != tag || a.header.Get("Hufu-Max-Age") != "60") {
			t.Errorf("If-None-Match: %q: %v %q", test.match, a.header, a.body)
		}
	}
}

func TestAfterWithoutWaitAnswersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for query, want := range map[string]int{
		"?after=0": 200, "?after=": 200, "?after=1": 304, "?after=2": 200, "?wait=30s": 200, "?after=0&wait=30s": 200,
		"?after=1&wait=0s": 304, "?after=1&wait=": 304,
	} {
		start := time.Now()
		if a := w.ask("GET", path(shop)+query, "real", ""); a.status != want {
			t.Errorf("%s: %d %s, want %d", query, a.status, a.body, want)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", query, took)
		}
	}
}

func TestWaitEndsWithTheNextGeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	old := w.value("real")
	got := make(chan answer, 1)
	go func() { got <- w.ask("GET", path(shop)+"?after=1&wait=1m", "real", "") }()
	w.untilReads(2)
	if a := w.ask("POST", path(shop)+"/renew", "operator", ""); a.status != 200 {
		t.Fatalf("renew: %d %s", a.status, a.body)
	}
	a := <-got
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if m := a.json(t); m["generation"] != 2.0 || m["value"] == old {
		t.Errorf("the wait ended with generation %v", m["generation"])
	}
}

// untilReads waits until the keeper has served, or begun to serve, n reads.
func (w *world) untilReads(n uint64) {
	w.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if s, ok := w.keeper.Status(credential.Key{App: shop, Kind: credential.AccessToken}); ok && s.Reads >= n {
			return
		}
	}
}

// TestWithdrawnClientsGetNothingOutOfAnOpenWait: what is withdrawn is dead
// within five seconds, whether a new value comes meanwhile or not.
func TestWithdrawnClientsGetNothingOutOfAnOpenWait(t *testing.T) {
	t.Parallel()
	gone := func(w *world, _ string) { w.ask("DELETE", "/v1/clients/late", "operator", "") }
	change := func(old, by string) func(*world, string) {
		return func(w *world, sum string) {
			body := fmt.Sprintf(`{"key_sha256":[%q],"apps":[%q],"allow":["token"],"tokens":"real"}`, sum, shop)
			if a := w.ask("PUT", "/v1/clients/late", "operator", strings.Replace(body, old, by, 1)); a.status != 200 {
				w.t.Errorf("%d %s", a.status, a.body)
			}
		}
	}
	for _, test := range []struct {
		what   string
		do     func(*world, string)
		status int
	}{
		{"client", gone, 401},
		{"key", func(w *world, _ string) { change("", "")(w, strings.Repeat("5e", 32)) }, 401},
		{"app", change(shop, other), 404},
		{"action", change(`["token"]`, `["call"]`), 403},
		{"from", change(`{`, `{"from":["203.0.113.0/24"],`), 403},
	} {
		for _, renewed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, renewed %v", test.what, renewed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, options{})
				sum := config.HashKey(credential.NewSecret(w.addClient("late"))).String()
				w.value("late")
				got := make(chan answer, 1)
				go func() { got <- w.ask("GET", path(shop)+"?after=1&wait=1m", "late", "") }()
				w.untilReads(2)
				test.do(w, sum)
				start := time.Now()
				if renewed {
					if a := w.ask("POST", path(shop)+"/renew", "operator", ""); a.status != 200 {
						t.Fatalf("renew: %d %s", a.status, a.body)
					}
				}
				a := <-got
				if took := time.Since(start); a.status != test.status || strings.Contains(a.body, `"value"`) || took > 5*time.Second {
					t.Errorf("%d %s after %v, want %d", a.status, a.body, took, test.status)
				}
			})
		}
	}
}

func TestWaitersOfAnAppThatIsGoneAreToldSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	must(t, w.sim.AddApp(wxsim.App{ID: "wxnew00000000000", Secret: secret}))
	w.ask("PUT", "/v1/apps/wxnew00000000000", "operator", `{"secret":"`+secret+`"}`)
	w.until("the new app's token", func() bool { return w.ask("GET", path("wxnew00000000000"), "operator", "").status == 200 })
	reads := func() uint64 {
		s, _ := w.keeper.Status(credential.Key{App: "wxnew00000000000", Kind: credential.AccessToken})
		return s.Reads
	}
	before := reads()
	got := make(chan answer, 1)
	go func() { got <- w.ask("GET", path("wxnew00000000000")+"?after=1&wait=1m", "operator", "") }()
	w.until("the wait", func() bool { return reads() > before })
	start := time.Now()
	w.ask("DELETE", "/v1/apps/wxnew00000000000", "operator", "")
	if a := <-got; a.status != 404 || time.Since(start) > 5*time.Second {
		t.Errorf("%d %s after %v", a.status, a.body, time.Since(start))
	}
}

func TestWhatFollowsTheKindIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for _, more := range []string{"/", "/x", "/x/"} {
		if a := w.ask("GET", path(shop)+more, "real", ""); a.status != 404 {
			t.Errorf("%s: %d %s", path(shop)+more, a.status, a.body)
		}
	}
}

// Who waits for a generation after one that is not there has it from before an
// older copy of the store was put back, and is not kept waiting for another
// history to come as far.
func TestWaitAfterAGenerationThatIsLostIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	value := w.value("real")
	for query, least := range map[string]time.Duration{"?after=9&wait=50ms": 50 * time.Millisecond, "?after=9&wait=1m": time.Second} {
		start := time.Now()
		a := w.ask("GET", path(shop)+query, "real", "")
		if took := time.Since(start); a.status != 200 || a.json(t)["value"] != value || took < least || took > 10*time.Second {
			t.Errorf("%s: %d %s after %v", query, a.status, a.body, took)
		}
	}
}

func TestWaitThatBringsNothingIs304(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	tag := w.ask("GET", path(shop), "real", "").header.Get("Etag")
	start := time.Now()
	a := w.ask("GET", path(shop)+"?after=1&wait=50ms", "real", "")
	if a.status != 304 || a.header.Get("Etag") != tag || time.Since(start) < 50*time.Millisecond {
		t.Errorf("%d %v after %v", a.status, a.header, time.Since(start))
	}
}

func TestWaitersEndWhenDrainBegins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.value("real")
	var waiting sync.WaitGroup
	for range 10 {
		waiting.Go(func() {
			if a := w.ask("GET", path(shop)+"?after=1&wait=1m", "real", ""); a.status != 304 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	w.untilReads(11)
	start := time.Now()
	w.drain()
	waiting.Wait()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("they went on waiting for %v", took)
	}
	// And who comes now does not begin to wait.
	if a := w.ask("GET", path(shop)+"?after=1&wait=1m", "real", ""); a.status != 304 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestWaiterThatGoesAwayHoldsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.value("real")
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", w.url+path(shop)+"?after=1&wait=1m", nil)
	must(t, err)
	r.Header.Set("X-Hufu-Key", w.keys["real"])
	done := make(chan error, 1)
	go func() {
		_, err := http.DefaultTransport.RoundTrip(r) //nolint:bodyclose // there is none
		done <- err
	}()
	w.untilReads(2)
	cancel()
	if err := <-done; err == nil {
		t.Error("there was an answer")
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := web.Drain(ctx, w.server); err != nil {
		t.Errorf("its request goes on: %v", err)
	}
}

func TestHerdAtAnEmptyStartIsOneIssue(t *testing.T) {
	t.Parallel()
	for _, source := range []string{config.Stable, config.Classic} {
		w := newWorld(t, options{source: source, required: true})
		var herd sync.WaitGroup
		for range 300 {
			herd.Go(func() {
				if a := w.ask("GET", path(shop), "real", ""); a.status != 200 {
					t.Errorf("%s: %d %s", source, a.status, a.body)
				}
			})
		}
		herd.Wait()
		if n := w.sim.Issues(shop); n != 1 {
			t.Errorf("%s: %d issues", source, n)
		}
		if n := w.recorded("client", "real", "decision", "allowed"); n != 1 {
			t.Errorf("%s: %d records of one hand-out", source, n)
		}
	}
}

func TestNotGrantedLooksLikeNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	same := func(a answer) string {
		m := a.json(t)
		delete(m, "request_id")
		return fmt.Sprint(a.status, m)
	}
	for _, method := range []string{"GET", "POST"} {
		suffix, body := "", ""
		if method == "POST" {
			suffix, body = "/report", `{"generation":1}`
		}
		granted := same(w.ask(method, path(other)+suffix, "real", body))
		there := same(w.ask(method, path("wx-nowhere")+suffix, "real", body))
		kind := same(w.ask(method, "/v1/apps/"+shop+"/credentials/no_such_kind"+suffix, "operator", body))
		if granted != there || !strings.HasPrefix(there, "404") {
			t.Errorf("%s: not granted: %s\nnot there: %s", method, granted, there)
		}
		if !strings.HasPrefix(kind, "403") { // the operator has no allow: ticket
			t.Errorf("%s: an unknown kind: %s", method, kind)
		}
	}
	if n := w.recorded("client", "real", "decision", "denied"); n != 4 {
		t.Errorf("%d denials recorded, want 4", n)
	}
}

func TestWhatAClientMayNotDoIs403(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for client, want := range map[string]string{
		"caller": "may not be given tokens", "away": "may not call from 127.0.0.1", "manager": "may not be given tokens",
	} {
		a := w.ask("GET", path(shop), client, "")
		if m := a.json(t); a.status != 403 || m["code"] != "forbidden" || !strings.Contains(m["detail"].(string), want) || m["hint"] == nil {
			t.Errorf("%s: %d %s", client, a.status, a.body)
		}
	}
	if w.sim.Issues(shop) > 1 {
		t.Error("they made the keeper issue")
	}
}

func TestRevokedKeyIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	key := w.addClient("late")
	if a := w.ask("GET", path(shop), "late", ""); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := w.ask("DELETE", "/v1/clients/late", "operator", ""); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := w.ask("GET", path(shop), "", "", "Authorization", "Bearer "+key); a.status != 401 {
		t.Errorf("a revoked key: %d %s", a.status, a.body)
	}
}

func TestFloodOfWrongKeysIsHeldUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	counts := map[int]int{}
	for i := range 200 {
		a := w.ask("GET", path(shop), "", "", "Authorization", fmt.Sprintf("Bearer guess-%d", i))
		counts[a.status]++
		if a.status == 429 && a.header.Get("Retry-After") == "" {
			t.Error("429 does not say when to come back")
		}
		if a.status == 401 && !strings.HasPrefix(a.header.Get("Www-Authenticate"), "Bearer") {
			t.Error("401 does not say how to sign in")
		}
	}
	if counts[429] < 100 || counts[401] < 10 || counts[401]+counts[429] != 200 {
		t.Errorf("the answers were %v", counts)
	}
	if w.value("real") == "" {
		t.Error("a right key is held up, too")
	}
}

func TestNothingLiveIs503WithTheReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{first: func(s *wxsim.Sim) error { return s.AllowIPs(shop, "203.0.113.9") }})
	start := time.Now()
	a := w.ask("GET", path(shop), "real", "")
	m := a.json(t)
	if a.status != 503 || m["code"] != "unavailable" || m["errcode"] != 40164.0 || m["ip"] == "" || a.header.Get("Retry-After") == "" ||
		!strings.Contains(m["hint"].(string), "allow-list") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestRequiredAuditThatFailsRefusesNewHandOuts(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	w := newWorld(t, options{required: true, path: "/dev/full"})
	a := w.ask("GET", path(shop), "real", "")
	if m := a.json(t); a.status != 503 || m["code"] != "unrecorded" || strings.Contains(a.body, "value") {
		t.Errorf("%d %s", a.status, a.body)
	}
	a = w.ask("GET", "/cgi-bin/token?grant_type=client_credential&appid="+shop+"&secret="+w.keys["real"], "", "")
	if m := a.json(t); m["errcode"] != -1.0 || m["access_token"] != nil {
		t.Errorf("%d %s", a.status, a.body)
	}
	w = newWorld(t, options{required: false, path: "/dev/full"})
	if w.value("real") == "" || w.guard.Counts().Unrecorded != 1 {
		t.Errorf("where it is not required: %+v", w.guard.Counts())
	}
}

// TestTrustedProxySaysWhereACallComesFrom, and nobody else does.
func TestTrustedProxySaysWhereACallComesFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	from := []string{"X-Forwarded-For", "198.51.100.1, 203.0.113.9"}
	if a := w.ask("GET", path(shop), "away", "", from...); a.status != 403 {
		t.Errorf("without a trusted proxy: %d %s", a.status, a.body)
	}
	w.surface.Trust(prefixes("127.0.0.0/8", "::1/128"))
	if a := w.ask("GET", path(shop), "away", "", from...); a.status != 200 {
		t.Errorf("through a trusted proxy: %d %s", a.status, a.body)
	}
	if n := w.recorded("client", "away", "ip", "203.0.113.9", "decision", "allowed"); n != 1 {
		t.Errorf("recorded %v", w.records())
	}
}
