package shop

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The whole login is tested with the demo, where there is a Hufu to log in
// through. Here is what needs none.

// ask makes one request of a browser with cookies.
func ask(s http.Handler, address string, cookies []*http.Cookie, language string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	r.Header.Set("Accept-Language", language)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestClientKeyIsNeverShown(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	s := New(Options{URL: "http://shop.test", AppID: "wx0123456789abcdef", Key: "hufu_secret", HufuAPI: away.URL, HufuWeb: "https://auth.example"})
	begun := ask(s, "http://shop.test/login?scope=snsapi_base", nil, "en")
	at, err := begun.Location()
	if err != nil || at.Host != "auth.example" || at.Fragment != "wechat_redirect" || strings.Contains(at.String(), "secret") {
		t.Fatal(at, err)
	}
	page := ask(s, "http://shop.test/callback?code=one-time&state="+at.Query().Get("state"), begun.Cookies(), "en")
	text := body(t, page)
	if page.StatusCode != http.StatusBadGateway || !strings.Contains(text, `<body id="error">`) || !strings.Contains(text, "GET /sns/oauth2/access_token: ") {
		t.Errorf("got %s", text)
	}
	if strings.Contains(text, "hufu_secret") || strings.Contains(text, "one-time") {
		t.Errorf("the page shows a secret:\n%s", text)
	}
}

func TestCookiesAreKeptFromScriptsAndStrangers(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		s := New(Options{URL: scheme + "://shop.test"})
		cookies := ask(s, scheme+"://shop.test/login?scope=snsapi_base", nil, "").Cookies()
		if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode || cookies[0].Secure != (scheme == "https") {
			t.Errorf("%s: got %v", scheme, cookies)
		}
		if again := ask(s, scheme+"://shop.test/login?scope=snsapi_base", cookies, "").Cookies(); len(again) != 0 {
			t.Errorf("a second login took the browser's name away: %v", again)
		}
	}
}

func TestParametersAreInWeChatsOrder(t *testing.T) {
	t.Parallel()
	s := New(Options{URL: "http://shop.test", AppID: "wx1", HufuWeb: "http://hufu.test"})
	to := ask(s, "http://shop.test/login?scope=snsapi_userinfo", nil, "").Header.Get("Location")
	want := "http://hufu.test/connect/oauth2/authorize?appid=wx1&redirect_uri=" + url.QueryEscape("http://shop.test/callback") +
		"&response_type=code&scope=snsapi_userinfo&state="
	state, rest, _ := strings.Cut(strings.TrimPrefix(to, want), "#")
	if !strings.HasPrefix(to, want) || len(state) < 22 || rest != "wechat_redirect" {
		t.Errorf("got %s", to)
	}
}

func TestPagesSpeakTheBrowsersLanguage(t *testing.T) {
	t.Parallel()
	s := New(Options{URL: "http://shop.test"})
	for language, want := range map[string]string{
		"": "zh-CN", "zh-TW,zh;q=0.9,en;q=0.8": "zh-CN", "en-GB,zh;q=0.5": "en", "de-AT,de,zh-CN;q=0.3": "zh-CN", "fr": "en",
	} {
		page := ask(s, "http://shop.test/", nil, language)
		if got := page.Header.Get("Content-Language"); got != want || !strings.Contains(body(t, page), `<html lang="`+want+`">`) {
			t.Errorf("%q: got %s, want %s", language, got, want)
		}
	}
}

func TestBothLanguagesSayTheSame(t *testing.T) {
	t.Parallel()
	for _, w := range []words{chinese, english} {
		v := reflect.ValueOf(w)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s: %s says nothing", w.Lang, v.Type().Field(i).Name)
			}
		}
	}
	zh, en := slices.Sorted(maps.Keys(chinese.Errcodes)), slices.Sorted(maps.Keys(english.Errcodes))
	if !slices.Equal(zh, en) || len(chinese.Rows) != len(english.Rows) || len(chinese.StepList) != len(english.StepList) {
		t.Errorf("Chinese has %v, English %v", zh, en)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemory[int](3, time.Hour)
	var names []string
	for i := range 10 {
		names = append(names, m.add(i))
		if i == 5 {
			m.drop(names[4])
		}
	}
	for i, name := range names {
		if v, ok := m.get(name); ok != (i >= 7) || ok && v != i {
			t.Errorf("%d: got %d, %v", i, v, ok)
		}
	}
	if len(m.items) != 3 || len(m.order) != 3 {
		t.Errorf("holds %d, %d", len(m.items), len(m.order))
	}
}

func TestMemoryForgetsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory[int](100, time.Minute)
		old := m.add(1)
		time.Sleep(59 * time.Second)
		if _, ok := m.get(old); !ok {
			t.Error("forgotten too early")
		}
		time.Sleep(time.Second)
		if _, ok := m.get(old); ok {
			t.Error("kept for too long")
		}
		if m.add(2); len(m.items) != 1 || len(m.order) != 1 {
			t.Errorf("holds %d, %d", len(m.items), len(m.order))
		}
	})
}
