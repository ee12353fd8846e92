package api_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// badInput is a row of testdata/bad-inputs.jsonl: a request by method, path or
// the path of the shop's token with a query or a suffix, header lines and body,
// and what must come back; or the name of the test that it takes. {K} and its
// like stand for keys, {T} for the current token, {c*n} for c n times.
type badInput struct {
	ID      string   `json:"id"`
	Method  string   `json:"method"`
	Path    string   `json:"path"`
	Query   string   `json:"query"`
	Suffix  string   `json:"suffix"`
	Headers []string `json:"headers"`
	Body    string   `json:"body"`

	Status  int    `json:"status"`
	Code    string `json:"code"`
	Begins  string `json:"begins"`
	Audited bool   `json:"audited"`

	Test string `json:"test"`
	Why  string `json:"why"`
}

var repeated = regexp.MustCompile(`\{(.)\*(\d+)\}`)

func TestBadInputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	token := w.value("real")
	issues := w.sim.Issues(shop)
	stand := strings.NewReplacer("{K}", w.keys["real"], "{K-}", w.keys["real"][:len(w.keys["real"])-1], "{K2}", w.keys["operator"],
		"{AWAY}", w.keys["away"], "{ADMIN}", w.keys["operator"], "{T}", token)
	fill := func(s string) string {
		return repeated.ReplaceAllStringFunc(stand.Replace(s), func(s string) string {
			m := repeated.FindStringSubmatch(s)
			n, _ := strconv.Atoi(m[2])
			return strings.Repeat(m[1], n)
		})
	}
	tests := testNames(t)
	data, err := os.ReadFile("testdata/bad-inputs.jsonl")
	must(t, err)
	for line := range bytes.Lines(data) {
		var row badInput
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if row.Test != "" {
			if !tests[row.Test] {
				t.Errorf("%s: there is no %s", row.ID, row.Test)
			}
			continue
		}
		if row.Path == "" {
			row.Path = path(shop)
		}
		if row.Method == "" {
			row.Method = "GET"
		}
		before := len(w.records())
		body := fill(row.Body)
		var b strings.Builder
		b.WriteString(row.Method + " " + row.Path + row.Suffix + fill(row.Query) + " HTTP/1.1\r\nHost: hufu\r\n")
		for _, h := range row.Headers {
			b.WriteString(fill(h) + "\r\n")
		}
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\nConnection: close\r\n\r\n" + body)
		got := w.raw(row.Method, b.String())

		if got.status != row.Status {
			t.Errorf("%s (%s): %d %s, want %d", row.ID, row.Why, got.status, got.body, row.Status)
			continue
		}
		if row.Code != "" && got.json(t)["code"] != row.Code {
			t.Errorf("%s (%s): %s, want code %s", row.ID, row.Why, got.body, row.Code)
		}
		if !strings.HasPrefix(got.body, row.Begins) {
			t.Errorf("%s (%s): %s", row.ID, row.Why, got.body)
		}
		if got.status != http.StatusOK && strings.Contains(got.body, token) {
			t.Errorf("%s (%s): a token in %s", row.ID, row.Why, got.body)
		}
		if audited := len(w.records()) > before; row.Audited && !audited {
			t.Errorf("%s (%s): not recorded", row.ID, row.Why)
		}
		if l := got.header.Get("Location"); l != "" {
			t.Errorf("%s (%s): redirected to %s", row.ID, row.Why, l)
		}
	}
	if n := w.sim.Issues(shop); n != issues {
		t.Errorf("%d values were issued", n-issues)
	}
	if w.surface.Panics() != 0 {
		t.Error("a panic")
	}
	w.noSecretOut(token)
}

// raw sends bytes and reads one answer.
func (w *world) raw(method, request string) answer {
	w.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(w.t, err)
	defer c.Close()
	go func() { _, _ = io.WriteString(c, request) }()
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		w.t.Errorf("%.80q: %v", request, err)
		return answer{}
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// testNames is the names of the tests here and in the packages below.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range []string{".", "../access", "../web"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		must(t, err)
		for _, f := range files {
			b, err := os.ReadFile(f)
			must(t, err)
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(b), -1) {
				names[m[1]] = true
			}
		}
	}
	return names
}

// noSecretOut looks for keys, tokens and the AppSecret where none may stand.
func (w *world) noSecretOut(tokens ...string) {
	w.t.Helper()
	file, err := os.ReadFile(w.file)
	must(w.t, err)
	secrets := append([]string{secret}, tokens...)
	for _, k := range w.keys {
		secrets = append(secrets, k)
	}
	for place, text := range map[string]string{"the audit file": string(file), "the log": w.log.String()} {
		for _, s := range secrets {
			if strings.Contains(text, s) {
				w.t.Errorf("a secret stands in %s", place)
			}
		}
	}
}
