package webauth

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/wechat"
)

// badInput is a row of testdata/bad-inputs.jsonl: a redirect_uri or a whole
// query of an authorize address, or the query of a callback, and what must
// come back; or the name of the test that it takes. {APP} stands for the
// appid, {S} for the state of a live login, {s} for it in lower case, {C} for
// a code, {c*n} for c n times. A row that asks for something else than the
// list it comes from has a reason.
type badInput struct {
	ID       string   `json:"id"`
	Redirect *string  `json:"redirect_uri"`
	Query    *string  `json:"query"`
	Callback *string  `json:"callback"`
	Method   string   `json:"method"`
	Headers  []string `json:"headers"`

	Status   int    `json:"status"`
	Location string `json:"location"`
	Without  string `json:"without"`

	Test   string `json:"test"`
	Reason string `json:"reason"`
}

var repeated = regexp.MustCompile(`\{(.)\*(\d+)\}`)

func TestBadInputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	good := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	state := stateOf(t, good)
	stand := strings.NewReplacer("{APP}", shop, "{S}", state, "{s}", strings.ToLower(state), "{C}", "011abcdefghijklmnopqrstuvwxyz012")
	fill := func(s string) string {
		return repeated.ReplaceAllStringFunc(stand.Replace(s), func(s string) string {
			m := repeated.FindStringSubmatch(s)
			n, _ := strconv.Atoi(m[2])
			return strings.Repeat(m[1], n)
		})
	}
	data, err := os.ReadFile("testdata/bad-inputs.jsonl")
	must(t, err)
	sources := tests(t)
	seen := map[string]bool{}
	for line := range bytes.Lines(data) {
		var row badInput
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		must(t, d.Decode(&row))
		if seen[row.ID] {
			t.Errorf("%s stands there twice", row.ID)
		}
		seen[row.ID] = true
		if row.Test != "" {
			if !strings.Contains(sources, "func "+row.Test+"(") {
				t.Errorf("%s: there is no %s", row.ID, row.Test)
			}
			continue
		}
		t.Run(row.ID, func(t *testing.T) {
			var address string
			switch {
			case row.Redirect != nil:
				address = authorize(shop, fill(*row.Redirect), wechat.ScopeBase, "S")
			case row.Query != nil:
				address = webURL + authorizePath + "?" + fill(*row.Query)
			default:
				address = webURL + callbackPath + "?" + fill(*row.Callback)
			}
			before := strings.Count(w.log.String(), "a login is refused")
			resp := p.get(address, func(r *http.Request) {
				if row.Method != "" {
					r.Method = row.Method
				}
				for _, line := range row.Headers {
					name, value, _ := strings.Cut(line, ": ")
					if r.Header.Set(name, value); name == "Host" {
						r.Host = value
					}
				}
			})
			text := body(resp)
			if resp.StatusCode != row.Status || !strings.Contains(resp.Header.Get("Location"), row.Location) {
				t.Errorf("status %d, Location %q, want %d: %s", resp.StatusCode, resp.Header.Get("Location"), row.Status, text)
			}
			if to := resp.Header.Get("Location"); row.Status != http.StatusSeeOther && to != "" {
				t.Errorf("it leads to %q", to)
			}
			if row.Without != "" && strings.Contains(text+resp.Header.Get("Location"), row.Without) {
				t.Errorf("%q shows in %q, %s", row.Without, resp.Header.Get("Location"), text)
			}
			if row.Callback == nil && row.Status == http.StatusBadRequest && strings.Count(w.log.String(), "a login is refused") == before {
				t.Error("it is not logged")
			}
		})
	}
	if len(seen) != 96 {
		t.Errorf("%d rows", len(seen))
	}
	if w.exchanges() != 0 {
		t.Error("WeChat was asked")
	}
	p.arrive(good) // nothing of this used it up
}

// tests is the text of this package's tests.
func tests(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	entries, err := os.ReadDir(".")
	must(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "_test.go") {
			b, err := os.ReadFile(e.Name())
			must(t, err)
			all.Write(b)
		}
	}
	return all.String()
}

