package access

import (
	"fmt"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

// anyHost stands in records for the hosts of a client that may sign for all.
const anyHost = "*"

// Sign lets a caller have a page of that host signed with a ticket: it looks
// whether the caller may be given the ticket and whether the host is one of its
// js_hosts, lets get bring the ticket, looks again, and records the signature
// before it returns, once per client key, registered host and ticket. The ticket
// stays with whoever signs. Errors: credential.ErrNotFound, ErrForbidden,
// ErrUnrecorded, what get returns, and ErrUnauthorized for a client or a key that
// is gone by then.
func (g *Guard) Sign(c Caller, key credential.Key, host string, get func() (credential.Credential, error)) (credential.Credential, error) {
	if _, err := g.maySign(c, key, host); err != nil {
		return credential.Credential{}, err
	}
	v, err := get()
	c, gone := g.again(c)
	if gone != nil {
		return credential.Credential{}, gone
	}
	registered, refused := g.maySign(c, key, host)
	if refused != nil {
		return credential.Credential{}, refused
	}
	if err != nil {
		return credential.Credential{}, err
	}
	h := g.handed(handOut{c.Client.Name, c.KeyID, key, registered})
	if tag := h.tag.Load(); tag == nil || *tag != v.Tag {
		r := recordOf(sign, key)
		r.Host, r.Generation, r.Tag = registered, v.Generation, v.Tag
		if err := g.first(c, h, r); err != nil {
			return credential.Credential{}, err
		}
	}
	g.signed.Add(1)
	return v, nil
}

// sign is the act in the audit record.
const sign = "sign"

// maySign refuses what the caller may not have signed, and records it.
func (g *Guard) maySign(c Caller, key credential.Key, host string) (registered string, err error) {
	r := recordOf(sign, key)
	_, exists := g.registry.App(key.App)
	switch {
	case !exists || !c.Client.MayUse(key.App):
		return "", g.hide(c, r)
	case !May(c, key):
		return "", g.forbid(c, r, actionFor(key.Kind))
	case len(c.Client.JSHosts) == 0:
		return anyHost, nil
	}
	registered, ok := config.MatchHost(c.Client.JSHosts, host)
	if ok {
		return registered, nil
	}
	r.Host, r.Reason = plain(host), "not on the list of hosts"
	g.deny(c, r)
	return "", &Refusal{
		Err: ErrForbidden, Reason: fmt.Sprintf("client %s may not sign pages of this host", c.Client.Name),
		Hint: "add the host of the page to js_hosts of this client",
	}
}
