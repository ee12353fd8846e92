package api_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/wxsim"
)

// phantom fails unless a value is a phantom token for the shop, in force.
func (w *world) phantom(value any, client string) access.Phantom {
	w.t.Helper()
	text, _ := value.(string)
	f, err := w.mint.Parse(text)
	if err != nil || f.Type != access.AppPhantom || f.App != shop || f.Client != client {
		w.t.Errorf("%v is no phantom token of %s: %+v, %v", value, client, f, err)
	}
	return f
}

// withinAGeneration waits, now and then, for the next one, so that the test has
// time before that ends.
func (w *world) withinAGeneration() {
	w.t.Helper()
	w.until("the next generation of phantom tokens", func() bool {
		return time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)) > 5*time.Second
	})
}

// upstream asks the simulator itself with a token and gives its errcode.
func (w *world) upstream(token string) any {
	w.t.Helper()
	resp, err := (&http.Client{Transport: w.sim.Transport()}).Get("https://api.weixin.qq.com/cgi-bin/get_api_domain_ip?access_token=" + token)
	must(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return answer{body: string(b)}.json(w.t)["errcode"]
}

func TestPhantomClientsAreGivenPhantomTokensOnWeChatsPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.value("real")
	asked := w.asked()
	key := w.keys["phantom"]
	for _, test := range [][3]string{
		{"GET", classic("grant_type", good, "appid", shop, "secret", key), ""},
		{"POST", "/cgi-bin/stable_token", stable(shop, key)},
		{"POST", "/cgi-bin/stable_token", forced(shop, key)},
	} {
		m := w.wechat(test[0], test[1], test[2])
		f := w.phantom(m["access_token"], "phantom")
		if len(m) != 2 || m["expires_in"] != 7200.0 || time.Until(f.End) < 7190*time.Second {
			t.Errorf("%s %s %s: %v", test[0], test[1], test[2], m)
		}
		w.noSecretOut(m["access_token"].(string))
	}
	if n := w.asked(); n != asked {
		t.Errorf("WeChat was asked %d times", n-asked)
	}
	// And there it is worth nothing.
	if code := w.upstream(w.wechat("GET", classic("grant_type", good, "appid", shop, "secret", key), "")["access_token"].(string)); code != 40001.0 {
		t.Errorf("WeChat answers %v to a phantom token", code)
	}
}

// TestPhantomTokensAreThereWhileNothingLiveIs: they stand for the client, and
// the gateway says what is in the way.
func TestPhantomTokensAreThereWhileNothingLiveIs(t *testing.T) {
	t.Parallel()
	for what, first := range map[string]func(*wxsim.Sim) error{
		"frozen":         func(s *wxsim.Sim) error { return s.Freeze(shop) },
		"another secret": func(s *wxsim.Sim) error { return s.ResetSecret(shop, strings.Repeat("7", 32)) },
		"no answer":      func(s *wxsim.Sim) error { s.Fail(wxsim.Fault{Mode: wxsim.Reset}); return nil },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{first: first})
			start := time.Now()
			for range 20 {
				w.phantom(w.wechat("POST", "/cgi-bin/stable_token", stable(shop, w.keys["phantom"]))["access_token"], "phantom")
				w.phantom(w.value("phantom"), "phantom")
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("they had to wait %v", took)
			}
		})
	}
}

func TestPhantomClientsAreRefusedWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	site := w.app("wxsite0000000000", config.Stable)
	site.Type = config.Website // it has no token of its own
	must(t, w.reg.PutApp(t.Context(), site))
	w.until("the website", func() bool { _, ok := w.reg.App("wxsite0000000000"); return ok })
	for _, test := range []struct {
		client, app string
	}{{"phantom", other}, {"phantom", "wx-nowhere"}, {"wide", "wx-nowhere"}, {"wide", "wxsite0000000000"}} {
		m := w.wechat("POST", "/cgi-bin/stable_token", stable(test.app, w.keys[test.client]))
		if m["errcode"] != 40013.0 || m["access_token"] != nil {
			t.Errorf("%s asks for %s: %v", test.client, test.app, m)
		}
		for _, query := range []string{"", "?after=1&wait=1m"} {
			if a := w.ask("GET", path(test.app)+query, test.client, ""); a.status != 404 {
				t.Errorf("%s asks for %s%s: %d %s", test.client, test.app, query, a.status, a.body)
			}
		}
		if a := w.ask("POST", path(test.app)+"/report", test.client, `{"generation":1}`); a.status != 404 {
			t.Errorf("%s reports %s: %d %s", test.client, test.app, a.status, a.body)
		}
	}
	if n := w.recorded("decision", "allowed", "action", "token"); n != 0 {
		t.Errorf("%d hand-outs recorded", n)
	}
}

func TestAPhantomIsReadAsACredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.withinAGeneration()
	a := w.ask("GET", path(shop), "phantom", "")
	got := a.json(t)
	f := w.phantom(got["value"], "phantom")
	issued, err := time.Parse(time.RFC3339, got["issued_at"].(string))
	must(t, err)
	left := time.Until(f.End)
	if issued.After(time.Now()) || time.Since(issued) > time.Hour || left < time.Hour-time.Second || left > 2*time.Hour {
		t.Errorf("issued %v, ends %v", issued, f.End)
	}
	want := map[string]any{
		"app": shop, "kind": "access_token", "value": got["value"], "tokens": "phantom", "generation": float64(issued.Unix() / 3600),
		"issued_at": got["issued_at"], "expires_at": f.End.UTC().Format(time.RFC3339), "expires_in": got["expires_in"], "max_age": 60.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if in := got["expires_in"].(float64); in > left.Seconds()+2 || in < left.Seconds()-2 {
		t.Errorf("expires in %v s, at %v", in, f.End)
	}
	tag := a.header.Get("Etag")
	if !regexp.MustCompile(`^"\d{6}-[0-9a-f]{8}"$`).MatchString(tag) {
		t.Errorf("the tag is %s", tag)
	}
	if a := w.ask("GET", path(shop), "phantom", "", "If-None-Match", tag); a.status != 304 || a.header.Get("Etag") != tag || a.header.Get("Hufu-Max-Age") != "60" {
		t.Errorf("%d %v", a.status, a.header)
	}
	// Another node of the same master key, which has another store.
	b := newWorld(t, options{})
	b.keys["phantom"] = w.keys["phantom"]
	sum := config.HashKey(credential.NewSecret(w.keys["phantom"]))
	client, _ := b.reg.Client("phantom")
	there := client.Client
	there.KeySHA256 = []config.KeyHash{sum}
	b.reg.Declare([]config.App{b.app(shop, config.Stable)}, []config.Client{there})
	if a := b.ask("GET", path(shop), "phantom", "", "If-None-Match", tag); a.status != 304 {
		t.Errorf("another node: %d %s, not %s", a.status, a.header.Get("Etag"), tag)
	}
	w.noSecretOut(got["value"].(string))
}

// TestWaitingForTheNextPhantom is no busy loop: who follows is answered once
// per generation.
func TestWaitingForTheNextPhantom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{phantoms: 2 * time.Second})
	after := 0.0
	for start := time.Now(); time.Since(start) < 3*time.Second; {
		a := w.ask("GET", fmt.Sprintf("%s?after=%.0f&wait=1m", path(shop), after), "phantom", "")
		m := a.json(t)
		next, _ := m["generation"].(float64)
		if m["tokens"] != "phantom" || next <= after {
			t.Fatalf("after %.0f comes %s", after, a.body)
		}
		after = next
	}
	start := time.Now()
	a := w.ask("GET", fmt.Sprintf("%s?after=%.0f&wait=50ms", path(shop), after+100), "phantom", "")
	if a.status != 304 || a.header.Get("Etag") == "" || time.Since(start) < 50*time.Millisecond {
		t.Errorf("%d %v after %v", a.status, a.header, time.Since(start))
	}
}

func TestWaitsForPhantomsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	wait := func(client string) chan answer {
		got := make(chan answer, 1)
		go func() { got <- w.ask("GET", path(shop)+"?after=99999999&wait=1m", client, "") }()
		return got
	}
	w.addClient("late")
	must(t, w.setTokens("late", config.Phantom))
	w.value("late")
	late, phantom := wait("late"), wait("phantom")
	if a := w.ask("DELETE", "/v1/clients/late", "operator", ""); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	start := time.Now()
	if a := <-late; a.status != 401 || time.Since(start) > 5*time.Second {
		t.Errorf("a client that is gone: %d %s after %v", a.status, a.body, time.Since(start))
	}
	start = time.Now()
	w.drain()
	if a := <-phantom; a.status != 304 || time.Since(start) > 5*time.Second {
		t.Errorf("the drain: %d %s after %v", a.status, a.body, time.Since(start))
	}
}

