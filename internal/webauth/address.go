package webauth

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"

	"github.com/hufu-project/hufu/internal/registry"
)

// maxState is how long a site's state may be.
const maxState = 2048

// parameters reads a query in which nothing may be read in two ways: it must
// be well-formed, and no parameter may come twice.
func parameters(r *http.Request) (map[string]string, bool) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, false
	}
	query := map[string]string{}
	for name, all := range values {
		if len(all) > 1 {
			return nil, false
		}
		query[name] = all[0]
	}
	return query, true
}

// webURL is how browsers reach this node for an app; empty: nobody said.
func (a *Auth) webURL(app *registry.App) string {
	if app != nil && app.WebURL != "" {
		return app.WebURL
	}
	return a.Config().WebURL
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// draw gives 32 letters and digits, 190 random bits: a state that WeChat
// passes back unchanged, or a code that looks like one of its own.
func draw() string {
	b := make([]byte, 0, 32)
	var more [48]byte
	for len(b) < 32 {
		_, _ = rand.Read(more[:]) // never fails: crypto/rand ends the program instead
		for _, c := range more {
			// 248 is four times 62: what lies above would favour some letters.
			if c < 248 && len(b) < 32 {
				b = append(b, letters[c%62])
			}
		}
	}
	return string(b)
}

// drawn reports whether s could have come from draw.
func drawn(s string) bool {
	return len(s) == 32 && strings.Trim(s, letters) == ""
}

// withParameters adds parameters to an address that has no fragment.
func withParameters(uri string, names ...[2]string) string {
	var b strings.Builder
	b.WriteString(uri)
	sep := "?"
	if strings.Contains(uri, "?") {
		if sep = "&"; strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&") {
			sep = ""
		}
	}
	for _, p := range names {
		b.WriteString(sep)
		b.WriteString(p[0])
		b.WriteByte('=')
		escape(&b, p[1])
		sep = "&"
	}
	return b.String()
}

// escape writes every byte that does not stand for itself as %XX. A space is
// %20: not everybody reads + as one.
func escape(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if strings.IndexByte(letters+"-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
}

// send sends the browser on. The address it comes from, which may hold a code,
// goes neither into a cache nor to the next site.
func send(w http.ResponseWriter, to string) {
	h := w.Header()
	h.Set("Location", to)
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
