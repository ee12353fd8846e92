package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func ok(w http.ResponseWriter, _ *http.Request, _ access.Request) error {
	_, err := io.WriteString(w, "ok\n")
	return err
}

// problem reads a problem document and makes sure that it is one.
func problem(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("%q: %v", w.Body, err)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("Content-Type is %q", ct)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers are %v", w.Header())
	}
	for _, key := range []string{"type", "title", "code", "detail", "request_id"} {
		if s, _ := m[key].(string); s == "" {
			t.Errorf("no %s in %v", key, m)
		}
	}
	if m["status"] != float64(w.Code) {
		t.Errorf("status %v under a status of %d", m["status"], w.Code)
	}
	return m
}

func TestOnlyCanonicalTargetsAreServed(t *testing.T) {
	t.Parallel()
	s := NewSurface(discard())
	s.Handle("GET", "/v1/apps/{app}", ok)
	s.Handle("GET", "/{$}", ok)
	for target, want := range map[string]int{
		"/v1/apps/wx1":                     200,
		"/v1/apps/wx1?a=%2e%2e//&b=\xe4;;": 200,
		"/v1/apps/wx1?":                    200,
		"/v1/apps/wx.1..2":                 200,
		"/":                                200,
		"/?x=1":                            200,
		"/V1/apps/wx1":                     404,
		"/v1/apps/wx1/":                    404,
		"/v1/apps/":                        404,
		"/v1/apps/wx1/../wx2":              400,
		"/v1/apps/wx1/./x":                 400,
		"/v1/apps/..":                      400,
		"/v1/apps/..?x":                    400,
		"/.":                               400,
		"/v1//apps/wx1":                    400,
		"//v1/apps/wx1":                    400,
		"//":                               400,
		"/v1/apps/%2e%2e/admin":            400,
		"/v1/apps/wx%31":                   400,
		"/v1/apps/wx1;v=2":                 400,
		"/v1/apps/wx1#/healthz":            400,
		"/v1/apps/wx1?a#b":                 400,
		`/v1/apps\wx1`:                     400,
		"/v1/apps/хx1":                     400,
		"/v1/apps/wx 1":                    400,
		"http://evil.example/v1/apps/wx1":  400,
		"hufu:v1":                          400,
		"*":                                400,
		"":                                 400,
		"example.com:443":                  400,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = target
		if p, query, _ := strings.Cut(target, "?"); want != 400 {
			r.URL.Path, r.URL.RawQuery = p, query
		}
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", target, w.Code, want)
		}
		if want != 200 {
			m := problem(t, w)
			if hint, _ := m["hint"].(string); strings.HasPrefix(target, "//") && !strings.Contains(hint, "take the last / off the base URL") {
				t.Errorf("%q: the hint is %q", target, hint)
			}
		}
	}
}

// FuzzTarget: what is let through reads the same way for everybody, and
// ServeMux would not redirect it.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/", "/a/b?c", "//", "/../a", "/a/.", "/%2e", "/a;b", "/a#b", "http://a/b", "/a/b/", "/!"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if checkTarget(target) != nil {
			return
		}
		p, _, _ := strings.Cut(target, "?")
		clean := path.Clean(p)
		if strings.HasSuffix(p, "/") && clean != "/" {
			clean += "/"
		}
		if p != clean || strings.ContainsAny(p, "%;#\\\"<>^`{|}") {
			t.Errorf("%q is let through", target)
		}
		r, err := http.NewRequest("GET", target, nil)
		if err != nil {
			return // net/http refuses it itself
		}
		if r.URL.Path != p || r.URL.RawPath != "" && r.URL.RawPath != p || r.URL.Host != "" || r.URL.Fragment != "" {
			t.Errorf("%q is read as %#v", target, r.URL)
		}
	})
}

