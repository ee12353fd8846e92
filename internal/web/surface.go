// Package web is what every HTTP surface shares: the check of the request
// target, routes whose handlers return errors, request ids, problem documents,
// client addresses and keys, strict bodies, and servers with their limits.
package web

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/internal/access"
)

// Handler answers one request, or returns an error, having written nothing,
// that becomes a problem document by Explain.
type Handler func(w http.ResponseWriter, r *http.Request, q access.Request) error

// Surface routes the requests of one surface. It refuses every target that is
// not canonical before the router sees it, so the router's redirects are never
// reached. Routes are added before it serves; after that it is safe for
// concurrent use.
type Surface struct {
	log    *slog.Logger
	mux    *http.ServeMux
	routes map[string]*route
	first  func(r *http.Request) Handler
	last   func(r *http.Request) Handler
	boot   uint32
	count  atomic.Uint32
	panics atomic.Uint64
	show   func(http.ResponseWriter, *http.Request, access.Request, Problem)

	trusted atomic.Pointer[[]netip.Prefix]
}

// route is the handlers of one pattern, by method.
type route struct {
	methods map[string]Handler
	allow   string
}

// NewSurface makes a surface without routes.
func NewSurface(log *slog.Logger) *Surface {
	var boot [4]byte
	_, _ = rand.Read(boot[:]) // never fails: crypto/rand ends the program instead
	s := &Surface{log: log, mux: http.NewServeMux(), routes: map[string]*route{}, boot: binary.BigEndian.Uint32(boot[:])}
	s.show = func(w http.ResponseWriter, _ *http.Request, q access.Request, p Problem) { p.write(w, q) }
	s.Trust(nil)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if s.last != nil {
			if h := s.last(r); h != nil {
				s.Serve(w, r, h)
				return
			}
		}
		s.Serve(w, r, func(http.ResponseWriter, *http.Request, access.Request) error { return NotFound() })
	})
	return s
}

// Handle answers a method of a ServeMux path pattern, or every method where
// method is empty. Other methods of it are 405, and so is HEAD.
func (s *Surface) Handle(method, path string, h Handler) {
	known := s.routes[path]
	if known == nil {
		known = &route{methods: map[string]Handler{}}
		s.routes[path] = known
		s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { s.Serve(w, r, known.serve) })
	}
	known.methods[method] = h
	known.allow = strings.Join(slices.Sorted(maps.Keys(known.methods)), ", ")
}

// First sets a function that may name the handler of a request before the
// router looks at it, for the one route whose cost counts. It sees canonical
// targets only; nil leaves the request to the router.
func (s *Surface) First(f func(r *http.Request) Handler) { s.first = f }

// Last sets a function that may name the handler of a request for which there is
// no route; nil leaves it a 404. It sees canonical targets only.
func (s *Surface) Last(f func(r *http.Request) Handler) { s.last = f }

// Show sets how problems leave, in place of problem documents: a surface for
// people shows pages.
func (s *Surface) Show(show func(http.ResponseWriter, *http.Request, access.Request, Problem)) {
	s.show = show
}

// Panics counts the requests that ended in a panic.
func (s *Surface) Panics() uint64 { return s.panics.Load() }

// ServeHTTP serves one request.
func (s *Surface) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := checkTarget(r.RequestURI); p != nil {
		s.Serve(w, r, func(http.ResponseWriter, *http.Request, access.Request) error { return p })
		return
	}
	if s.first != nil {
		if h := s.first(r); h != nil {
			s.Serve(w, r, h)
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}

// serve picks the handler of the method.
func (t *route) serve(w http.ResponseWriter, r *http.Request, q access.Request) error {
	h, ok := t.methods[r.Method]
	if !ok {
		h, ok = t.methods[""]
	}
	if !ok {
		return &Problem{
			Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Allow: t.allow,
			Detail: "this path takes " + t.allow,
		}
	}
	return h(w, r, q)
}

// Header values that never change, shared so that an answer allocates none.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
	closing = []string{"close"}
)

// Serve runs one handler: it names the request, sets the headers that every
// answer has, and turns an error or a panic into a problem document.
func (s *Surface) Serve(w http.ResponseWriter, r *http.Request, h Handler) {
	q := access.Request{At: time.Now(), Boot: s.boot, Count: s.count.Add(1)}
	defer func() {
		if v := recover(); v != nil {
			s.panicked(w, r, q, v)
		}
	}()
	header := w.Header()
	header["Cache-Control"] = noStore
	header["X-Content-Type-Options"] = noSniff
	if r.TransferEncoding != nil {
		// net/http hides a Content-Length that came beside it, over which a
		// proxy before us may have seen another end of this request; so what
		// follows on this connection is not read. RFC 9112, section 6.1.
		header["Connection"] = closing
	}
	if err := h(w, r, q); err != nil {
		s.fail(w, r, q, err)
	}
}

// fail answers an error. Errors of ours are logged here, once; a credential
// that is not live is the keeper's news, and told there.
func (s *Surface) fail(w http.ResponseWriter, r *http.Request, q access.Request, err error) {
	p := Explain(err)
	if p.Status >= http.StatusInternalServerError && p.Code != "unavailable" {
		s.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("request", q.String()),
			slog.String("method", r.Method), slog.String("route", r.Pattern), slog.String("code", p.Code), slog.Any("err", err))
	}
	s.show(w, r, q, p)
}

// panicked answers a panic with a 500. Neither the value, which may quote the
// request, nor the request goes into the log, unless the runtime made it.
func (s *Surface) panicked(w http.ResponseWriter, r *http.Request, q access.Request, v any) {
	if v == http.ErrAbortHandler {
		panic(v)
	}
	s.panics.Add(1)
	text := fmt.Sprintf("%T", v)
	if e, ok := v.(runtime.Error); ok {
		text = e.Error()
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "request panicked", slog.String("request", q.String()),
		slog.String("method", r.Method), slog.String("route", r.Pattern), slog.String("err", text), slog.String("stack", string(debug.Stack())))
	s.show(w, r, q, Explain(errors.New("panic")))
}
