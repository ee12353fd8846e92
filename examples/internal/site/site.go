// Package site is the login of a small web site, as far as it has nothing to do
// with WeChat or an SDK: the examples share it.
package site

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"html"
	"net/http"
	"os"
	"time"
)

// Env is the value of an environment variable, or what stands in for it.
func Env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// Site sends its visitors to log in, and greets them.
type Site struct {
	// URL is where it is, such as http://localhost:8704. Callback, below it, is
	// one of the redirect_uris of the client.
	URL string
	// Authorize makes the address that a browser is sent to.
	Authorize func(callback, state string) (string, error)
	// User exchanges the code that a browser brings back, and tells who it is.
	User func(code string) (openid string, err error)
}

// Callback is the address at which a login ends.
func (s Site) Callback() string { return s.URL + "/callback" }

// Serve answers on an address. It blocks.
func (s Site) Serve(addr string) error {
	fmt.Printf("open %s in a browser\n", s.URL)
	server := http.Server{Addr: addr, Handler: s, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

func (s Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		s.begin(w, r)
	case "/callback":
		s.end(w, r)
	default:
		http.NotFound(w, r)
	}
}

// begin remembers who begins: else somebody could send you the end of a login of
// theirs, and you would be on their account.
func (s Site) begin(w http.ResponseWriter, r *http.Request) {
	state := rand.Text()
	to, err := s.Authorize(s.Callback(), state)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "state", Value: state, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (s Site) end(w http.ResponseWriter, r *http.Request) {
	began, err := r.Cookie("state")
	if err != nil || subtle.ConstantTimeCompare([]byte(began.Value), []byte(r.FormValue("state"))) != 1 {
		http.Error(w, "this login was not begun in this browser", http.StatusBadRequest)
		return
	}
	if r.FormValue("error") != "" {
		http.Error(w, "you said no", http.StatusForbidden)
		return
	}
	openid, err := s.User(r.FormValue("code"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><title>Hello</title><p>Hello, %s.", html.EscapeString(openid))
}
