package server

import (
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/web"
)

// admin is the surface of listen.admin: health and metrics. Neither asks for a
// key, so neither says anything secret.
func (s *Server) admin(programs *web.Surface) http.Handler {
	surface := web.NewSurface(s.log)
	metrics := promhttp.HandlerFor(s.metrics(programs, s.users.Browser(), surface), promhttp.HandlerOpts{})
	for path, h := range map[string]web.Handler{
		"/healthz": s.healthy,
		"/readyz":  s.ready,
		"/metrics": func(w http.ResponseWriter, r *http.Request, _ access.Request) error {
			metrics.ServeHTTP(w, r)
			return nil
		},
	} {
		surface.Handle(http.MethodGet, path, h)
		surface.Handle(http.MethodHead, path, h)
	}
	surface.Handle("", "/{$}", func(http.ResponseWriter, *http.Request, access.Request) error {
		p := web.NotFound()
		p.Detail, p.Hint = "there is nothing at the root", "health is at /healthz and /readyz, metrics are at /metrics"
		return p
	})
	return surface
}

// healthy: the process answers on all its addresses, whatever upstream or the
// store is doing. Restarting it would help neither.
func (s *Server) healthy(w http.ResponseWriter, _ *http.Request, _ access.Request) error {
	for _, l := range s.sites {
		if !l.serving.Load() {
			return notReady(w, "listen."+l.name+" does not accept yet")
		}
	}
	return fine(w)
}

// ready: this node can answer for what it knows. It is never about WeChat or
// one app: an app that is blocked must not take the others out of rotation.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request, _ access.Request) error {
	// The store is open and the configuration loaded, or New had not returned.
	select {
	case <-s.registry.Loaded():
	default:
		return notReady(w, "apps and clients have not been read from the store yet")
	}
	if s.draining.Err() != nil {
		return notReady(w, "this node is stopping")
	}
	return fine(w)
}

func fine(w http.ResponseWriter) error { return say(w, http.StatusOK, "ok") }

// notReady is not an error of ours: whoever asks wants to know just that.
func notReady(w http.ResponseWriter, why string) error {
	return say(w, http.StatusServiceUnavailable, why)
}

func say(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
	return nil
}
