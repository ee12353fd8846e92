package wechat_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/wechat"
)

const (
	appid  = "wx0123456789abcdef"
	secret = "5ecre75ecre75ecre75ecre75ecre75e"
	life   = 2 * time.Hour
)

var sources = []string{"stable", "classic"}

func line(t testing.TB, source string) wechat.Line {
	t.Helper()
	l, ok := wechat.Find(credential.AccessToken, source)
	if !ok {
		t.Fatalf("no line for source %s", source)
	}
	return l
}

func client(t testing.TB, o wechat.Options) *wechat.Client {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	c, err := wechat.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

func issue(t testing.TB, c *wechat.Client, source string, g wechat.Grant) (wechat.Issued, *wechat.Error) {
	t.Helper()
	g.App, g.Secret, g.Life = appid, credential.NewSecret(secret), life
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	got, err := line(t, source).Issue(ctx, c, g)
	if err == nil {
		return got, nil
	}
	var we *wechat.Error
	if !errors.As(err, &we) {
		t.Fatalf("error of type %T", err)
	}
	if text := fmt.Sprintf("%v %+v %#v", err, err, we); strings.Contains(text, secret) {
		t.Errorf("the AppSecret is in the error: %s", text)
	}
	return got, we
}

// answering is a WeChat that always says the same.
func answering(t testing.TB, status int, body string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestEveryAnswerIsIssuedRefusedOrAmbiguous(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/answers.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(b)) {
		var r struct {
			Name, Body, Outcome string
			Status, Code, Life  int
			Odd                 bool
		}
		if err := json.Unmarshal([]byte(row), &r); err != nil {
			t.Fatal(err)
		}
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, r.Status, r.Body)
			for _, source := range sources {
				got, failed := issue(t, client(t, wechat.Options{APIURL: s.URL}), source, wechat.Grant{})
				if r.Outcome == "issued" {
					if failed != nil {
						t.Fatalf("%s: %v", source, failed)
					}
					if got.Value.Empty() || got.Life != time.Duration(r.Life)*time.Second || (got.Odd != "") != r.Odd {
						t.Errorf("%s: life %v, odd %q; want %d s, odd %v", source, got.Life, got.Odd, r.Life, r.Odd)
					}
					continue
				}
				if failed == nil || string(failed.Outcome) != r.Outcome || failed.Code != r.Code {
					t.Errorf("%s: got %+v, want %s with code %d", source, failed, r.Outcome, r.Code)
				}
			}
		})
	}
}

func TestAnAnswerThatNeverEndsIsCutAt64KiB(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte(" "), 4096)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	_, failed := issue(t, client(t, wechat.Options{APIURL: s.URL}), "stable", wechat.Grant{})
	if failed == nil || failed.Outcome != wechat.Ambiguous || !strings.Contains(failed.Message, "64 KiB") {
		t.Fatalf("got %+v", failed)
	}
}

// The peer takes each connection as its function says and counts the requests
// that begin.
func peer(t testing.TB, serve func(net.Conn, *bufio.Reader)) (url string, requests *atomic.Int64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	requests = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					if _, err := r.Peek(1); err != nil {
						return
					}
					requests.Add(1)
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					serve(c, r)
					if req.Close {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String(), requests
}

func TestAnIssueIsSentOnceEvenWhenTheConnectionDies(t *testing.T) {
	t.Parallel()
	for _, source := range sources {
		url, requests := peer(t, func(c net.Conn, _ *bufio.Reader) { c.Close() })
		c := client(t, wechat.Options{APIURL: url})
		for range 3 {
			if _, failed := issue(t, c, source, wechat.Grant{}); failed == nil || failed.Outcome != wechat.Ambiguous {
				t.Errorf("%s: got %+v, want ambiguous", source, failed)
			}
		}
		if n := requests.Load(); n != 3 {
			t.Errorf("%s: three issues were sent %d times", source, n)
		}
	}
}

// On a kept connection that dies, Go sends a GET again without telling.
func TestAConnectionThatDiesBetweenIssuesCausesNoSecondSend(t *testing.T) {
	t.Parallel()
	const body = `{"access_token":"aaaaaaaaaaaaaaaaaaaa","expires_in":7200}`
	for _, source := range sources {
		var seen sync.Map
		url, requests := peer(t, func(c net.Conn, _ *bufio.Reader) {
			if _, again := seen.LoadOrStore(c, true); again {
				c.Close()
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		})
		c := client(t, wechat.Options{APIURL: url})
		for range 3 {
			if _, failed := issue(t, c, source, wechat.Grant{}); failed != nil {
				t.Errorf("%s: %v", source, failed)
			}
		}
		if n := requests.Load(); n != 3 {
			t.Errorf("%s: three issues were sent %d times", source, n)
		}
	}
}

func TestEveryIssueHasAConnectionOfItsOwn(t *testing.T) {
	t.Parallel()
	var remotes []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		remotes = append(remotes, r.RemoteAddr)
		_, _ = io.WriteString(w, `{"access_token":"aaaaaaaaaaaaaaaaaaaa","expires_in":7200}`)
	}))
	t.Cleanup(s.Close)
	c := client(t, wechat.Options{APIURL: s.URL})
	for range 2 {
		if _, failed := issue(t, c, "classic", wechat.Grant{}); failed != nil {
			t.Fatal(failed)
		}
	}
	if len(remotes) != 2 || remotes[0] == remotes[1] {
		t.Errorf("connections %v", remotes)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var followed atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(target.Close)
	s := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusFound))
	t.Cleanup(s.Close)
	for _, source := range sources {
		if _, failed := issue(t, client(t, wechat.Options{APIURL: s.URL}), source, wechat.Grant{}); failed == nil || failed.Outcome != wechat.Ambiguous {
			t.Errorf("%s: got %+v", source, failed)
		}
	}
	if followed.Load() != 0 {
		t.Error("the redirect was followed, with the AppSecret in its Referer")
	}
}