// setTokens changes what a client that was added is given.
func (w *world) setTokens(name, tokens string) error {
	c, ok := w.reg.Client(name)
	if !ok {
		return credential.ErrNotFound
	}
	changed := c.Client
	changed.Tokens = tokens
	return w.reg.PutClient(w.t.Context(), changed)
}

// TestAClientThatIsGivenPhantomsFromNowOn gets one out of the wait that it had
// begun for a real token, or right after it, though the generation of the one
// says nothing about that of the other.
func TestAClientThatIsGivenPhantomsFromNowOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.addClient("late")
	value := w.value("late")
	got := make(chan answer, 1)
	go func() { got <- w.ask("GET", path(shop)+"?after=1&wait=1m", "late", "") }()
	w.untilReads(2)
	must(t, w.setTokens("late", config.Phantom))
	start := time.Now()
	if a := <-got; a.status != 304 || time.Since(start) > 5*time.Second || strings.Contains(a.body, value) {
		t.Errorf("%d %s after %v", a.status, a.body, time.Since(start))
	}
	a := w.ask("GET", path(shop)+"?after=1&wait=1m", "late", "")
	w.phantom(a.json(t)["value"], "late")
	// Who says that the real one does not work is told the phantom, too.
	a = w.ask("POST", path(shop)+"/report", "late", fmt.Sprintf(`{"value":%q,"errcode":40001}`, value))
	w.phantom(a.json(t)["value"], "late")
}

// TestPhantomClientsCannotHaveWeChatAsked: not by a report, of whatever value,
// and not by force.
func TestPhantomClientsCannotHaveWeChatAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.withinAGeneration()
	value, phantom := w.value("real"), w.value("phantom")
	asked := w.asked()
	for _, body := range []string{
		fmt.Sprintf(`{"value":%q,"errcode":40001}`, phantom), fmt.Sprintf(`{"value":%q,"errcode":42001}`, value),
		`{"value":"never-issued"}`, `{"generation":1,"errcode":40001}`, `{"generation":0}`, `{"generation":99999999}`,
	} {
		a := w.report("phantom", body)
		if m := a.json(t); a.status != 200 || m["value"] != phantom || m["tokens"] != "phantom" || a.header.Get("Etag") == "" {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	for _, body := range []string{``, `{}`, `{"value":""}`, `{"value":"x","generation":1}`} {
		if a := w.report("phantom", body); a.status != 400 {
			t.Errorf("%q: %d %s", body, a.status, a.body)
		}
	}
	for range 50 {
		w.wechat("POST", "/cgi-bin/stable_token", forced(shop, w.keys["phantom"]))
	}
	if n := w.asked(); n != asked {
		t.Errorf("WeChat was asked %d times", n-asked)
	}
	for outcome, n := range w.outcomes() {
		if n != 0 {
			t.Errorf("the keeper counts %d reports as %s", n, outcome)
		}
	}
}

func TestAnOperatorWithPhantomsRenewsAndIsGivenAPhantom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	first := w.value("real")
	a := w.ask("POST", path(shop)+"/renew", "wide", "")
	m := a.json(t)
	w.phantom(m["value"], "wide")
	if a.status != 200 || m["tokens"] != "phantom" || w.value("real") == first {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestNoRouteGivesTheRealTokenToAPhantomClient walks every route that there is,
// as clients that may do everything but hold real tokens. What they may not do
// is still theirs to try. (An operator may make a client that is given real
// ones: that is an act, and recorded with what it grants.)
func TestNoRouteGivesTheRealTokenToAPhantomClient(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("api.go")
	must(t, err)
	routes := regexp.MustCompile(`\{"([A-Z]*)", "(/[^"]+)", `).FindAllStringSubmatch(string(source), -1)
	if len(routes) < 10 {
		t.Fatalf("found %d routes", len(routes))
	}
	for _, line := range []string{config.Stable, config.Classic} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{source: line})
			seen := map[string]bool{} // WeChat's tokens
			look := func() {
				for _, l := range []wxsim.Line{wxsim.Classic, wxsim.Stable} {
					if v := w.sim.Current(shop, l); v != "" {
						seen[v] = true
					}
				}
			}
			read := w.ask("GET", path(shop), "real", "")
			value := read.json(t)["value"].(string)
			bodies := []string{
				"", "{}", `{"reason":"leak"}`, `{"generation":1,"errcode":40001}`, fmt.Sprintf(`{"value":%q,"errcode":42001}`, value),
				fmt.Sprintf(`{"appid":%q,"name":"x","secret":"${X}"}`, shop), `{"tokens":"real"}`, `{"url":"https://shop.example.com/"}`,
			}
			for _, client := range []string{"phantom", "wide", "manager"} {
				for _, force := range []func(string, string) string{stable, forced} {
					bodies = append(bodies, force(shop, w.keys[client]))
				}
			}
			tried := 0
			for _, route := range routes {
				target := strings.NewReplacer("{app}", shop, "{kind}", "access_token", "{name}", "phantom").Replace(route[2])
				for _, client := range []string{"phantom", "wide", "manager"} {
					queries := []string{
						"", "?after=0", "?after=0&wait=1ms", "?after=1&wait=1ms", "?limit=1000", "?access_token=" + value,
						strings.TrimPrefix(classic("grant_type", good, "appid", shop, "secret", w.keys[client]), "/cgi-bin/token"),
						strings.TrimPrefix(classic("grant_type", good, "appid", shop, "secret", w.keys[client], "force_refresh", "true"), "/cgi-bin/token"),
					}
					methods := []string{route[1]}
					if route[1] == "" {
						methods = []string{"GET", "POST"}
					}
					for _, method := range methods {
						for _, query := range queries {
							for _, body := range bodies {
								if body != "" && (method == "GET" || query != "") {
									continue
								}
								a := w.ask(method, target+query, client, body, "If-None-Match", read.header.Get("Etag"))
								tried++
								look()
								for v := range seen {
									if strings.Contains(fmt.Sprint(a.header, a.body), v) {
										t.Errorf("%s %s%s %s gives %s the real token", method, target, query, body, client)
									}
								}
							}
						}
					}
				}
			}
			if tried < 300 || !seen[value] || line == config.Stable && len(seen) < 2 { // classic is not renewed twice within four minutes
				t.Errorf("tried %d times, and saw %d real tokens", tried, len(seen))
			}
			w.noSecretOut(slices.Collect(maps.Keys(seen))...)
		})
	}
}

