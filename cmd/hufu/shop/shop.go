// Package shop is a sample site that logs its visitors in with WeChat, through
// Hufu. It is meant to be read and copied.
//
// It is written as if it spoke to WeChat itself: the same paths, the same
// parameters, the same answers. Three settings differ. The browser is sent to
// Hufu in place of https://open.weixin.qq.com, the server asks Hufu in place of
// https://api.weixin.qq.com, and a client key of Hufu's stands where the
// AppSecret would. So the site never holds the AppSecret, and needs no callback
// domain of its own at WeChat.
//
// login.go is the login, hufu.go are the calls, page.go is what a person sees.
package shop

import (
	"crypto/rand"
	"embed"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options say where the shop is, where Hufu is, and who the shop is to it. All
// of them are needed.
type Options struct {
	// URL is how browsers reach the shop: scheme, host and port, without a
	// path. URL + "/callback" must be among the client's redirect_uris.
	URL string
	// AppID is the official account that visitors log in with.
	AppID string
	// Key is the shop's client key, which may "login" and be given a "token".
	Key string
	// HufuAPI is Hufu's listen.api, which the shop calls.
	HufuAPI string
	// HufuWeb is Hufu's web_url, where browsers are sent.
	HufuWeb string
}

// New returns the site. It keeps its visitors in memory, so they are logged out
// when the process ends. The handler is safe for concurrent use.
func New(o Options) http.Handler {
	s := &shop{
		Options:  o,
		hufu:     hufu{api: o.HufuAPI, appID: o.AppID, key: o.Key, http: &http.Client{Timeout: 10 * time.Second}},
		logins:   newMemory[*login](10_000, 10*time.Minute),
		visitors: newMemory[visitor](10_000, 12*time.Hour),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /login", s.login)
	mux.HandleFunc("GET /callback", s.callback)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, static, "static/"+r.PathValue("file"))
	})
	// A form of another site's cannot log anybody out.
	return s.guarded(http.NewCrossOriginProtection().Handler(mux))
}

type shop struct {
	Options
	hufu     hufu
	logins   *memory[*login] // by their state
	visitors *memory[visitor]
}

// visitor is somebody who is logged in. The user's token is not here: once it
// has said who that is, the shop has no more use for it.
type visitor struct {
	OpenID   string
	Nickname string // with snsapi_userinfo only
	Scope    string
	Token    sight
}

//go:embed static
var static embed.FS

// guarded sets what every answer carries, and sends who comes by another name
// of this machine to the right one, since cookies belong to a host name.
func (s *shop) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		// The callback's address has a code in it; no other site shall see it.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if here, err := url.Parse(s.URL); err == nil && r.Host != here.Host {
			http.Redirect(w, r, s.URL+"/", http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// The cookies. A browser has one name from its first login on, and another for
// as long as somebody is logged in.
const (
	browserCookie = "shop_browser"
	visitorCookie = "shop_visitor"
)

// setCookie lets the browser keep a value until it is closed. Lax is what lets
// the cookie come along when WeChat sends the browser back to us.
func (s *shop) setCookie(w http.ResponseWriter, name, value string) {
	c := http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.URL, "https://")}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, &c)
}

// cookie is "" if there is none.
func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// draw makes a name that nobody can guess, of letters and digits.
func draw() string { return rand.Text() }
