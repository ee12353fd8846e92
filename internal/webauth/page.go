package webauth

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"rsc.io/qr"

	"github.com/hufu-project/hufu/internal/access"
)

//go:generate go tool -modfile=../../tools/go.mod templ generate -f page.templ

// pageKind is why a person sees a page of ours instead of the site's.
type pageKind string

// The pages.
const (
	refused      pageKind = "refused"   // the address that leads here is wrong
	denied       pageKind = "denied"    // the user did not consent
	expired      pageKind = "expired"   // too late, or once too often
	otherBrowser pageKind = "elsewhere" // not the browser that began
	outside      pageKind = "outside"   // not in WeChat
	snapshot     pageKind = "snapshot"  // WeChat's snapshot mode
	tooMany      pageKind = "busy"
	failed       pageKind = "failed"  // something went wrong
	nothing      pageKind = "nothing" // no such page
)

var pageKinds = []pageKind{refused, denied, expired, otherBrowser, outside, snapshot, tooMany, failed, nothing}

// page is a page to show.
type page struct {
	kind pageKind
	// status is by default the kind's own.
	status int
	// home is where the button leads, to begin again; none without.
	home string
	// qr is an address to scan.
	qr string
	// err is why, for the log.
	err error
}

var statuses = map[pageKind]int{
	tooMany: http.StatusTooManyRequests, failed: http.StatusServiceUnavailable, nothing: http.StatusNotFound,
}

//go:embed page.css
var style string

// policy lets a page show its own style sheet and a person follow its link,
// and nothing else: no script, no form, no frame around it.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// page shows a page, in the language of the browser.
func (a *Auth) page(w http.ResponseWriter, r *http.Request, q access.Request, p page) {
	if p.status == 0 {
		if p.status = statuses[p.kind]; p.status == 0 {
			p.status = http.StatusBadRequest
		}
	}
	a.counted.pages.add(string(p.kind))
	lang := language(r.Header.Get("Accept-Language"))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(p.status)
	view := view{kind: p.kind, lang: lang, words: words[lang], home: p.home, request: q.String()}
	if p.qr != "" {
		view.qr = drawQR(p.qr)
	}
	_ = show(view).Render(r.Context(), w) // the browser has gone
}

// language is zh or en, whichever the browser likes better; Chinese where it
// says nothing, English where it likes neither.
func language(accept string) string {
	if strings.TrimSpace(accept) == "" {
		return "zh"
	}
	best, lang := 0.0, "en"
	for part := range strings.SplitSeq(accept, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		weight := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			if weight, _ = strconv.ParseFloat(v, 64); weight < 0 || weight > 1 {
				weight = 0
			}
		}
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if (base == "zh" || base == "en") && weight > best {
			best, lang = weight, base
		}
	}
	return lang
}

// drawQR draws an address as an SVG image; empty where it does not fit.
func drawQR(address string) string {
	code, err := qr.Encode(address, qr.L)
	if err != nil {
		return ""
	}
	const quiet = 4 // modules of white around it, as the norm wants
	var b strings.Builder
	size := code.Size + 2*quiet
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges" role="img"><rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="`, size, size, size, size)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1H%dz", from+quiet, y+quiet, x-from, from+quiet)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String()
}
