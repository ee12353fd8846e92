package hufu_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/hufutest"
)

// call makes a call to the simulated WeChat through a client's transport.
func (w *world) call(rt http.RoundTripper, path string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", "https://api.weixin.qq.com"+path, nil)
	w.must(err)
	resp, err := rt.RoundTrip(r)
	w.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	w.must(err)
	return string(b)
}

// When WeChat has revoked the token, no call through the transport fails, and
// all of them together cost one issue.
func TestTheTransportHealsARefusedToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		rt := c.Transport(appID, w.sim.Transport())
		const path = "/cgi-bin/get_api_domain_ip"
		if got := w.call(rt, path); !strings.Contains(got, "ip_list") {
			t.Fatal(got)
		}
		time.Sleep(10 * time.Minute)
		w.must(w.sim.Revoke(appID))
		issues := w.sim.Issues(appID)
		w.asked.Store(0)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if got := w.call(rt, path); !strings.Contains(got, "ip_list") {
					t.Error(got)
				}
			})
		}
		all.Wait()
		if n := w.sim.Issues(appID) - issues; n != 1 {
			t.Errorf("%d issues", n)
		}
		if n := w.asked.Load(); n > 4 { // one report, and the wait that goes on
			t.Errorf("%d requests to the server", n)
		}
	})
}

// platform answers like WeChat, as a test tells it to, and notes what it was sent.
type platform struct {
	mu     sync.Mutex
	seen   []string // token, method and body
	answer func(token string) string
}

func (p *platform) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, fmt.Sprintf("%s %s %d", r.URL.Query()["access_token"], r.Method, len(body)))
	rec := httptest.NewRecorder()
	_, _ = rec.WriteString(p.answer(r.URL.Query().Get("access_token")))
	return rec.Result(), nil
}

// The one thing that is sent again is what WeChat refused for its token, once,
// and only with another token.
func TestTheTransportRepeatsNothingElse(t *testing.T) {
	t.Parallel()
	refuse := func(code int) func(string) string {
		return func(token string) string {
			if token == "new" {
				return `{"ok":true}`
			}
			return fmt.Sprintf(`{"errcode":%d,"errmsg":"x"}`, code)
		}
	}
	always := func(text string) func(string) string { return func(string) string { return text } }
	long := strings.Repeat("x", 1<<20)
	for _, row := range []struct {
		name   string
		answer func(token string) string
		body   io.Reader
		same   bool // the server has no other token
		want   []string
		report int
	}{
		{"40001", refuse(40001), nil, false, []string{"[old] POST 0", "[new] POST 0"}, 1},
		{"40014", refuse(40014), nil, false, []string{"[old] POST 0", "[new] POST 0"}, 1},
		{"42001", refuse(42001), nil, false, []string{"[old] POST 0", "[new] POST 0"}, 1},
		{"GetBody", refuse(40001), strings.NewReader("body"), false, []string{"[old] POST 4", "[new] POST 4"}, 1},
		{"a stream", refuse(40001), io.MultiReader(strings.NewReader("body")), false, []string{"[old] POST 4", "[new] POST 4"}, 1},
		{"a MiB", refuse(40001), io.MultiReader(strings.NewReader(long)), false, []string{"[old] POST 1048576", "[new] POST 1048576"}, 1},
		{"too long", refuse(40001), io.MultiReader(strings.NewReader(long), strings.NewReader("x")), false, []string{"[old] POST 1048577"}, 0},
		{"the same token", refuse(40001), nil, true, []string{"[old] POST 0"}, 1},
		{"always refused", always(`{"errcode":40001}`), nil, false, []string{"[old] POST 0", "[new] POST 0"}, 1},
		{"another error", refuse(45009), nil, false, []string{"[old] POST 0"}, 0},
		{"busy", refuse(-1), nil, false, []string{"[old] POST 0"}, 0},
		{"success", always(`{"errcode":0}`), nil, false, []string{"[old] POST 0"}, 0},
		{"deeper", always(`{"data":{"errcode":40001}}`), nil, false, []string{"[old] POST 0"}, 0},
		{"a list", always(`[{"errcode":40001}]`), nil, false, []string{"[old] POST 0"}, 0},
		{"in a text", always(`{"a":"\"errcode\":40001"}`), nil, false, []string{"[old] POST 0"}, 0},
		{"a string", always(`{"errcode":"40001"}`), nil, false, []string{"[old] POST 0"}, 0},
		{"another name", always(`{"ErrCode":40001,"x":"errcode"}`), nil, false, []string{"[old] POST 0"}, 0},
		{"long", always(`{"errcode":40001,"x":"` + long + `"}`), nil, false, []string{"[old] POST 0"}, 0},
		{"no JSON", always(`errcode 40001`), nil, false, []string{"[old] POST 0"}, 0},
		{"nothing", always(``), nil, false, []string{"[old] POST 0"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := hufutest.NewServer(map[string]string{appID: "old"})
			defer s.Close()
			if !row.same {
				s.Replace(appID, hufu.AccessToken, "new")
			}
			c := connect(t, s)
			p := &platform{answer: row.answer}
			r, err := http.NewRequestWithContext(t.Context(), "POST", "https://api.weixin.qq.com/cgi-bin/x?a=%2f&b", row.body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.Transport(appID, p).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			last := "old"
			if len(row.want) == 2 {
				last = "new"
			}
			if got, err := io.ReadAll(resp.Body); err != nil || string(got) != row.answer(last) {
				t.Errorf("the caller is answered %.100q, %v", got, err)
			}
			if fmt.Sprint(p.seen) != fmt.Sprint(row.want) {
				t.Errorf("WeChat was sent %v, want %v", p.seen, row.want)
			}
			if n := len(s.Reports()); n != row.report {
				t.Errorf("%d reports, want %d", n, row.report)
			}
			if r.URL.RawQuery != "a=%2f&b" {
				t.Errorf("the request was changed: %s", r.URL)
			}
		})
	}
}

// connect is a client of a fake server.
func connect(t testing.TB, s *hufutest.Server, options ...hufu.Option) *hufu.Client {
	t.Helper()
	c, err := hufu.New(s.URL, s.Key, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The transport leaves alone what is not its app's.
func TestTheTransportTouchesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	s := hufutest.NewServer(map[string]string{appID: "token", "wx2": "second"})
	defer s.Close()
	c := connect(t, s)
	p := &platform{answer: func(string) string { return `{"errcode":40001}` }}
	// Two apps on one http.Client, each the base of the next.
	both := c.Transport(appID, c.Transport("wx2", p))
	if _, err := c.Token(t.Context(), "wx2"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ path, want string }{
		{"/cgi-bin/x", "[token]"},
		{"/cgi-bin/x?access_token=", "[token]"},
		{"/cgi-bin/x?access_token=token&access%5Ftoken=token", "[token]"},
		{"/cgi-bin/x?access_token=second", "[second]"},
		{"/cgi-bin/x?access_token=stranger", "[stranger]"},
		{"/sns/userinfo?access_token=user", "[user]"},
		{"/sns/auth", "[]"},
		{"/cgi-bin/token?secret=x", "[]"},
		{"/cgi-bin/stable_token", "[]"},
	} {
		p.seen = nil
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://api.weixin.qq.com"+row.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := both.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if want := []string{row.want + " GET 0"}; fmt.Sprint(p.seen) != fmt.Sprint(want) {
			t.Errorf("%s: WeChat was sent %v, want %v", row.path, p.seen, want)
		}
	}

	// A value that the app had a little while ago is its own still.
	s.Set(appID, hufu.AccessToken, "next")
	eventually(t, func() (string, bool) {
		token, err := c.Token(t.Context(), appID)
		return token, err == nil && token == "next"
	})
	p.seen = nil
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "https://api.weixin.qq.com/cgi-bin/x?access_token=token", nil)
	resp, err := both.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if fmt.Sprint(p.seen) != "[[next] GET 0]" {
		t.Errorf("WeChat was sent %v", p.seen)
	}
}

