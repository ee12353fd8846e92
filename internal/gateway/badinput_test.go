package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// badInput is a row of testdata/bad-inputs.jsonl: a call of a client that may
// call /cgi-bin/user/get and /cgi-bin/message/template/send, and what must come
// back; or the name of the test that it takes. Rest is the query that must
// reach WeChat beside the token; without it nothing may. {c*n} stands for c n
// times. A row that asks for something else than the list it comes from has a
// reason.
type badInput struct {
	ID      string   `json:"id"`
	Method  string   `json:"method"`
	Target  string   `json:"target"`
	Headers []string `json:"headers"`

	Status  int     `json:"status"`
	Errcode int     `json:"errcode"`
	Rest    *string `json:"rest"`

	Test   string `json:"test"`
	Reason string `json:"reason"`
}

var repeated = regexp.MustCompile(`\{([^*{}]+)\*(\d+)\}`)

func filled(s string) string {
	return repeated.ReplaceAllStringFunc(s, func(s string) string {
		m := repeated.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[2])
		return strings.Repeat(m[1], n)
	})
}

// mayArrive is every header that may reach WeChat.
var mayArrive = []string{"Accept", "Accept-Encoding", "Accept-Language", "Content-Length", "Content-Type", "Range", "User-Agent"}

func TestBadInputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	token := w.token()
	sources := tests(t)
	data, err := os.ReadFile("testdata/bad-inputs.jsonl")
	must(t, err)
	for line := range bytes.Lines(data) {
		var row badInput
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		must(t, d.Decode(&row))
		if row.Test != "" {
			if !strings.Contains(sources, "func "+row.Test+"(") {
				t.Errorf("%s: there is no %s", row.ID, row.Test)
			}
			continue
		}
		if row.Method == "" {
			row.Method = "GET"
		}
		target, _, _ := strings.Cut(row.Target, "?")
		before, refusals := w.reached(target), w.guard.Counts().Denied
		got := w.raw(row.Method, filled(row.Method)+" "+filled(row.Target)+" HTTP/1.1\r\n", row.Headers, `{"touser":"o1","template_id":"t1"}`)
		if got.status != row.Status || got.code() != row.Errcode {
			t.Errorf("%s: %d %s, want %d, errcode %d", row.ID, got.status, got.body, row.Status, row.Errcode)
			continue
		}
		if row.Errcode != 0 && w.guard.Counts().Denied != refusals+1 {
			t.Errorf("%s: the refusal is not recorded", row.ID)
		}
		if got.header.Get("Location") != "" {
			t.Errorf("%s: redirected to %s", row.ID, got.header.Get("Location"))
		}
		if n := w.reached(target) - before; row.Rest == nil && n != 0 || row.Rest != nil && n != 1 {
			t.Errorf("%s: WeChat was called %d times", row.ID, n)
		}
		if row.Rest == nil {
			continue
		}
		b, _ := w.sim.LastBrought(target)
		query, err := url.ParseQuery(strings.TrimPrefix(b.Target, target+"?"))
		must(t, err)
		if v := query["access_token"]; len(v) != 1 || v[0] != token {
			t.Errorf("%s: access_token %q", row.ID, v)
		}
		delete(query, "access_token")
		if query.Encode() != *row.Rest {
			t.Errorf("%s: WeChat got %q, want %q", row.ID, query.Encode(), *row.Rest)
		}
		for name := range b.Header {
			if !slices.Contains(mayArrive, name) {
				t.Errorf("%s: header %s reached WeChat", row.ID, name)
			}
		}
		if v := b.Header["Accept-Encoding"]; len(v) != 1 || v[0] != "identity" {
			t.Errorf("%s: Accept-Encoding %q", row.ID, v)
		}
	}
	if n := w.sim.Issues(shop); n != 1 {
		t.Errorf("%d tokens were issued", n)
	}
	if w.surface.Panics() != 0 {
		t.Error("a panic")
	}
}

// raw sends a call as the client narrow, byte for byte.
func (w *world) raw(method, line string, headers []string, body string) reply {
	w.t.Helper()
	var b strings.Builder
	b.WriteString(line)
	host := "Host: hufu\r\n"
	for _, h := range headers {
		if strings.HasPrefix(h, "Host:") {
			host = ""
		}
		b.WriteString(filled(h) + "\r\n")
	}
	if method != http.MethodPost {
		body = ""
	} else {
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString(host + "Authorization: Bearer " + w.keys["narrow"] + "\r\n\r\n" + body)
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(w.t, err)
	defer c.Close()
	go func() { _, _ = io.WriteString(c, b.String()) }()
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		w.t.Errorf("%.80q: %v", line, err)
		return reply{}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text), err}
}

// tests is the source of the tests here.
func tests(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	must(t, err)
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		all.Write(b)
	}
	return all.String()
}