func TestWhatNeverLeftIsNotSent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	selfSigned := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(selfSigned.Close)
	plain := answering(t, 200, "{}")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	noTunnel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(noTunnel.Close)

	for name, o := range map[string]wechat.Options{
		"connection refused":     {APIURL: "http://" + closed},
		"name unknown":           {APIURL: "http://api.weixin.invalid"},
		"certificate unknown":    {APIURL: selfSigned.URL},
		"no TLS there":           {APIURL: strings.Replace(plain.URL, "http:", "https:", 1)},
		"TLS never answers":      {APIURL: "https://" + silent.Addr().String()},
		"proxy refused":          {APIURL: "https://api.weixin.qq.com", ProxyURL: "http://" + closed},
		"proxy makes no tunnels": {APIURL: "https://api.weixin.qq.com", ProxyURL: noTunnel.URL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, source := range sources {
				_, failed := issue(t, client(t, o), source, wechat.Grant{})
				if failed == nil || failed.Outcome != wechat.NotSent {
					t.Errorf("%s: got %+v, want not_sent", source, failed)
				}
			}
		})
	}
}

func TestAnAttemptThatIsTooOldIsNotSent(t *testing.T) {
	t.Parallel()
	url, requests := peer(t, func(net.Conn, *bufio.Reader) {})
	for _, source := range sources {
		_, failed := issue(t, client(t, wechat.Options{APIURL: url}), source, wechat.Grant{SendBy: time.Now().Add(-time.Millisecond)})
		if failed == nil || failed.Outcome != wechat.NotSent {
			t.Errorf("%s: got %+v, want not_sent", source, failed)
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests reached WeChat", n)
	}
}

func TestAnIssueGoesThroughTheEgressProxy(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, `{"access_token":"aaaaaaaaaaaaaaaaaaaa","expires_in":7200}`)
	var auth, target atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			t.Errorf("the proxy was asked to %s: it would see the AppSecret", r.Method)
			return
		}
		auth.Store(r.Header.Get("Proxy-Authorization"))
		target.Store(r.Host)
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer up.Close()
		down, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer down.Close()
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(up, rw) }()
		_, _ = io.Copy(down, up)
	}))
	t.Cleanup(proxy.Close)
	c := client(t, wechat.Options{APIURL: s.URL, ProxyURL: strings.Replace(proxy.URL, "http://", "http://me:pass@", 1)})
	if _, failed := issue(t, c, "classic", wechat.Grant{}); failed != nil {
		t.Fatal(failed)
	}
	if target.Load() != strings.TrimPrefix(s.URL, "http://") || auth.Load() != "Basic bWU6cGFzcw==" {
		t.Errorf("CONNECT %v with %v", target.Load(), auth.Load())
	}
}

func TestTheAddressThatWeChatRefusedIsFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist rid: 6aac005a-01bfdbee-79769285": "203.0.113.9",
		"invalid ip 203.0.113.9, not in whitelist hint: [x]":                                               "203.0.113.9",
		"access clientip is not registered requestIP: 2001:db8::9 rid: 6aac005a-0-0":                       "2001:db8::9",
		"invalid ip nonsense": "",
	} {
		body, _ := json.Marshal(map[string]any{"errcode": 40164, "errmsg": text})
		_, failed := issue(t, client(t, wechat.Options{APIURL: answering(t, 200, string(body)).URL}), "stable", wechat.Grant{})
		if failed == nil || failed.IP != want || failed.Outcome != wechat.Refused {
			t.Errorf("%q: got %+v, want address %q", text, failed, want)
		}
	}
}

