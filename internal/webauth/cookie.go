package webauth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
)

// A browser is known by one cookie of 128 drawn bits, which binds each login
// to the browser that began it. Where web_url is https its name begins with
// __Host-, so that no neighbour under the same domain can set it.
const cookieBytes = 16

func cookieName(webURL string) string {
	if strings.HasPrefix(webURL, "https://") {
		return "__Host-hufu"
	}
	return "hufu"
}

// browserOf is the hash of the browser's cookie; it sets one if there is none.
func browserOf(w http.ResponseWriter, r *http.Request, webURL string) [32]byte {
	name := cookieName(webURL)
	for _, c := range r.CookiesNamed(name) {
		if sum, ok := hashCookie(c.Value); ok {
			return sum
		}
	}
	var draw [cookieBytes]byte
	_, _ = rand.Read(draw[:]) // never fails: crypto/rand ends the program instead
	value := base64.RawURLEncoding.EncodeToString(draw[:])
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(webURL, "https://"),
	})
	return sha256.Sum256([]byte(value))
}

// isBrowser reports whether the request comes from the browser with that hash.
func isBrowser(r *http.Request, webURL string, browser []byte) bool {
	for _, c := range r.CookiesNamed(cookieName(webURL)) {
		if sum, ok := hashCookie(c.Value); ok && subtle.ConstantTimeCompare(sum[:], browser) == 1 {
			return true
		}
	}
	return false
}

func hashCookie(value string) (sum [32]byte, ok bool) {
	if raw, err := base64.RawURLEncoding.DecodeString(value); err != nil || len(raw) != cookieBytes {
		return sum, false
	}
	return sha256.Sum256([]byte(value)), true
}