func TestMethods(t *testing.T) {
	t.Parallel()
	s := NewSurface(discard())
	s.Handle("GET", "/a", ok)
	s.Handle("PUT", "/a", ok)
	s.Handle("", "/any", ok)
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/a", 200},
		{"PUT", "/a", 200},
		{"HEAD", "/a", 405},
		{"POST", "/a", 405},
		{"OPTIONS", "/a", 405},
		{"get", "/a", 405},
		{"HEAD", "/any", 200},
		{"BREW", "/any", 200},
		{"GET", "/b", 404},
		{"DELETE", "/b", 404},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, w.Code, test.want)
		}
		if w.Code == 405 {
			if m := problem(t, w); w.Header().Get("Allow") != "GET, PUT" || m["code"] != "method_not_allowed" {
				t.Errorf("Allow: %q, %v", w.Header().Get("Allow"), m)
			}
		}
	}
}

func TestEveryRequestHasAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	s := NewSurface(discard())
	seen := map[string]bool{}
	s.Handle("GET", "/a", func(_ http.ResponseWriter, _ *http.Request, q access.Request) error {
		if age := time.Since(q.At); age < 0 || age > time.Minute {
			t.Errorf("it came %v ago", age)
		}
		return &Problem{Status: 400, Code: "x", Detail: q.String()}
	})
	for range 100 {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/a", nil))
		m := problem(t, w)
		id := m["request_id"].(string)
		if m["detail"] != id || seen[id] || len(id) != 26 {
			t.Errorf("the id is %q, the handler had %v", id, m["detail"])
		}
		seen[id] = true
	}
}

func TestErrorsBecomeProblems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		status int
		code   string
		header string
		want   map[string]any
	}{
		{access.ErrUnauthorized, 401, "unauthorized", `Www-Authenticate: Bearer realm="hufu"`, nil},
		{&access.Refusal{Err: access.ErrForbidden, Reason: "because", Hint: "try"}, 403, "forbidden", "", map[string]any{"detail": "because", "hint": "try"}},
		{credential.ErrNotFound, 404, "not_found", "", nil},
		{fmt.Errorf("delete app wx1: %w", credential.ErrNotFound), 404, "not_found", "", nil},
		{fmt.Errorf("put app wx1: %w", credential.ErrDeclared), 409, "declared", "", nil},
		{fmt.Errorf("x: %w", registry.ErrKeyTaken), 409, "key_taken", "", nil},
		{fmt.Errorf("x: %w", registry.ErrRedirectTaken), 409, "redirect_taken", "", nil},
		{fmt.Errorf("x: %w", store.ErrConflict), 409, "conflict", "", nil},
		{fmt.Errorf("x: %w", store.ErrLater), 409, "newer_version", "", nil},
		{config.Problems{{Path: "source", Message: "is nothing"}}, 400, "invalid", "", map[string]any{"detail": "source: is nothing"}},
		{&access.Refusal{Err: access.ErrLimited, Reason: "slowly", RetryAfter: 1500 * time.Millisecond}, 429, "too_many_requests", "Retry-After: 2", nil},
		{fmt.Errorf("x: %w: %w", access.ErrUnrecorded, errors.New("spindle gone")), 503, "unrecorded", "Retry-After: 2", nil},
		{fmt.Errorf("x: %w: %w", registry.ErrStore, io.EOF), 503, "store_unavailable", "Retry-After: 2", nil},
		{fmt.Errorf("x: %w", store.ErrUnsure), 503, "unsure", "Retry-After: 2", nil},
		{
			&credential.Unavailable{Key: credential.Key{App: "wx1", Kind: "access_token"}, Code: 40164, Reason: "not on the list", IP: "203.0.113.9", RetryAfter: 59500 * time.Millisecond},
			503, "unavailable", "Retry-After: 60",
			map[string]any{"errcode": 40164.0, "ip": "203.0.113.9", "detail": "wx1/access_token: not on the list"},
		},
		{
			&credential.Unavailable{Reason: "cannot reach <api.weixin.qq.com> & co."}, 503, "unavailable", "Retry-After: 1",
			map[string]any{"hint": "Hufu asks again by itself; hufu check --online, on the server, says what is in the way"},
		},
		{
			&credential.Unavailable{Reason: "the day's quota is spent", Code: 45009}, 503, "unavailable", "Retry-After: 1",
			map[string]any{"hint": "source: stable, or fallback: classic, for this app gets a token now if the other line still has quota; Hufu itself asks again after midnight in Beijing"},
		},
		{context.DeadlineExceeded, 503, "unavailable", "Retry-After: 1", nil},
		{BadRequest("no", "yes"), 400, "bad_request", "", map[string]any{"hint": "yes"}},
		{errors.New("a text with a secret"), 500, "internal", "", nil},
	} {
		s := NewSurface(discard())
		s.Handle("GET", "/a", func(http.ResponseWriter, *http.Request, access.Request) error { return test.err })
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/a", nil))
		m := problem(t, w)
		if w.Code != test.status || m["code"] != test.code {
			t.Errorf("%v: %d %v, want %d %s", test.err, w.Code, m["code"], test.status, test.code)
		}
		if name, value, _ := strings.Cut(test.header, ": "); w.Header().Get(name) != value {
			t.Errorf("%v: %s is %q, want %q", test.err, name, w.Header().Get(name), value)
		}
		for k, v := range test.want {
			if m[k] != v {
				t.Errorf("%v: %s is %v, want %v", test.err, k, m[k], v)
			}
		}
		if strings.Contains(w.Body.String(), `\u00`) {
			t.Errorf("%v is escaped for HTML: %s", test.err, w.Body)
		}
		if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "spindle") {
			t.Errorf("%v: the text got out: %s", test.err, w.Body)
		}
		if hint, _ := m["hint"].(string); hint == "" && test.status >= 500 {
			t.Errorf("%v: no hint", test.err)
		}
	}
}

