package webauth

import (
	"io"
	"net/http"
	"strings"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/web"
)

// newBrowser routes what browsers ask for. A web_url may have a path, and the
// proxy that shares its domain may take it off or not, so a path counts by its
// end. Everything else is a page, too.
func (a *Auth) newBrowser() *web.Surface {
	s := web.NewSurface(a.Log)
	s.Show(a.problem)
	routes := map[string]func(http.ResponseWriter, *http.Request, access.Request){
		authorizePath: a.begin(authorizePath),
		qrconnectPath: a.begin(qrconnectPath),
		callbackPath:  a.callback,
	}
	s.First(func(r *http.Request) web.Handler {
		h, ok := routes[ending(r.URL.Path)]
		switch {
		case ok && r.Method != http.MethodGet:
			return func(http.ResponseWriter, *http.Request, access.Request) error {
				return &web.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Allow: "GET", Detail: "this path takes GET"}
			}
		case ok:
			return func(w http.ResponseWriter, r *http.Request, q access.Request) error {
				h(w, r, q)
				return nil
			}
		case strings.HasSuffix(r.URL.Path, ".txt"):
			return a.verifyFile
		}
		return nil
	})
	return s
}

// ending is which of our paths a path ends with.
func ending(path string) string {
	for _, known := range []string{authorizePath, qrconnectPath, callbackPath} {
		if strings.HasSuffix(path, known) {
			return known
		}
	}
	return ""
}

// verifyFile answers with a file by which WeChat sees that the domain is ours
// (MP_verify_….txt, WeChat's page 网页授权).
func (a *Auth) verifyFile(w http.ResponseWriter, r *http.Request, _ access.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &web.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Allow: "GET, HEAD", Detail: "this path takes GET"}
	}
	content, ok := a.Config().VerifyFiles[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
	if !ok {
		return web.NotFound()
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = io.WriteString(w, content)
	return nil
}

// problem shows as a page what the surface itself refuses.
func (a *Auth) problem(w http.ResponseWriter, r *http.Request, q access.Request, p web.Problem) {
	shown := page{kind: refused, status: p.Status}
	switch {
	case p.Status == http.StatusNotFound:
		shown.kind = nothing
	case p.Status >= http.StatusInternalServerError:
		shown.kind = failed
	case p.Status == http.StatusMethodNotAllowed:
		w.Header().Set("Allow", p.Allow)
	}
	a.page(w, r, q, shown)
}
