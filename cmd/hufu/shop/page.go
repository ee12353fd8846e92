package shop

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"unicode/utf8"
)

//go:embed page.html
var pageText string

var pages = template.Must(template.New("").Funcs(template.FuncMap{"code": code}).Parse(pageText))

// page is all that a page shows. The id of its body says which one it is.
type page struct {
	ID          string
	Status      int
	Title, Text string
	Refusal     string // WeChat's number and words
	Again       string // where the button leads
	Visitor     *visitor
	AppToken    sight
	Say         *words
}

// sight is what may be seen of a token: enough to tell two apart, and of no
// other use.
type sight struct {
	Head      string
	ExpiresIn int // seconds, when it was given
}

func look(token string, expiresIn int) sight {
	return sight{token[:min(10, len(token)/2)] + "…", expiresIn}
}

// home is the one page of the shop: how to log in, or who is logged in.
func (s *shop) home(w http.ResponseWriter, r *http.Request) {
	p := page{ID: "home", Status: http.StatusOK, Say: wordsFor(r)}
	p.Title = p.Say.Shop
	if v, ok := s.visitors.get(cookie(r, visitorCookie)); ok {
		p.Visitor = &v
		if t, err := s.hufu.app(r.Context()); err != nil {
			p.AppToken.Head = err.Error()
		} else {
			p.AppToken = look(t.Access, t.ExpiresIn)
		}
	}
	p.show(w)
}

func (s *shop) denied(w http.ResponseWriter, r *http.Request) {
	say := wordsFor(r)
	page{ID: "denied", Status: http.StatusOK, Title: say.Denied.Title, Text: say.Denied.Text, Again: "/login?scope=" + scopeUserinfo, Say: say}.show(w)
}

func (s *shop) mismatch(w http.ResponseWriter, r *http.Request) {
	say := wordsFor(r)
	page{ID: "mismatch", Status: http.StatusBadRequest, Title: say.Mismatch.Title, Text: say.Mismatch.Text, Again: "/", Say: say}.show(w)
}

// failed shows what went wrong: WeChat's number where there is one, and what it
// means to the person in front of the page.
func (s *shop) failed(w http.ResponseWriter, r *http.Request, status int, err error) {
	say := wordsFor(r)
	text := say.Unreachable
	if no, ok := errors.AsType[*refusal](err); ok {
		if text = say.Errcodes[no.Code]; text == "" {
			text = say.OtherErrcode
		}
	}
	page{ID: "error", Status: status, Title: say.Failed, Text: text, Refusal: err.Error(), Again: "/", Say: say}.show(w)
}

// show writes the page only when all of it is there.
func (p page) show(w http.ResponseWriter) {
	var b bytes.Buffer
	if err := pages.Execute(&b, p); err != nil {
		http.Error(w, "this page is broken", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", p.Say.Lang)
	w.WriteHeader(p.Status)
	_, _ = b.WriteTo(w) // whoever is gone sees nothing
}

// Initial stands in for the picture, which would have to come from WeChat's
// servers.
func (p page) Initial() string {
	if r, n := utf8.DecodeRuneInString(p.Visitor.Nickname); n > 0 {
		return string(r)
	}
	return "?"
}

// code marks what stands between backquotes, and escapes everything. A path may
// break behind a slash.
func code(text string) template.HTML {
	parts := strings.Split(text, "`")
	for i, part := range parts {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + strings.ReplaceAll(part, "/", "/<wbr>") + "</code>"
		}
		parts[i] = part
	}
	return template.HTML(strings.Join(parts, ""))
}
