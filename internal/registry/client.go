package registry

import (
	"net/netip"
	"slices"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

// Client is one client as it is now. It is shared and never changed.
type Client struct {
	config.Client
	// Declared: it stands in the configuration file and is read-only here.
	Declared bool

	every bool // apps: ["*"]
	apps  map[credential.App]struct{}
}

func newClient(c config.Client, declared bool) *Client {
	n := &Client{Client: c, Declared: declared, apps: make(map[credential.App]struct{}, len(c.Apps))}
	for _, id := range c.Apps {
		n.every = n.every || id == config.AllApps
		n.apps[id] = struct{}{}
	}
	return n
}

// MayUse reports whether an app, existing or not, is one of the client's. It
// takes the same time for a client of many apps, which is why it stands in
// place of config.Client's.
func (c *Client) MayUse(id credential.App) bool {
	if c.every {
		return true
	}
	_, ok := c.apps[id]
	return ok
}

// Covers reports whether the client may use every app that a client with these
// apps may use.
func (c *Client) Covers(apps []credential.App) bool {
	return c.every || !slices.ContainsFunc(apps, func(id credential.App) bool { return id == config.AllApps || !c.MayUse(id) })
}

// MayCallFrom reports whether the client may call from an address.
func (c *Client) MayCallFrom(ip netip.Addr) bool {
	return len(c.From) == 0 || slices.ContainsFunc(c.From, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Client returns a client by its name.
func (r *Registry) Client(name string) (*Client, bool) {
	r.mu.RLock()
	c, ok := r.clients.get(name)
	r.mu.RUnlock()
	return c, ok
}

// ClientByKey returns the client that has the key with this SHA-256. It never
// blocks and allocates nothing.
func (r *Registry) ClientByKey(sum [32]byte) (*Client, bool) {
	r.mu.RLock()
	c, ok := r.keys[sum]
	r.mu.RUnlock()
	return c, ok
}

// setClient takes over what the store holds for a client; nil: nothing.
func (r *Registry) setClient(name string, c *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.clients.stored[name]
	if c == nil {
		delete(r.clients.stored, name)
	} else {
		r.clients.stored[name] = c
	}
	if _, hidden := r.clients.declared[name]; hidden {
		return
	}
	if before != nil {
		r.unindex(before)
	}
	if c != nil {
		r.index(c)
	}
}

// index makes a client's keys known. Where two clients have one key, which
// only a race of two nodes or a new line in a file can bring about, the
// declared one has it, else the one whose name comes first: the same on every
// node.
func (r *Registry) index(c *Client) {
	for _, sum := range c.KeySHA256 {
		if other, taken := r.keys[sum]; !taken || first(c, other) {
			r.keys[sum] = c
		}
	}
}

func first(a, b *Client) bool {
	if a.Declared != b.Declared {
		return a.Declared
	}
	return a.Name < b.Name
}

// unindex makes a client's keys unknown, or another's who has them too.
func (r *Registry) unindex(c *Client) {
	for _, sum := range c.KeySHA256 {
		if r.keys[sum] == c {
			delete(r.keys, sum)
		}
	}
	for other := range r.clients.all() {
		if slices.ContainsFunc(other.KeySHA256, func(sum config.KeyHash) bool { return slices.Contains(c.KeySHA256, sum) }) {
			r.index(other)
		}
	}
}

func (r *Registry) indexAll() {
	clear(r.keys)
	for c := range r.clients.all() {
		r.index(c)
	}
}