func TestPanicIsA500AndTellsNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := NewSurface(slog.New(slog.NewTextHandler(&log, nil)))
	s.Handle("GET", "/text", func(_ http.ResponseWriter, r *http.Request, _ access.Request) error {
		panic("the secret is " + r.URL.Query().Get("secret"))
	})
	s.Handle("GET", "/bounds", func(_ http.ResponseWriter, r *http.Request, _ access.Request) error {
		return BadRequest(r.URL.Path[len(r.URL.RawQuery)*9:], "")
	})
	s.Handle("GET", "/abort", func(http.ResponseWriter, *http.Request, access.Request) error { panic(http.ErrAbortHandler) })
	for _, target := range []string{"/text?secret=s3cr3t", "/bounds?secret=s3cr3t"} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if m := problem(t, w); w.Code != 500 || m["code"] != "internal" {
			t.Errorf("%s: %d, %v", target, w.Code, m)
		}
		if strings.Contains(w.Body.String()+log.String(), "s3cr3t") {
			t.Errorf("%s: the secret is out: %s, %s", target, w.Body, &log)
		}
	}
	if s.Panics() != 2 || !strings.Contains(log.String(), "surface_test.go") || !strings.Contains(log.String(), "out of range") {
		t.Errorf("%d panics counted; the log says %s", s.Panics(), &log)
	}
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("an abort does not get through")
		}
	}()
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/abort", nil))
}

// TestLogPolicy: what is the caller's fault, and a credential that the keeper
// speaks of already, is not logged; what is ours is.
func TestLogPolicy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		logged bool
	}{
		{nil, false},
		{credential.ErrNotFound, false},
		{access.ErrUnauthorized, false},
		{&credential.Unavailable{}, false},
		{context.Canceled, false},
		{registry.ErrStore, true},
		{access.ErrUnrecorded, true},
		{errors.New("what is that"), true},
	} {
		var log bytes.Buffer
		s := NewSurface(slog.New(slog.NewTextHandler(&log, nil)))
		s.Handle("GET", "/a/{b}", func(http.ResponseWriter, *http.Request, access.Request) error { return test.err })
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/a/s3cr3t?s3cr3t", nil))
		if (log.Len() > 0) != test.logged || strings.Contains(log.String(), "s3cr3t") {
			t.Errorf("%v: the log says %q", test.err, &log)
		}
	}
}

