// Package gateway passes programs' calls on to WeChat's API: it puts the app's
// token in, and where WeChat refuses that one, reports it and sends the call
// once more with the next. Whatever WeChat path no other surface serves ends
// here.
//
// call.go is the way of one call from beginning to end; body.go keeps what the
// program sends, answer.go reads the beginning of what WeChat sends.
package gateway

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

// Options is what a gateway stands on; all must be set.
type Options struct {
	Keeper   *keeper.Keeper
	Guard    *access.Guard
	Phantoms *access.Phantoms
	Upstream *wechat.Client
	// Config is the configuration in force: gateway.
	Config func() *config.Config
	Log    *slog.Logger
}

// Gateway is the gateway on one node. It is safe for concurrent use.
type Gateway struct {
	Options
	programs *web.Surface
	limits   limits
	room     room
	counts   *counts
	hands    hands
}

// New makes a gateway.
func New(o Options) *Gateway {
	return &Gateway{Options: o, counts: newCounts()}
}

// Mount makes the gateway the last handler of the surface for programs.
func (g *Gateway) Mount(programs *web.Surface) {
	g.programs = programs
	programs.Last(func(r *http.Request) web.Handler {
		if meant(r) {
			return g.serve
		}
		return nil
	})
}

// meant reports whether a request is a call of WeChat's API: its path is of a
// family that is known, or it could be one that is not and shows who calls.
// Below /v1 everything is Hufu's own.
func meant(r *http.Request) bool {
	path := r.URL.Path
	if path == "/v1" || strings.HasPrefix(path, "/v1/") {
		return false
	}
	if access.KnownPath(path) {
		return true
	}
	shows := r.Header["Authorization"] != nil || r.Header["X-Hufu-Key"] != nil || strings.Contains(r.URL.RawQuery, "access_token=")
	return shows && access.CanonicalPath(path) && strings.Count(path, "/") > 1
}
