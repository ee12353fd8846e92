package server

import (
	"io"
	"net/http"
	"strings"
)

// browsers answers on listen.web: the files by which WeChat verifies that a
// domain is ours (MP_verify_….txt, WeChat's page 网页授权), at its root, and
// nothing else yet.
func (s *Server) browsers() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		content, ok := s.config.inForce.Load().VerifyFiles[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			content = "there is nothing here / 这里没有内容\n"
		}
		_, _ = io.WriteString(w, content)
	})
}
