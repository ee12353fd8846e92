package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/access"
)

const (
	someKey   = "hufu_0000000000000000000000000000000000000000000"
	someToken = "10_0000000000000000000000000000000000000000000"
)

func shownOf(query string, headers ...string) (access.Shown, string, error) {
	r := &http.Request{Method: "GET", URL: &url.URL{Path: "/cgi-bin/user/get", RawQuery: query}, Header: http.Header{}}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return Shown(r)
}

func TestCredentialsLeaveTheQueryInEverySpelling(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ query, rest, token, app string }{
		{"", "", "", ""},
		{"access_token=T", "", "T", ""},
		{"openid=o1&access_token=T&lang=zh_CN", "openid=o1&lang=zh_CN", "T", ""},
		{"access%5Ftoken=T&from_appid=wx1&a=1", "a=1", "T", "wx1"},
		{"access_token", "", "", ""},
		{"access_token=&a=1", "a=1", "", ""},
		{"ACCESS_TOKEN=T&a=1", "a=1", "", ""},
		{"+access_token=T", "", "", ""},
		{"access.token=T&access%20token=T&access-token=T&access_token[]=T", "", "", ""},
		{"component_access_token=T&appsecret=S&Secret=S&a=1", "a=1", "", ""},
		{"From_AppID=wx1", "", "", "wx1"},
		{"b=%E4%B8%AD+%2f&&a=1&a=2&appid=wxOTHER", "b=%E4%B8%AD+%2f&a=1&a=2&appid=wxOTHER", "", ""},
		{"key=" + someKey + "&a=" + strings.Replace(someKey, "_", "%5f", 1) + "&c=3", "c=3", "", ""},
		{someKey + "=1&a" + someKey + "&c=3", "c=3", "", ""},
		{"token=" + someToken + "&access_token=" + someToken + "&" + someToken + "&c=3", "c=3", someToken, ""},
		{"acce%C5%BF%C5%BF_token=T&%C5%BFecret=S&to%E2%84%AAen_of_access=T&c=3", "c=3", "", ""},
		{"access_token=T&a=T", "a=T", "T", ""},
	} {
		got, rest, err := shownOf(c.query, "X-Hufu-Key", someKey)
		if err != nil || rest != c.rest || got.Token != c.token || string(got.App) != c.app || got.Key != someKey {
			t.Errorf("%s: %+v, rest %q, %v", c.query, got, rest, err)
		}
	}
	for query, status := range map[string]int{
		"access_token=T&access_token=T":         400,
		"access_token=T&Access_Token=T":         400,
		"from_appid=a&from_appid=b":             400,
		"access_token%00=T":                     400,
		"a=%zz":                                 400,
		"a= HTTP/1.1":                           400,
		"a=1;access_token=T":                    400,
		"a=1" + strings.Repeat("&b=2", 100):     400,
		"x=" + strings.Repeat("a", 9000):        414,
		"x=1&access_token=T&x=2&access%5ftoken": 400,
	} {
		if _, _, err := shownOf(query); err == nil || Explain(err).Status != status {
			t.Errorf("%.60s: %v, want status %d", query, err, status)
		}
	}
	if _, _, err := shownOf("", "X-Hufu-Key", "a", "Authorization", "Bearer b"); err == nil {
		t.Error("two keys are let pass")
	}
}

// Whatever a query looks like: what is left of it names no credential, and
// stands as it came.
func FuzzShown(f *testing.F) {
	for _, q := range []string{"access_token=T&a=1", "a=%zz", "+access_token=T", "a=1;b", "access%5ftoken=T&&=&x", "secret=1"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		s, rest, err := shownOf(query)
		if err != nil {
			return
		}
		left, err := url.ParseQuery(rest)
		if err != nil {
			t.Fatalf("%q left of %q: %v", rest, query, err)
		}
		all, err := url.ParseQuery(query)
		if err != nil {
			t.Fatalf("%q is let pass: %v", query, err)
		}
		for name, values := range left {
			if isCredential(fold(name)) {
				t.Errorf("%q of %q", name, query)
			}
			if strings.Join(all[name], "\x00") != strings.Join(values, "\x00") {
				t.Errorf("%q changed in %q", name, query)
			}
		}
		if s.Token != "" && all.Get("access_token") != s.Token {
			t.Errorf("token %q of %q", s.Token, query)
		}
		if !strings.Contains("&"+query, "&"+strings.SplitN(rest, "&", 2)[0]) {
			t.Errorf("%q is not out of %q", rest, query)
		}
	})
}

func TestLastAnswersWhereThereIsNoRoute(t *testing.T) {
	t.Parallel()
	s := NewSurface(slog.New(slog.DiscardHandler))
	answer := func(text string) Handler {
		return func(w http.ResponseWriter, _ *http.Request, _ access.Request) error {
			_, _ = w.Write([]byte(text))
			return nil
		}
	}
	s.Handle("GET", "/v1/apps", answer("route"))
	s.Last(func(r *http.Request) Handler {
		if strings.HasPrefix(r.URL.Path, "/cgi-bin/") {
			return answer("last")
		}
		return nil
	})
	for target, want := range map[string]struct {
		status int
		body   string
	}{
		"/v1/apps":        {200, "route"},
		"/cgi-bin/x":      {200, "last"},
		"/v1/nothing":     {404, ""},
		"/cgi-bin/../v1":  {400, ""},
		"/cgi-bin/%2e/v1": {400, ""},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI, r.URL = target, &url.URL{Path: target}
		s.ServeHTTP(w, r)
		if w.Code != want.status || want.body != "" && w.Body.String() != want.body {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("POST", "/v1/apps", nil))
	if w.Code != 405 {
		t.Errorf("another method of a route: %d", w.Code)
	}
}
