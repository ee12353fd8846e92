package hufutest

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // WeChat's choice
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hufu-project/hufu"
)

// Report is what a client said of a value.
type Report struct {
	App     string `json:"-"`
	Kind    string `json:"-"`
	Value   string `json:"value"`
	Errcode int    `json:"errcode"`
}

// Server is a Hufu that knows the tokens that a test gives it, on a port of
// this machine. Its methods are safe for concurrent use.
type Server struct {
	// URL and Key are for hufu.New.
	URL, Key string

	server *httptest.Server

	mu      sync.Mutex
	values  map[place]*entry
	next    map[place]string // what a report brings
	changed chan struct{}    // closed and replaced with every change
	reports []Report
	fault   http.Handler
}

type place struct{ app, kind string }

// entry is a value in the fields of the API.
type entry struct {
	App        string    `json:"app"`
	Kind       string    `json:"kind"`
	Value      string    `json:"value"`
	Generation uint64    `json:"generation"`
	IssuedAt   time.Time `json:"issued_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	ExpiresIn  int64     `json:"expires_in"`
	MaxAge     int64     `json:"max_age"`
}

const (
	life   = 2 * time.Hour
	maxAge = 60
)

// NewServer starts a server with a token for each app. Call Close when done.
func NewServer(tokens map[string]string) *Server {
	s := &Server{Key: "hufu_" + rand.Text(), values: map[place]*entry{}, next: map[place]string{}, changed: make(chan struct{})}
	for app, token := range tokens {
		s.Set(app, hufu.AccessToken, token)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/apps/{app}/credentials/{kind}", s.read)
	mux.HandleFunc("POST /v1/apps/{app}/credentials/{kind}/report", s.report)
	mux.HandleFunc("POST /v1/apps/{app}/jsapi-signature", s.sign)
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		fault := s.fault
		s.mu.Unlock()
		switch {
		case fault != nil:
			fault.ServeHTTP(w, r)
		case r.Header.Get("Authorization") != "Bearer "+s.Key:
			problem(w, http.StatusUnauthorized, "unauthorized", "no valid client key")
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	s.URL = s.server.URL
	return s
}

// Close ends the server. Who waits is told so.
func (s *Server) Close() {
	s.Fail(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		problem(w, http.StatusServiceUnavailable, "unavailable", "the fake server is closed")
	}))
	s.server.CloseClientConnections()
	s.server.Close()
}

// Set gives an app a new value of a kind; clients that follow learn of it at
// once. It lives two hours.
func (s *Server) Set(app, kind, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(app, kind, value)
}

// set is Set. The lock is held.
func (s *Server) set(app, kind, value string) {
	e := &entry{App: app, Kind: kind, Value: value, Generation: 1, IssuedAt: time.Now().UTC()}
	e.ExpiresAt = e.IssuedAt.Add(life)
	if old := s.values[place{app, kind}]; old != nil {
		e.Generation = old.Generation + 1
	}
	s.values[place{app, kind}] = e
	s.wake()
}

// Replace says what the next report of the value of that app and kind brings: a
// new value, as where WeChat refuses the old one. Without it a report is
// answered with the value that is there, as where WeChat accepts it.
func (s *Server) Replace(app, kind, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next[place{app, kind}] = value
}

// Reports are those that came so far.
func (s *Server) Reports() []Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Report(nil), s.reports...)
}

// Fail has h answer every request from now on, as a broken server or what
// stands in front of it would; nil ends that. Who waits is answered.
func (s *Server) Fail(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = h
	s.wake()
}

// wake tells everybody who waits to look again. The lock is held.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// find is the value of a key now.
func (s *Server) find(r *http.Request) (e entry, changed <-chan struct{}, fault http.Handler, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.values[place{r.PathValue("app"), r.PathValue("kind")}]
	if p == nil {
		return entry{}, s.changed, s.fault, false
	}
	e = *p
	e.ExpiresIn, e.MaxAge = int64(time.Until(e.ExpiresAt)/time.Second), maxAge
	return e, s.changed, s.fault, e.ExpiresIn > 0
}

// tag is the entity tag of a value.
func (e entry) tag() string {
	sum := sha1.Sum([]byte(e.Value))
	return fmt.Sprintf(`"%d-%s"`, e.Generation, hex.EncodeToString(sum[:4]))
}

func (s *Server) read(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	ctx, cancel := context.WithTimeout(r.Context(), min(wait, time.Minute))
	defer cancel()
	for {
		e, changed, fault, ok := s.find(r)
		switch {
		case fault != nil: // since this request came
			fault.ServeHTTP(w, r)
			return
		case !ok:
			problem(w, http.StatusNotFound, "not_found", "the fake server was given no value for this")
			return
		case e.Generation > after && r.Header.Get("If-None-Match") != e.tag():
			write(w, e)
			return
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
		}
		w.Header().Set("ETag", e.tag())
		w.Header().Set("Hufu-Max-Age", strconv.Itoa(maxAge))
		w.WriteHeader(http.StatusNotModified)
		return
	}
}

func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	said := Report{App: r.PathValue("app"), Kind: r.PathValue("kind")}
	if err := json.NewDecoder(r.Body).Decode(&said); err != nil {
		problem(w, http.StatusBadRequest, "bad_request", err.Error())
		return
	}
	s.mu.Lock()
	s.reports = append(s.reports, said)
	p := place{said.App, said.Kind}
	if next, ok := s.next[p]; ok && s.values[p] != nil && s.values[p].Value == said.Value {
		delete(s.next, p)
		s.set(said.App, said.Kind, next)
	}
	s.mu.Unlock()
	e, _, _, ok := s.find(r)
	if !ok {
		problem(w, http.StatusNotFound, "not_found", "the fake server was given no value for this")
		return
	}
	write(w, e)
}

// sign signs as Hufu does, with the value of kind jsapi_ticket.
func (s *Server) sign(w http.ResponseWriter, r *http.Request) {
	var body struct {
		URL string `json:"url"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		problem(w, http.StatusBadRequest, "bad_request", err.Error())
		return
	}
	r.SetPathValue("kind", hufu.JSAPITicket)
	e, _, _, ok := s.find(r)
	if !ok {
		problem(w, http.StatusNotFound, "not_found", "the fake server was given no jsapi_ticket for this app")
		return
	}
	page, _, _ := strings.Cut(body.URL, "#")
	a := hufu.Signature{AppID: e.App, Timestamp: time.Now().Unix(), NonceStr: rand.Text()}
	sum := sha1.Sum(fmt.Appendf(nil, "jsapi_ticket=%s&noncestr=%s&timestamp=%d&url=%s", e.Value, a.NonceStr, a.Timestamp, page))
	a.Signature = hex.EncodeToString(sum[:])
	_ = json.NewEncoder(w).Encode(a)
}

func write(w http.ResponseWriter, e entry) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", e.tag())
	_ = json.NewEncoder(w).Encode(e)
}

func problem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "status": status, "code": code, "detail": detail})
}