func TestFirstGoesBeforeTheRouter(t *testing.T) {
	t.Parallel()
	s := NewSurface(discard())
	s.First(func(r *http.Request) Handler {
		if r.URL.Path == "/first" {
			return ok
		}
		return nil
	})
	for target, want := range map[string]int{"/first": 200, "/second": 404, "//first": 400} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/first", nil)
		r.URL.Path, r.RequestURI = "/"+strings.TrimLeft(target, "/"), target
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
}

func TestClientIP(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, test := range []struct {
		peer      string
		trusted   []netip.Prefix
		forwarded []string
		want      string
	}{
		{"203.0.113.9:1234", nil, nil, "203.0.113.9"},
		{"203.0.113.9:1234", nil, []string{"127.0.0.1"}, "203.0.113.9"},
		{"203.0.113.9:1234", proxies, []string{"127.0.0.1"}, "203.0.113.9"},
		{"10.0.0.1:1", proxies, nil, "10.0.0.1"},
		{"10.0.0.1:1", proxies, []string{"203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:1", proxies, []string{"127.0.0.1, 203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:1", proxies, []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"10.0.0.1:1", proxies, []string{"127.0.0.1", "203.0.113.9", "10.0.0.2"}, "203.0.113.9"},
		{"10.0.0.1:1", proxies, []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.1:1", proxies, []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		{"10.0.0.1:1", proxies, []string{"unknown, 10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1:1", proxies, []string{"203.0.113.9:5678"}, "203.0.113.9"},
		{"10.0.0.1:1", proxies, []string{"[2001:dead::1]:5678"}, "2001:dead::1"},
		{"10.0.0.1:1", proxies, []string{"\t2001:dead::1 "}, "2001:dead::1"},
		{"10.0.0.1:1", proxies, []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:1", proxies, []string{"", ","}, "10.0.0.1"},
		{"[::ffff:10.0.0.1]:1", proxies, []string{"203.0.113.9"}, "203.0.113.9"},
		{"[2001:db8::1]:1", proxies, []string{"203.0.113.9"}, "203.0.113.9"},
		{"[fe80::1%eth0]:1", nil, nil, "fe80::1"},
		{"@", nil, nil, "invalid IP"},
		{"", proxies, []string{"203.0.113.9"}, "invalid IP"},
	} {
		s := NewSurface(discard())
		s.Trust(test.trusted)
		r := &http.Request{RemoteAddr: test.peer, Header: http.Header{
			"X-Forwarded-For": test.forwarded, "X-Real-Ip": {"127.0.0.1"}, "Forwarded": {"for=127.0.0.1"}, "True-Client-Ip": {"127.0.0.1"},
		}}
		if got := s.ClientIP(r).String(); got != test.want {
			t.Errorf("peer %s, forwarded %q: %s, want %s", test.peer, test.forwarded, got, test.want)
		}
	}
}

func TestClientKey(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header http.Header
		want   string
		bad    bool
	}{
		{http.Header{}, "", false},
		{http.Header{"Authorization": {"Bearer K"}}, "K", false},
		{http.Header{"Authorization": {"bearer K"}}, "K", false},
		{http.Header{"X-Hufu-Key": {"K"}}, "K", false},
		{http.Header{"Authorization": {"Bearer"}}, "", false},
		{http.Header{"Authorization": {"Bearer "}}, "", false},
		{http.Header{"Authorization": {"bearer  K"}}, " K", false}, // no key of ours begins with a blank
		{http.Header{"Authorization": {"Bearer\tK"}}, "", false},
		{http.Header{"Authorization": {"K"}}, "", false},
		{http.Header{"Authorization": {"Basic aHVmdTpL"}}, "", false},
		{http.Header{"Authorization": {"Token K"}}, "", false},
		{http.Header{"Authorization": {"Bearer K", "Bearer K2"}}, "", true},
		{http.Header{"Authorization": {"Bearer K", "Basic x"}}, "", true},
		{http.Header{"Authorization": {"Bearer K"}, "X-Hufu-Key": {"K"}}, "", true},
		{http.Header{"X-Hufu-Key": {"K", "K"}}, "", true},
		{http.Header{"Cookie": {"key=K; Authorization=Bearer K"}}, "", false},
		{http.Header{"Proxy-Authorization": {"Bearer K"}}, "", false},
	} {
		got, p := ClientKey(&http.Request{Header: test.header})
		if got != test.want || (p != nil) != test.bad || p != nil && p.Status != 400 {
			t.Errorf("%v: %q, %v; want %q", test.header, got, p, test.want)
		}
	}
}

func TestBodiesAreReadStrictly(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		`{"value":"x","generation":7}`:          0,
		` {"inner":{"value":"x"}} ` + "\n":      0,
		`{"value":null}`:                        0, // and the handler sees that there is none
		`{}`:                                    0,
		``:                                      400,
		`null`:                                  400,
		`[]`:                                    400,
		`"x"`:                                   400,
		`{"value":"x"`:                          400,
		`{"value":"x"}{}`:                       400,
		`{"value":"x"} x`:                       400,
		`{"value":"x","value":"y"}`:             400,
		`{"value":"x","VALUE":"y"}`:             400,
		`{"VALUE":"y"}`:                         400,
		`{"inner":{"value":"x","Value":"y"}}`:   400,
		`{"inner":{"value":"x","value":"y"}}`:   400,
		`{"unknown":"x"}`:                       400,
		`{"inner":{"unknown":"x"}}`:             400,
		`{"value":7}`:                           400,
		`{"generation":"7"}`:                    400,
		`{"generation":-1}`:                     400,
		`{"generation":1.5}`:                    400,
		`{"generation":1e400}`:                  400,
		`{"value":"x",}`:                        400,
		`{value:"x"}`:                           400,
		"\ufeff{}":                              400,
		strings.Repeat("[", 20000):              400,
		`{"list":` + strings.Repeat("[", 20000): 400,
		`{"list":[[[[[[[[1]]]]]]]]}`:            400,
		`{"value":"` + strings.Repeat("x", MaxBody): 413,
		"{" + strings.Repeat(" ", MaxBody) + "}":    413,
	} {
		var v struct {
			Value      *string `json:"value"`
			Generation uint64  `json:"generation"`
			List       []any   `json:"list"`
			Inner      struct {
				Value string `json:"value"`
			} `json:"inner"`
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		err := Decode(httptest.NewRecorder(), r, &v)
		status := 0
		if p, ok := errors.AsType[*Problem](err); ok {
			status = p.Status
		} else if err != nil {
			t.Errorf("%.40q: %v is no problem", body, err)
		}
		if status != want {
			t.Errorf("%.40q: %d (%v), want %d", body, status, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "unknown\"") {
			t.Errorf("%.40q: %v quotes the body", body, err)
		}
	}
}

// FuzzDecode: what is taken reads the same way for everybody, whether a reader
// takes the first of two keys or the last, and whatever case it ignores.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"value":"x","errcode":1}`))
	f.Add([]byte(`{"value":"x","Value":"y"}`))
	f.Add([]byte(`{"valu\u0065":"x","value":"y"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if CheckJSON(body) != nil {
			return
		}
		keys := map[string]bool{}
		var first json.RawMessage
		d := json.NewDecoder(bytes.NewReader(body))
		_, _ = d.Token()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				t.Fatalf("%q is taken: %v", body, err)
			}
			folded := strings.ToLower(key.(string))
			if keys[folded] {
				t.Fatalf("%q is taken", body)
			}
			keys[folded] = true
			if err := d.Decode(&first); err != nil {
				t.Fatalf("%q is taken: %v", body, err)
			}
		}
	})
}
