package server

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"github.com/hufu-project/hufu/internal/config"
)

// certificate is the one that listen.api and listen.admin show. It is read
// anew without a restart; connections that are open keep the one they have.
type certificate struct {
	current atomic.Pointer[tls.Certificate]
}

// loadCertificate reads the files; without any it is nil.
func loadCertificate(t config.TLS) (*certificate, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	c := &certificate{}
	return c, c.load(t)
}

// load takes the files as they are now, or leaves the old certificate.
func (c *certificate) load(t config.TLS) error {
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}
}
