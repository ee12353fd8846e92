package access

import (
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

// HandUser hands out what belongs to a user of an app, under the name of an act
// ("redeem_code", "user_info"): it looks whether the caller may log users of
// the app in, before and after get brings it, and records the hand-out before
// it returns. What may not be had is not asked for. Errors:
// credential.ErrNotFound for an app that the caller may not use, ErrForbidden,
// ErrUnauthorized for a client key that was withdrawn meanwhile,
// ErrUnrecorded, and what get returns.
func (g *Guard) HandUser(c Caller, act string, app credential.App, get func() error) error {
	r := recordOf(act, credential.Key{App: app})
	if err := g.mayLogIn(c, app, r); err != nil {
		return err
	}
	err := get()
	if err != nil {
		return err
	}
	if c, err = g.again(c); err != nil {
		return err
	}
	if err := g.mayLogIn(c, app, r); err != nil {
		return err
	}
	r.Decision = allowed
	if err := g.audit.append(g.line(c, r)).wait(); err != nil {
		return g.lost(err)
	}
	return nil
}

// mayLogIn refuses a caller who may not log users of an app in.
func (g *Guard) mayLogIn(c Caller, app credential.App, r record) error {
	_, exists := g.registry.App(app)
	switch {
	case !exists || !c.Client.MayUse(app):
		return g.hide(c, r)
	case !c.Client.Allow.Has(config.Login):
		return g.forbid(c, r, config.Login)
	}
	return nil
}

// Bearer makes a caller of the client for which a token was handed out, for its
// client key of that id: who brings the token shows no key. It counts as Authenticate does. Errors:
// ErrForbidden for an address that the client may not call from, ErrLimited,
// ErrUnauthorized where there is no such client any more.
func (g *Guard) Bearer(client string, key KeyID, c Caller) (Caller, error) {
	found, ok := g.registry.Client(client)
	if !ok {
		return c, ErrUnauthorized
	}
	c.Client, c.KeyID = found, key
	return c, g.admit(c)
}