// A browser reads an address by the rules of WHATWG, not by those of net/url.
// Wherever one is let pass, both, and a third reading by hand, must find the
// host that was registered.
func FuzzNoAddressIsReadAsAnotherHost(f *testing.F) {
	data, err := os.ReadFile("testdata/bad-inputs.jsonl")
	must(f, err)
	for line := range bytes.Lines(data) {
		var row badInput
		if json.Unmarshal(line, &row) == nil && row.Redirect != nil {
			f.Add(*row.Redirect)
		}
	}
	for _, s := range []string{site, "https://app.example.com/deep/a?b=c", "http://shop.test:8080/cb?x=1", "https://app.example.com/deep/%E8%99%8E"} {
		f.Add(s)
	}
	w := newWorld(f)
	hosts := map[string]bool{"https://app.example.com": true, "http://shop.test:8080": true, "https://real.example.com": true, "https://relay.example.com": true, "https://strict.example.com": true}
	f.Fuzz(func(t *testing.T, uri string) {
		c, ok := w.reg.ClientByRedirect(shop, uri)
		if !ok {
			return
		}
		for name, to := range map[string]string{
			"as it is": uri, "with a code": withParameters(uri, [2]string{"code", "C"}, [2]string{"state", "a#b?c&d\r\n//e"}),
		} {
			origin, path, ok := readAsBrowser(to)
			if !ok || !hosts[origin] {
				t.Fatalf("%s, %q: a browser goes to %q", name, to, origin)
			}
			u, err := url.Parse(to)
			if err != nil || u.Scheme+"://"+u.Host != origin || u.Fragment != "" || u.User != nil || u.EscapedPath() != path {
				t.Fatalf("%s, %q: net/url reads %+v (%v), a browser %q and %q", name, to, u, err, origin, path)
			}
		}
		if c.Name == "phantom" && uri != site && !strings.HasPrefix(uri, "https://app.example.com/deep/") {
			t.Fatalf("%q is neither the address nor below the prefix", uri)
		}
		r := httptest.NewRequest(http.MethodGet, "/connect/oauth2/authorize?appid="+shop+"&response_type=code&scope=snsapi_base&redirect_uri="+url.QueryEscape(uri), nil)
		if l, _, _, why := w.auth.wanted(r, authorizePath); why != "" || l.Redirect != uri {
			t.Fatalf("%q: refused (%s), or changed to %q", uri, why, l.Redirect)
		}
	})
}

// readAsBrowser gives the origin and the path of an address as a browser reads
// it (WHATWG URL, https://url.spec.whatwg.org/#concept-basic-url-parser), for
// http and https with a host of letters: control characters and blanks around
// it fall off, tabs and line ends anywhere, a backslash is a slash, any number
// of slashes begins the host, what stands before the last @ is a user, dot
// segments in any spelling are followed, a default port goes away.
func readAsBrowser(s string) (origin, path string, ok bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	s, _, _ = strings.Cut(s, "#")
	scheme, rest, found := strings.Cut(s, ":")
	scheme = strings.ToLower(scheme)
	if !found || scheme != "https" && scheme != "http" {
		return "", "", false
	}
	rest, _, _ = strings.Cut(rest, "?")
	rest = strings.TrimLeft(strings.ReplaceAll(rest, `\`, "/"), "/")
	authority, path, _ := strings.Cut(rest, "/")
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	if authority, ok = unescapeHost(authority); !ok {
		return "", "", false
	}
	authority = strings.ToLower(authority)
	authority = strings.TrimSuffix(authority, map[string]string{"https": ":443", "http": ":80"}[scheme])
	var out []string
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		switch dots := strings.ReplaceAll(strings.ToLower(segment), "%2e", "."); {
		case dots == ".." && len(out) > 0:
			out = out[:len(out)-1]
			fallthrough
		case dots == ".", dots == "..":
			if i == len(segments)-1 {
				out = append(out, "")
			}
		default:
			out = append(out, segment)
		}
	}
	return scheme + "://" + authority, "/" + strings.Join(out, "/"), true
}

func unescapeHost(s string) (string, bool) {
	u, err := url.PathUnescape(s)
	return u, err == nil && strings.Trim(u, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") == ""
}
