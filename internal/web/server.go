package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	stdlog "log"
	"log/slog"
	"net/http"
	"time"
)

const (
	// headerTime, idleTime and maxHeader bound what a peer costs that says
	// little or nothing.
	headerTime = 5 * time.Second
	idleTime   = time.Minute
	maxHeader  = 32 << 10
	// answerTime is how long one request may take, the writing included.
	// What has to wait for longer says so with Extend.
	answerTime = 30 * time.Second
)

// NewServer makes a server that no peer can hold up: headers within 5 s and
// 32 KiB, bodies within 10 s or what their reader says, answers within 30 s, idle
// connections for a minute. Once draining ends, every answer says that its
// connection closes. tls may be nil.
func NewServer(draining context.Context, h http.Handler, conf *tls.Config, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: leaving{h, draining}, TLSConfig: conf,
		ReadHeaderTimeout: headerTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		// net/http reads 4 KiB more than it is told, for good measure.
		MaxHeaderBytes: maxHeader - 4<<10,
		// OPTIONS * is answered by the handler, as everything else is.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     stdlog.New(serverLog{log}, "", 0),
	}
}

// leaving tells clients that keep their connections to let go of them.
// Server.SetKeepAlivesEnabled would do so too, but cuts idle connections at
// once, maybe under the next request.
type leaving struct {
	http.Handler
	draining context.Context
}

// ServeHTTP serves one request.
func (l leaving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.draining.Err() != nil {
		Leave(w)
	}
	if r.ContentLength != 0 {
		// Where no handler reads the body, net/http does before it answers or
		// closes, to find the next request behind it. A recorder in a test has
		// no deadline to set; a connection always has.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	}
	l.Handler.ServeHTTP(w, r)
}

// Leave says in the answer that the connection closes after it. It is for a
// request that was under way when draining ended; net/http itself says so after
// Drain.
func Leave(w http.ResponseWriter) { w.Header()["Connection"] = closing }

// Extend gives the request that w answers d more than answerTime allows,
// counted from now.
func Extend(w http.ResponseWriter, d time.Duration) {
	// A recorder in a test has no deadline to set; a connection always has.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d + answerTime))
}

// Drain ends servers: no new connections, idle ones close, requests under way
// get until ctx ends, the rest is cut. Who waits on purpose must be told
// before. It returns nil where nothing had to be cut.
func Drain(ctx context.Context, servers ...*http.Server) error {
	done := make(chan error, len(servers))
	for _, s := range servers {
		go func() {
			err := s.Shutdown(ctx)
			if err != nil {
				err = errors.Join(err, s.Close())
			}
			done <- err
		}()
	}
	var err error
	for range servers {
		err = errors.Join(err, <-done)
	}
	return err
}

// serverLog takes what net/http has to say about connections.
type serverLog struct{ log *slog.Logger }

// Write logs one line: peers that do not speak TLS well are everyday, the rest
// (no file descriptors left) is for a person.
func (l serverLog) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "connection failed", "err", string(bytes.TrimSpace(line)))
	return len(line), nil
}
