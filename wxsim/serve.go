package wxsim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Serve answers on two addresses until ctx ends, then returns nil. Both must be on loopback (or of
// a private range, with AllowNonLoopback), since whoever reaches the management interface owns the
// platform. It blocks. Use Listen to learn the port of an address that ends in ":0".
func (s *Sim) Serve(ctx context.Context, apiAddr, manageAddr string) error {
	srv, err := s.Listen(apiAddr, manageAddr)
	if err != nil {
		return err
	}
	return srv.Serve(ctx)
}

// Server is a platform that listens.
type Server struct {
	sim         *Sim
	api, manage net.Listener
}

// Listen opens the two addresses without answering yet; call Serve on what it returns.
func (s *Sim) Listen(apiAddr, manageAddr string) (*Server, error) {
	for _, addr := range []string{apiAddr, manageAddr} {
		if err := s.nearby(addr); err != nil {
			return nil, err
		}
	}
	api, err := net.Listen("tcp", apiAddr)
	if err != nil {
		return nil, fmt.Errorf("wxsim: %w", err)
	}
	manage, err := net.Listen("tcp", manageAddr)
	if err != nil {
		api.Close()
		return nil, fmt.Errorf("wxsim: %w", err)
	}
	return &Server{sim: s, api: api, manage: manage}, nil
}

// APIURL is where the platform's API is, such as "http://127.0.0.1:8780".
func (v *Server) APIURL() string { return "http://" + v.api.Addr().String() }

// ManageURL is where the management interface is.
func (v *Server) ManageURL() string { return "http://" + v.manage.Addr().String() }

// Serve answers until ctx ends; connections that are still open then are broken. While an Outage of
// everything is in force the API's port is closed.
func (v *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	go func() { ended <- run(ctx, v.manage, v.sim.Management()) }()
	go func() { ended <- v.serveAPI(ctx) }()
	err := <-ended
	cancel() // one without the other is of no use
	return errors.Join(err, <-ended)
}

// serveAPI opens and closes the port as outages come and go.
func (v *Server) serveAPI(ctx context.Context) error {
	l := v.api
	defer func() { l.Close() }()
	for {
		up, down := context.WithCancel(ctx)
		go func() {
			v.sim.faults.await(up, true)
			down()
		}()
		err := run(up, l, v.sim)
		down()
		if err != nil || ctx.Err() != nil {
			return err
		}
		// An outage has closed the port; it may be over already.
		v.sim.faults.await(ctx, false)
		if ctx.Err() != nil {
			return nil
		}
		if l, err = net.Listen("tcp", v.api.Addr().String()); err != nil {
			l = v.api
			return fmt.Errorf("wxsim: listen after an outage: %w", err)
		}
	}
}

// run serves one listener until ctx ends, and breaks what is still open then.
func run(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		// The broken connections of faults are no news.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("wxsim: %w", err)
	}
	return nil
}

// nearby refuses addresses that strangers could reach: nobody shall mistake this for the platform.
func (s *Sim) nearby(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("wxsim: listen address %q: %w", addr, err)
	}
	if host == "localhost" {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return fmt.Errorf("wxsim: listen address %q: hint: give an IP address, such as 127.0.0.1", addr)
	case ip.IsLoopback(), ip.IsPrivate() && s.opts.AllowNonLoopback:
		return nil
	case ip.IsPrivate():
		return fmt.Errorf("wxsim: listen address %q is not loopback; hint: the simulator is for tests: use 127.0.0.1, or set AllowNonLoopback for a private network", addr)
	}
	return fmt.Errorf("wxsim: listen address %q can be reached by strangers; hint: the simulator is for tests: use 127.0.0.1", addr)
}