func TestAnEchoedSecretStaysOutOfTheError(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		out, _ := json.Marshal(map[string]any{"errcode": 40125, "errmsg": "you said " + r.RequestURI + string(b) + "\n\x1b[31m" + strings.Repeat("x", 300)})
		_, _ = w.Write(out)
	}))
	t.Cleanup(s.Close)
	for _, source := range sources {
		_, failed := issue(t, client(t, wechat.Options{APIURL: s.URL}), source, wechat.Grant{})
		if failed == nil || len(failed.Message) > 210 || strings.ContainsAny(failed.Message, "\n\x1b") {
			t.Errorf("%s: %+v", source, failed)
		}
	}
}

func TestStableAlwaysSaysWhetherItForcesAndHidesTheSecretInTheBody(t *testing.T) {
	t.Parallel()
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.RequestURI+" "+string(b))
		_, _ = io.WriteString(w, `{"access_token":"aaaaaaaaaaaaaaaaaaaa","expires_in":7200}`)
	}))
	t.Cleanup(s.Close)
	for _, force := range []bool{false, true} {
		if _, failed := issue(t, client(t, wechat.Options{APIURL: s.URL + "/relay/"}), "stable", wechat.Grant{Force: force}); failed != nil {
			t.Fatal(failed)
		}
		want := fmt.Sprintf(`POST /relay/cgi-bin/stable_token {"grant_type":"client_credential","appid":%q,"secret":%q,"force_refresh":%v}`, appid, secret, force)
		if got := seen[len(seen)-1]; got != want {
			t.Errorf("sent %s\nwant %s", got, want)
		}
	}
}

func TestProbeTellsAliveDeadAndUnknownApart(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]wechat.Verdict{
		`{"ip_list":["203.0.113.1"]}`:                         wechat.Alive,
		`{"errcode":0,"errmsg":"ok","ip_list":[]}`:            wechat.Alive,
		`{"errcode":40001,"errmsg":"invalid credential"}`:     wechat.Dead,
		`{"errcode":40014,"errmsg":"invalid access_token"}`:   wechat.Dead,
		`{"errcode":42001,"errmsg":"access_token expired"}`:   wechat.Dead,
		`{"errcode":"40001"}`:                                 wechat.Unknown,
		`{"errcode":48001,"errmsg":"api unauthorized"}`:       wechat.Unknown,
		`{"errcode":40164,"errmsg":"invalid ip 203.0.113.9"}`: wechat.Unknown,
		`{"errcode":-1}`:          wechat.Unknown,
		`{}`:                      wechat.Unknown,
		``:                        wechat.Unknown,
		`<html>40001</html>`:      wechat.Unknown,
		`{"a":{"errcode":40001}}`: wechat.Alive,
	} {
		c := client(t, wechat.Options{APIURL: answering(t, 200, body).URL})
		got, err := c.Probe(t.Context(), line(t, "stable"), credential.NewSecret("the-token-itself"))
		if got != want || (err != nil) != (want == wechat.Unknown) {
			t.Errorf("%s: %s, %v; want %s", body, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "the-token-itself") {
			t.Errorf("the token is in the error: %v", err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"access_token":"aaaaaaaaaaaaaaaaaaaa","expires_in":7200}`), true)
	f.Add([]byte(`{"errcode":40164,"errmsg":"invalid ip 203.0.113.9"}`), false)
	f.Add([]byte("\xef\xbb\xbf{\"errcode\":1e2}"), true)
	rt := &canned{}
	c, err := wechat.New(wechat.Options{APIURL: "http://wechat", Timeout: time.Second, Transport: rt})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, stable bool) {
		rt.body = body
		source := sources[0]
		if !stable {
			source = sources[1]
		}
		got, failed := issue(t, c, source, wechat.Grant{})
		if failed != nil {
			return
		}
		var whole struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &whole); err != nil || whole.AccessToken != got.Value.Reveal() {
			t.Errorf("took %q out of %q", got.Value.Reveal(), body)
		}
		if got.Life < 0 || got.Life > life {
			t.Errorf("life %v", got.Life)
		}
	})
}

// canned answers everything with one body, without a network.
type canned struct{ body []byte }

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(c.body)), Request: r}, nil
}