// A redirect to another host is not given the token.
func TestTheTransportTellsNoOtherHost(t *testing.T) {
	t.Parallel()
	s := hufutest.NewServer(map[string]string{appID: "token"})
	defer s.Close()
	var stray url.Values
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stray = r.URL.Query() }))
	defer elsewhere.Close()
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer here.Close()
	client := &http.Client{Transport: connect(t, s).Transport(appID, nil)}
	resp, err := client.Get(here.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if len(stray) != 0 || resp.Request.Header.Get("Referer") != "" && strings.Contains(resp.Request.Header.Get("Referer"), "token") {
		t.Errorf("the other host was told %v", stray)
	}
}

// A request that cannot be given a token is not sent, and its body is closed.
func TestTheTransportSendsNothingWithoutAToken(t *testing.T) {
	t.Parallel()
	s := hufutest.NewServer(nil)
	defer s.Close()
	p := &platform{}
	body := &closing{Reader: bytes.NewReader(nil)}
	r, _ := http.NewRequestWithContext(t.Context(), "POST", "https://api.weixin.qq.com/cgi-bin/x", body)
	if _, err := connect(t, s).Transport(appID, p).RoundTrip(r); !errors.Is(err, hufu.ErrNotFound) {
		t.Error(err)
	}
	if len(p.seen) != 0 || !body.closed {
		t.Errorf("sent %v, closed %v", p.seen, body.closed)
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// Programs put what they like in the place of http.DefaultTransport; a Client
// neither needs what was there nor shows its key to what is there now. Not in
// parallel: others use it.
func TestAReplacedDefaultTransportIsNoHindrance(t *testing.T) {
	s := hufutest.NewServer(map[string]string{appID: "token"})
	defer s.Close()
	defer func(before http.RoundTripper) { http.DefaultTransport = before }(http.DefaultTransport)
	http.DefaultTransport = stranger{}
	c, err := hufu.New(s.URL, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if token, err := c.Token(t.Context(), appID); token != "token" {
		t.Errorf("%q, %v", token, err)
	}
}

type stranger struct{}

func (stranger) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("a client key was shown to a stranger")
}
