package server

import (
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/internal/config"
)

// configState is which configuration is in force and what is wrong with the
// one in the files.
type configState struct {
	trust func([]netip.Prefix)

	inForce  atomic.Pointer[config.Config]
	rejected atomic.Uint64 // configurations that did not pass

	mu       sync.Mutex
	started  *config.Config // what cannot change without a restart is as here
	loadedAt time.Time
	problems error    // of the one that did not pass; nil: it did
	restart  []string // keys that differ from started
}

func (c *configState) start(cfg *config.Config) {
	c.started, c.loadedAt = cfg, time.Now()
	c.inForce.Store(cfg)
}

// fixed are the keys that take a restart. Apps, clients, gateway, trusted_proxies,
// verify_files and the certificate do not.
var fixed = []struct {
	key string
	of  func(*config.Config) any
}{
	{"listen", func(c *config.Config) any { return c.Listen }},
	{"tls", func(c *config.Config) any { return c.TLS == config.TLS{} }},
	{"store", func(c *config.Config) any { return c.Store }},
	{"master_key_file", func(c *config.Config) any { return c.MasterKeyFile }},
	{"wechat", func(c *config.Config) any { return c.WeChat }},
	{"audit", func(c *config.Config) any { return c.Audit }},
}

// changed takes a new configuration in, or leaves the old one in force and
// remembers why.
func (s *Server) changed(next *config.Config, problems error) {
	c := &s.config
	if problems != nil {
		c.rejected.Add(1)
		c.mu.Lock()
		c.problems = problems
		c.mu.Unlock()
		s.log.Error("the configuration was changed and does not pass; the old one stays in force", "err", problems)
		return
	}
	if s.certs != nil && next.TLS.CertFile != "" {
		if err := s.certs.load(next.TLS); err != nil {
			s.log.Error("the certificate cannot be read; the old one stays in use", "err", err)
		}
	}
	s.registry.Declare(next.Apps, s.env.clients(next))
	c.trust(next.TrustedProxies)
	c.inForce.Store(next)

	var restart []string
	c.mu.Lock()
	for _, f := range fixed {
		if !reflect.DeepEqual(f.of(c.started), f.of(next)) {
			restart = append(restart, f.key)
		}
	}
	c.problems, c.restart, c.loadedAt = nil, restart, time.Now()
	c.mu.Unlock()
	s.log.Info("the configuration was read anew", "apps", len(next.Apps), "clients", len(next.Clients))
	for _, w := range next.Warnings {
		s.log.Warn("configuration", "err", w)
	}
	if restart != nil {
		s.log.Warn("some of the changes need a restart", "keys", restart)
	}
}
