package site

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestOnlyWhoBeganALoginEndsIt(t *testing.T) {
	t.Parallel()
	s := Site{
		URL: "http://localhost:8704",
		Authorize: func(callback, state string) (string, error) {
			return "https://auth.example.com/?" + url.Values{"redirect_uri": {callback}, "state": {state}}.Encode(), nil
		},
		User: func(code string) (string, error) {
			if code != "good" {
				return "", errors.New("40029")
			}
			return "o<1>", nil
		},
	}
	begun := httptest.NewRecorder()
	s.ServeHTTP(begun, httptest.NewRequest("GET", "/", nil))
	to, err := url.Parse(begun.Header().Get("Location"))
	if err != nil || begun.Code != http.StatusSeeOther || to.Query().Get("redirect_uri") != s.Callback() {
		t.Fatal(begun.Code, to, err)
	}
	state := to.Query().Get("state")
	cookie := begun.Result().Cookies()[0]
	for name, c := range map[string]struct {
		query  string
		cookie *http.Cookie
		status int
		text   string
	}{
		"the one who began":  {"code=good&state=" + state, cookie, 200, "Hello, o&lt;1&gt;."},
		"another browser":    {"code=good&state=" + state, &http.Cookie{Name: "state", Value: "another"}, 400, "not begun"},
		"without a cookie":   {"code=good&state=" + state, &http.Cookie{Name: "x", Value: "y"}, 400, "not begun"},
		"another state":      {"code=good&state=x", cookie, 400, "not begun"},
		"a no":               {"error=access_denied&state=" + state, cookie, 403, "no"},
		"a code that is bad": {"code=bad&state=" + state, cookie, 502, "40029"},
	} {
		r := httptest.NewRequest("GET", "/callback?"+c.query, nil)
		r.AddCookie(c.cookie)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
