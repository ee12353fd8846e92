package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/access"
)

func TestACallNeedsNoTokenOfWeChats(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for name, a := range map[string]reply{
		"a key":                        w.ask("GET", userGet, "one", ""),
		"a key in X-Hufu-Key":          w.ask("GET", userGet, "", "", "X-Hufu-Key", w.keys["one"]),
		"a key and an app":             w.ask("GET", userGet+"&from_appid="+shop, "two", ""),
		"a key and another app":        w.ask("GET", userGet+"&from_appid="+other, "two", ""),
		"a key and any token":          w.ask("GET", userGet+"&access_token=91_something", "one", ""),
		"a phantom token":              w.ask("GET", userGet+"&access_token="+w.phantom("one", access.AppPhantom, time.Hour), "", ""),
		"a phantom token, a bit old":   w.ask("GET", userGet+"&access_token="+w.phantom("one", access.AppPhantom, -time.Minute), "", ""),
		"a phantom token and a header": w.ask("GET", userGet+"&access_token="+w.phantom("one", access.AppPhantom, time.Hour), "", "", "Authorization", "Basic eDp5"),
	} {
		if a.status != 200 || !strings.Contains(a.body, `"subscribe":1`) || a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %v %s", name, a.status, a.err, a.body)
		}
	}
	if n := w.sim.Issues(shop); n != 1 {
		t.Errorf("%d tokens were issued", n)
	}
	for name, c := range map[string]struct {
		reply
		code int
	}{
		"nothing":                      {w.ask("GET", userGet, "", ""), 41001},
		"a real token alone":           {w.ask("GET", userGet+"&access_token="+w.token(), "", ""), 40001},
		"a wrong key":                  {w.ask("GET", userGet, "", "", "X-Hufu-Key", w.keys["one"]+"x"), 40125},
		"a client of two apps":         {w.ask("GET", userGet, "two", ""), 40013},
		"an app that is not its own":   {w.ask("GET", userGet+"&from_appid="+other, "one", ""), 40013},
		"a client without call":        {w.ask("GET", userGet, "token", ""), 48001},
		"an expired phantom token":     {w.ask("GET", userGet+"&access_token="+w.phantom("one", access.AppPhantom, -6*time.Minute), "", ""), 42001},
		"a user's":                     {w.ask("GET", userGet+"&access_token="+w.phantom("one", access.UserPhantom, time.Hour), "", ""), 40001},
		"a path that is not its own":   {w.ask("GET", "/cgi-bin/menu/get", "narrow", ""), 48001},
		"a path that nobody may call":  {w.ask("GET", "/cgi-bin/clear_quota", "wide", ""), 48001},
		"a path that nobody knows":     {w.ask("GET", "/new/thing", "one", ""), 48001},
		"a phantom of such a client":   {w.ask("GET", userGet+"&access_token="+w.phantom("token", access.AppPhantom, time.Hour), "", ""), 48001},
		"a phantom and a foreign path": {w.ask("GET", "/cgi-bin/menu/get?access_token="+w.phantom("narrow", access.AppPhantom, time.Hour), "", ""), 48001},
	} {
		if c.status != 200 || c.reply.code() != c.code || !strings.Contains(c.body, " rid: "+c.header.Get("X-Request-Id")) {
			t.Errorf("%s: %d %s, want %d", name, c.status, c.body, c.code)
		}
	}
	for target, status := range map[string]int{
		"/v1/nothing":           404,
		"/v1/cgi-bin/user/info": 404,
		"/favicon":              404,
		"/new":                  404,
		"/cgi-bin/user/info?access_token=a&access_token=b": 400,
		"/cgi-bin/user/":      400,
		"/cgi-bin/token.json": 400,
	} {
		if a := w.ask("GET", target, "one", ""); a.status != status || !strings.Contains(a.header.Get("Content-Type"), "problem+json") {
			t.Errorf("%s: %d %s, want a problem %d", target, a.status, a.body, status)
		}
	}
	if a := w.ask("GET", "/new/thing", "", ""); a.status != 404 {
		t.Errorf("a strange path without a key: %d", a.status)
	}
}

// The HTTP client of the JDK, where it has not been told which HTTP to speak.
func TestWhoWouldLikeHTTP2IsServedWithout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.instead("/cgi-bin/user/info", func(out http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(out, r.Header)
	})
	jdk := []string{"Connection", "Upgrade, HTTP2-Settings", "HTTP2-Settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"}
	a := w.ask("GET", userGet, "one", "", append(jdk, "Upgrade", "h2c")...)
	if a.status != 200 || !strings.HasPrefix(a.body, "map[") || strings.Contains(strings.ToLower(a.body), "upgrade") || strings.Contains(strings.ToLower(a.body), "http2") {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, other := range []string{"websocket", "h2c, websocket", "TLS/1.0"} {
		if a := w.ask("GET", userGet, "one", "", append(jdk, "Upgrade", other)...); a.status != 400 {
			t.Errorf("%s: %d %s", other, a.status, a.body)
		}
	}
}