// TestPhantomTokensDieWithTheirClient: at once on the node where it was taken
// away, as soon as they hear of it on the others.
func TestPhantomTokensDieWithTheirClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.addClient("late")
	must(t, w.setTokens("late", config.Phantom))
	tokens := []string{w.value("late"), w.wechat("POST", "/cgi-bin/stable_token", stable(shop, w.keys["late"]))["access_token"].(string)}
	for _, token := range tokens {
		w.phantom(token, "late")
	}
	if a := w.ask("DELETE", "/v1/clients/late", "operator", ""); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.until("the end of its tokens", func() bool {
		return !slices.ContainsFunc(tokens, func(token string) bool { _, err := w.mint.Parse(token); return err == nil })
	})
}

// TestManyPhantomsAreOneRecord: a program that asks at every call costs no sync
// of the disk at every call.
func TestManyPhantomsAreOneRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{required: true})
	for range 200 {
		w.wechat("GET", classic("grant_type", good, "appid", shop, "secret", w.keys["phantom"]), "")
		w.value("phantom")
	}
	// Two, where a generation ended meanwhile.
	if n := w.recorded("client", "phantom", "decision", "allowed", "action", "token", "tokens", "phantom"); n < 1 || n > 2 {
		t.Errorf("%d records", n)
	}
	if n := w.recorded("client", "phantom"); n > 2 {
		t.Errorf("%d records", n)
	}
}

func TestRequiredAuditThatFailsRefusesPhantoms(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	w := newWorld(t, options{required: true, path: "/dev/full"})
	for range 2 {
		a := w.ask("GET", path(shop), "phantom", "")
		if m := a.json(t); a.status != 503 || m["code"] != "unrecorded" || strings.Contains(a.body, "10_") {
			t.Errorf("%d %s", a.status, a.body)
		}
		if m := w.wechat("POST", "/cgi-bin/stable_token", stable(shop, w.keys["phantom"])); m["errcode"] != -1.0 || m["access_token"] != nil {
			t.Errorf("%v", m)
		}
	}
}

// BenchmarkPhantom is the read of a phantom token through the whole handler
// chain against the read of a real one, in CPU time, taking turns.
func BenchmarkPhantom(b *testing.B) {
	w := newWorld(b, options{})
	turn := func(key string, n int) time.Duration {
		r, out := httptest.NewRequest("GET", path(shop), nil), &sink{header: http.Header{}}
		r.Header.Set("Authorization", "Bearer "+key)
		start := cpu()
		for range n {
			clear(out.header)
			w.surface.ServeHTTP(out, r)
		}
		return cpu() - start
	}
	w.value("real")
	compare(b, 2000, turn, w.keys["phantom"], w.keys["real"])
}
