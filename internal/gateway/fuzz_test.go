package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

// wire keeps what was sent, as it stands on the wire.
type wire struct{ sent bytes.Buffer }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.sent.Reset()
	if err := r.Write(&w.sent); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

// Whatever comes: what is sent parses to the path that was checked, with one
// token, which is ours, and nothing of the caller's.
func FuzzWhatIsSentIsWhatWasChecked(f *testing.F) {
	for _, target := range []string{
		"/cgi-bin/user/get?a=1", "/cgi-bin/%2e%2e/token", "/cgi-bin/x/../token", "//evil/x", "/cgi-bin/user/get?access%5ftoken=evil&a=%00",
		"/cgi-bin/user/get?a=1#b", "/cgi-bin/user/get\r\nX: 1", "/cgi-bin/user/get? HTTP/1.1", "/CGI-BIN/token?+access_token=1", "/a-b/_c?x=\xff&&=",
	} {
		f.Add(target)
	}
	const token = "91_the-real-one"
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !access.CanonicalPath(u.Path) || u.RawPath != "" {
			return // refused before, as TestBadInputs shows
		}
		in := &http.Request{Method: "GET", URL: u, Header: http.Header{"X-Hufu-Key": {"hufu_thekeyofthecaller"}, "Cookie": {"c"}, "User-Agent": {"x"}}}
		_, rest, err := web.Shown(in)
		if err != nil {
			return
		}
		w := &wire{}
		c, err := wechat.New(wechat.Options{APIURL: "https://api.weixin.qq.com/base", Transport: w})
		must(t, err)
		if _, err := c.Forward(t.Context(), wechat.Call{Method: "GET", Path: u.Path, Query: rest, Token: credential.NewSecret(token), Header: outgoing(in.Header)}); err != nil {
			t.Fatalf("%q: %v", target, err)
		}
		line, _, _ := strings.Cut(w.sent.String(), "\r\n")
		got, err := http.ReadRequest(bufio.NewReader(&w.sent))
		if err != nil {
			t.Fatalf("%q became %q: %v", target, line, err)
		}
		if got.URL.Path != "/base"+u.Path || got.URL.EscapedPath() != got.URL.Path || got.Host != "api.weixin.qq.com" || got.ContentLength != 0 {
			t.Errorf("%q became %q", target, line)
		}
		query, err := url.ParseQuery(got.URL.RawQuery)
		if err != nil || len(query["access_token"]) != 1 || query.Get("access_token") != token {
			t.Errorf("%q became %q: %v", target, line, err)
		}
		if strings.Contains(line, "hufu_thekey") || got.Header.Get("X-Hufu-Key") != "" || got.Header.Get("Cookie") != "" {
			t.Errorf("%q: something of the caller's was sent: %q %v", target, line, got.Header)
		}
		if n, _ := io.Copy(io.Discard, got.Body); n != 0 {
			t.Errorf("%q has a body", target)
		}
	})
}

// An errcode is found where encoding/json finds it, and never elsewhere.
func FuzzErrcode(f *testing.F) {
	for _, s := range []string{
		`{"errcode":40001}`, "\xef\xbb\xbf{\"errcode\" : 42001 , \"a\":[]}", `{"a":{"errcode":1},"errcode":-1}`, `{"errcode":"1"}`, `[{"errcode":1}]`,
		`{"errcode":1e3}`, `{"errcode":1}x`, `{"a":"\"errcode\":1"}`, `{"errcode":1,"errcode":2}`, `{"\u0065rrcode":1}`, `{"errcode":1,"\u0065rrcode":2}`, `{"a\\":"errcode","errcode":7}`, `"errcode"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := errcodeOf(text)
		var all map[string]json.RawMessage
		if json.Unmarshal(bytes.TrimPrefix(text, bom), &all) != nil {
			all = nil
		}
		want, err := strconv.Atoi(string(all["errcode"]))
		if err != nil {
			want = 0
		}
		// Twice, or in escapes, is nothing; encoding/json takes it.
		if got != want && (got != 0 || bytes.Count(text, []byte("errcode")) == 1 && !bytes.ContainsRune(text, '\\')) {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
		if got != 0 && !maybeObject(text) {
			t.Errorf("%q holds an errcode and is not looked at", text)
		}
	})
}
