// Package server puts the parts together: it opens the store, reads the
// master key, wires registry, keeper, guard and surfaces, listens, follows the
// configuration, and closes everything in order. Read New from top to bottom
// and you know the program.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/api"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/gateway"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store/engine"
	"github.com/hufu-project/hufu/internal/store/sealed"
	"github.com/hufu-project/hufu/internal/webauth"
	"github.com/hufu-project/hufu/internal/wechat"
)

// probeTime bounds one probe. A report waits five seconds at most, and a
// process that stops waits for a probe of a young value, which is two.
const probeTime = 3 * time.Second

// Options are what a server is told besides its configuration.
type Options struct {
	// Log takes everything that happens; nothing secret goes in. It must be
	// set.
	Log *slog.Logger
	// Version is the program's, for /v1/status and the metrics.
	Version string
	// Listen opens a listener at "tcp" and an address; nil: net.Listen. A test
	// about hours has its network in memory.
	Listen func(network, address string) (net.Listener, error)
	// Transport carries every call to WeChat; nil: connections as the
	// configuration has them.
	Transport http.RoundTripper
}

// Error is an error of New with a way out for people. Its texts hold no secret.
type Error = engine.Error

// Server is one node of Hufu.
type Server struct {
	log     *slog.Logger
	version string
	open    func(network, address string) (net.Listener, error)
	node    string
	began   time.Time

	store    *sealed.Store
	witness  *witness // the store, for all parts
	registry *registry.Registry
	upstream *wechat.Client
	keeper   *keeper.Keeper
	users    *webauth.Auth
	audit    *access.Audit
	guard    *access.Guard
	gateway  *gateway.Gateway
	env      *EnvClient // nil: configured by a file
	certs    *certificate
	config   configState
	follower *config.Follower
	sites    []*site
	draining context.Context
	drain    context.CancelFunc

	closing sync.Once
}

// New opens everything that a node needs and listens on its addresses, without
// answering yet: that is Run's. It blocks as long as the store takes, half a
// minute at most. What a person can put right comes as an *Error with a hint.
// Call Close if Run is never called.
func New(cfg *config.Config, o Options) (_ *Server, err error) {
	s := &Server{log: o.Log, version: o.Version, open: o.Listen, node: keeper.NodeName(), began: time.Now()}
	if s.open == nil {
		s.open = net.Listen
	}
	s.draining, s.drain = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()

	st, keys, err := engine.Open(s.draining, cfg, o.Log)
	if err != nil {
		return nil, err
	}
	s.store, s.witness = st, &witness{Store: st}
	if s.env, err = loadEnvClient(cfg); err != nil {
		return nil, err
	}
	s.registry = registry.New(s.witness, s.log)
	s.registry.Declare(cfg.Apps, s.env.clients(cfg))

	s.upstream, err = wechat.New(wechat.Options{
		APIURL: cfg.WeChat.APIURL, ProxyURL: cfg.WeChat.ProxyURL.Reveal(), Timeout: probeTime, Transport: o.Transport,
	})
	if err != nil {
		return nil, err
	}
	s.keeper = keeper.New(keeper.Options{
		Store: s.witness, Registry: s.registry, Upstream: s.upstream, Life: cfg.WeChat.Life,
		TagKey: keys.Derive("etag"), Alone: s.store.Alone(), Node: s.node, Log: s.log,
	})
	if s.audit, err = access.OpenAudit(cfg.Audit.File, cfg.Audit.Required); err != nil {
		return nil, err
	}
	s.guard = access.New(s.registry, s.audit, s.node, s.log)
	if err := s.env.check(s.guard); err != nil {
		return nil, err
	}

	s.config.start(cfg)
	s.follower = config.NewFollower(cfg)
	if s.certs, err = loadCertificate(cfg.TLS); err != nil {
		return nil, err
	}
	phantoms := access.NewPhantoms(s.registry, cfg.WeChat.Life, keys.DeriveAll(access.PhantomLabel))
	programs := api.New(api.Options{
		Registry: s.registry, Keeper: s.keeper, Guard: s.guard, Phantoms: phantoms, Draining: s.draining, Log: s.log,
	})
	programs.Handle("GET", "/v1/status", s.status(programs))
	s.users = webauth.New(webauth.Options{
		Store: s.witness, Registry: s.registry, Guard: s.guard, Upstream: s.upstream,
		Phantoms: phantoms,
		Config:   s.config.inForce.Load, HashKeys: keys.DeriveAll(webauth.HashLabel),
		Alone: s.store.Alone(), Node: s.node, Log: s.log,
		AppsToken: func(token string) bool {
			_, ok := s.keeper.Find(credential.NewSecret(token))
			return ok
		},
	})
	if err := recall(s.draining, s.users); err != nil {
		s.log.Warn("the bounds on logins begin at zero", "err", err)
	}
	s.users.Mount(programs)
	s.gateway = gateway.New(gateway.Options{
		Keeper: s.keeper, Guard: s.guard, Phantoms: phantoms, Upstream: s.upstream, Config: s.config.inForce.Load, Log: s.log,
	})
	s.gateway.Mount(programs)
	s.config.trust = func(proxies []netip.Prefix) {
		programs.Trust(proxies)
		s.users.Browser().Trust(proxies)
	}
	s.config.trust(cfg.TrustedProxies)

	for _, l := range []*site{
		{name: "api", addr: cfg.Listen.API, handler: programs, tls: true},
		{name: "web", addr: cfg.Listen.Web, handler: s.users.Browser()},
		{name: "admin", addr: cfg.Listen.Admin, handler: s.admin(programs), tls: true},
	} {
		if err := s.listen(l); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// recallTime bounds what is asked of the store before the process starts.
const recallTime = 30 * time.Second

// recall lets web authorization count what a process before this one began.
func recall(ctx context.Context, users *webauth.Auth) error {
	ctx, cancel := context.WithTimeout(ctx, recallTime)
	defer cancel()
	return users.Recall(ctx)
}

// Node is the name of this process.
func (s *Server) Node() string { return s.node }

// EnvClient is the client of the environment and its key; ok is false for a
// server that was configured by a file.
func (s *Server) EnvClient() (c EnvClient, ok bool) {
	if s.env == nil {
		return EnvClient{}, false
	}
	return *s.env, true
}

// URL is where a listener ("api", "web", "admin") answers, with the port that
// it got. A listener on all addresses is named by loopback.
func (s *Server) URL(name string) string {
	for _, l := range s.sites {
		if l.name == name {
			return l.url()
		}
	}
	return ""
}

// Reload looks at the configuration's files at once and opens the audit file
// anew, as on SIGHUP. It does not block.
func (s *Server) Reload() {
	s.follower.Reload()
	if err := s.audit.Reopen(); err != nil {
		s.log.Error("the audit file cannot be opened anew; the old one stays in use", "err", err)
	}
}

// Close releases what New opened, in reverse order. It is for a server whose
// Run was never called; Run calls it itself. A second Close does nothing.
func (s *Server) Close() error {
	var errs []error
	s.closing.Do(func() {
		s.drain()
		for _, l := range s.sites {
			errs = append(errs, l.close())
		}
		if s.upstream != nil {
			s.upstream.CloseIdle()
		}
		if s.audit != nil {
			errs = append(errs, s.audit.Close())
		}
		if s.store != nil {
			errs = append(errs, s.store.Close())
		}
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
