package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hufu-project/hufu/cmd/hufu/shop"
	"github.com/hufu-project/hufu/internal/server"
)

// storefront is where the demo's shop listens. It is at localhost and Hufu at
// 127.0.0.1, which is the same machine under two host names: browsers tell
// cookies apart by host name and not by port, so the shop and Hufu see nothing
// of each other's, as if each had a domain.
type storefront struct {
	url      string
	listener net.Listener
	handler  http.Handler
}

// openStorefront opens the port, which the configuration of Hufu names.
func openStorefront() (*storefront, error) {
	f := &storefront{}
	err := usualOrAny(func(port func(usual string) string) (err error) {
		f.listener, err = net.Listen("tcp", port("8703"))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the shop: %w", err)
	}
	f.url = fmt.Sprintf("http://localhost:%d", f.listener.Addr().(*net.TCPAddr).Port) // it listens on "tcp"
	return f, nil
}

// open lets the shop know where Hufu is.
func (f *storefront) open(s *server.Server, key string) {
	f.handler = shop.New(shop.Options{URL: f.url, AppID: demoApps[0].id, Key: key, HufuAPI: s.URL("api"), HufuWeb: s.URL("web")})
}

// serve answers until ctx ends.
func (f *storefront) serve(ctx context.Context) error {
	s := &http.Server{Handler: f.handler, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(f.listener); ctx.Err() == nil {
		return fmt.Errorf("the shop: %w", err)
	}
	return nil
}
