package webauth

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/web"
)

// ticket is the record of a one-time code of ours, under "code/<its hash>". It
// stays for as long as the code could live, used or not, so that a second try
// can be told from a wrong code.
type ticket struct {
	App      credential.App `json:"app"`
	Client   string         `json:"client"`
	Redirect string         `json:"redirect_uri"`
	User     *user          `json:"user,omitempty"` // until it is used
	UsedBy   string         `json:"used_by,omitempty"`
}

var (
	errInvalidCode = &web.WeChatRefusal{Code: 40029, Text: "invalid code"}
	errUsedCode    = &web.WeChatRefusal{Code: 40163, Text: "code been used"}
	errUnwell      = &web.WeChatRefusal{Code: -1, Text: "system error: the store cannot be asked now"}
)

// newCode makes a code of ours for a login that is done.
func (a *Auth) newCode(ctx context.Context, l login) (string, error) {
	code := draw()
	return code, a.create(ctx, hashed("code/", code), ticket{App: l.App, Client: l.Client, Redirect: l.Redirect, User: l.User}, codeLife)
}

// redeemCode uses a code up, for the client and app that it was made for. Of
// any number that try at once one gets the user. now is the store's.
func (a *Auth) redeemCode(ctx context.Context, c access.Caller, app credential.App, code string) (u *user, now time.Time, err error) {
	if !drawn(code) {
		return nil, now, errInvalidCode
	}
	mine := rand.Text()
	for {
		var t ticket
		r, err := a.read(ctx, hashed("code/", code), &t)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, now, errInvalidCode
		case err != nil:
			return nil, now, a.unwell(ctx, err)
		case t.App != app || t.Client != c.Client.Name || !c.Client.Redirects(t.App, t.Redirect):
			return nil, now, errInvalidCode
		case t.UsedBy == mine:
			return u, r.Now, nil
		case t.UsedBy != "":
			return nil, now, errUsedCode
		}
		u = t.User
		t.User, t.UsedBy = nil, mine
		_, err = a.write(ctx, r, t, 0)
		switch {
		case err == nil:
			return u, r.Now, nil
		case !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrUnsure):
			return nil, now, a.unwell(ctx, err)
		}
		// Somebody else was first, or nobody knows: read to find out.
	}
}

// unwell logs what is wrong with the store, and says so in WeChat's manner.
func (a *Auth) unwell(ctx context.Context, err error) error {
	a.Log.ErrorContext(ctx, "a user's request fails because of the store", "err", err)
	return errUnwell
}
