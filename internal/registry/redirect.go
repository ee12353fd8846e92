package registry

import (
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

// ClientByRedirect returns the one client that may log users of an app in and
// has registered a redirect_uri that matches. ok is false where there is none,
// and where there are two, which only a race of two nodes or a new line in a
// file can bring about. It reads memory only.
func (r *Registry) ClientByRedirect(app credential.App, uri string) (c *Client, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for other := range r.clients.all() {
		if !other.Redirects(app, uri) {
			continue
		}
		if c != nil {
			return nil, false
		}
		c = other
	}
	return c, c != nil
}

// Redirects reports whether users of the app may be sent to uri after a login
// for this client.
func (c *Client) Redirects(app credential.App, uri string) bool {
	if len(c.RedirectURIs) == 0 || !c.MayUse(app) || !c.Allow.Has(config.Login) {
		return false
	}
	for _, registered := range c.RedirectURIs {
		// The cheap question first: anybody may ask, and every client is looked at.
		if config.MatchRedirectURI(registered, uri) {
			return config.CheckRedirectURI(uri, c.Dev) == nil
		}
	}
	return false
}
