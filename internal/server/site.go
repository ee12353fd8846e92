package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"

	"github.com/hufu-project/hufu/internal/web"
)

// site is one listener and what answers on it.
type site struct {
	name    string
	addr    string
	handler http.Handler
	tls     bool // speaks TLS where there is a certificate

	listener net.Listener
	server   *http.Server
	serving  atomic.Bool
}

// listen opens the address. Until serve is called connections wait.
func (s *Server) listen(l *site) error {
	ln, err := s.open("tcp", l.addr)
	if err != nil {
		return &Error{Err: fmt.Errorf("listen.%s: %w", l.name, err), Hint: listenHint(l.name, err)}
	}
	l.listener = ln
	l.tls = l.tls && s.certs != nil
	var conf *tls.Config
	if l.tls {
		conf = s.certs.config()
	}
	l.server = web.NewServer(s.draining, l.handler, conf, s.log)
	s.sites = append(s.sites, l)
	return nil
}

func listenHint(name string, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("another program listens there, maybe another hufu; stop it, or give another address with listen.%s", name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("ports below 1024 are for the system; give another one with listen.%s", name)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("this machine does not have that address; 127.0.0.1 or an empty host always work in listen.%s", name)
	}
	return ""
}

// serve answers until the server is shut down.
func (l *site) serve() error {
	l.serving.Store(true)
	defer l.serving.Store(false)
	var err error
	if l.tls {
		err = l.server.ServeTLS(l.listener, "", "")
	} else {
		err = l.server.Serve(l.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("listen.%s: %w", l.name, err)
}

func (l *site) close() error {
	// Closing a listener twice is how a server that served closes.
	if err := l.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// url is how to reach it from this machine.
func (l *site) url() string {
	scheme := "http"
	if l.tls {
		scheme = "https"
	}
	addr := l.listener.Addr().(*net.TCPAddr) // it listens on "tcp"
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, fmt.Sprint(addr.Port)))
}
