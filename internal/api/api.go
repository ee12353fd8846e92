// Package api is Hufu's own API and WeChat's own paths for the app's token, as
// one http.Handler for listen.api. What hands out a value goes through
// access.Guard.Hand; what an operator does goes through Guard.Do.
package api

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/web"
)

// Options is what an API stands on; all must be set.
type Options struct {
	Registry *registry.Registry
	Keeper   *keeper.Keeper
	Guard    *access.Guard
	Phantoms *access.Phantoms
	// Draining ends when the process begins to stop: whoever waits is then
	// answered at once.
	Draining context.Context
	Log      *slog.Logger
}

// api is the handlers' own.
type api struct {
	Options
	surface *web.Surface
}

// New makes the API. The surface it returns serves it; Trust may be called on
// it at any time.
func New(o Options) *web.Surface {
	a := &api{Options: o, surface: web.NewSurface(o.Log)}
	read := a.known(a.read)
	a.surface.First(func(r *http.Request) web.Handler {
		if r.Method == http.MethodGet && isCredential(r.URL.Path) {
			return read
		}
		return nil
	})
	for _, route := range []struct {
		method, path string
		handler      web.Handler
	}{
		{"GET", "/v1/apps", a.known(a.listApps)},
		{"GET", "/v1/apps/{app}/credentials/{kind}", read},
		{"POST", "/v1/apps/{app}/credentials/{kind}/report", a.known(a.report)},
		{"POST", "/v1/apps/{app}/credentials/{kind}/renew", a.known(a.renew)},
		{"PUT", "/v1/apps/{app}", a.known(a.putApp)},
		{"DELETE", "/v1/apps/{app}", a.known(a.deleteApp)},
		{"PUT", "/v1/clients/{name}", a.known(a.putClient)},
		{"DELETE", "/v1/clients/{name}", a.known(a.deleteClient)},
		{"", "/cgi-bin/token", a.token},
		{"", "/cgi-bin/stable_token", a.stableToken},
	} {
		a.surface.Handle(route.method, route.path, route.handler)
	}
	return a.surface
}

// known wraps a handler that needs to know who calls.
func (a *api) known(h func(http.ResponseWriter, *http.Request, access.Caller) error) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, q access.Request) error {
		key, problem := web.ClientKey(r)
		if problem != nil {
			return problem
		}
		caller, err := a.Guard.Authenticate(key, a.surface.ClientIP(r), q)
		if err != nil {
			return err
		}
		return h(w, r, caller)
	}
}
