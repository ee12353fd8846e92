package webauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
)

// session is a user of a client after a code was redeemed. For a client with
// phantom tokens it holds WeChat's, under "session/<hash of the name in the
// phantom>", for the 30 days of the refresh token; one per user and scope, so
// that who logs in every hour fills no store. For one with real tokens there
// are two, under "access/" and "refresh/" and a keyed hash of the token, which
// hold none and say whose it is.
type session struct {
	App    credential.App `json:"app"`
	Client string         `json:"client"`
	Key    access.KeyID   `json:"key"`
	User   user           `json:"user"`
}

// granted is what a site is given, as WeChat gives it.
type granted struct {
	Access   string `json:"access_token"`
	Expires  int64  `json:"expires_in"`
	Refresh  string `json:"refresh_token,omitempty"`
	OpenID   string `json:"openid"`
	Scope    string `json:"scope"`
	UnionID  string `json:"unionid,omitempty"`
	Snapshot int    `json:"is_snapshotuser,omitempty"`
}

// open begins a session for a user whose code was redeemed at that moment of
// the store's clock.
func (a *Auth) open(ctx context.Context, c access.Caller, app credential.App, u *user, now time.Time) (granted, error) {
	g := granted{OpenID: u.OpenID, Scope: u.Scope, UnionID: u.UnionID}
	if u.Snapshot {
		g.Snapshot = 1
	}
	s := session{App: app, Client: c.Client.Name, Key: c.KeyID, User: *u}
	if c.Client.Tokens == config.Real {
		return g, a.know(ctx, s, &g, now)
	}
	id := a.nameOf(s)
	if err := a.replace(ctx, sessionKey(id), s, refreshLife); err != nil {
		return g, a.unwell(ctx, err)
	}
	f := access.Phantom{Type: access.RefreshPhantom, App: app, Client: s.Client, KeyID: s.Key, Session: id, End: time.Now().Add(refreshLife)}
	if u.Refresh != "" {
		g.Refresh = a.Phantoms.Mint(f).Reveal()
	}
	g.Access, g.Expires = a.mint(f)
	return g, nil
}

// mint makes a phantom access token of the same session, with a full life.
func (a *Auth) mint(f access.Phantom) (token string, seconds int64) {
	life := a.Config().WeChat.Life
	f.Type, f.End = access.UserPhantom, time.Now().Add(life)
	return a.Phantoms.Mint(f).Reveal(), int64(life / time.Second)
}

// know remembers tokens of WeChat's own that a client is given.
func (a *Auth) know(ctx context.Context, s session, g *granted, now time.Time) error {
	left := s.User.Ends.Sub(now)
	g.Access, g.Refresh, g.Expires = s.User.Access, s.User.Refresh, max(1, int64(left/time.Second))
	s.User.Access, s.User.Refresh = "", ""
	for key, life := range map[string]time.Duration{
		keyed(a.HashKeys[0], "access/", g.Access):   max(left, time.Second),
		keyed(a.HashKeys[0], "refresh/", g.Refresh): refreshLife,
	} {
		if g.Refresh == "" && life == refreshLife {
			continue
		}
		if err := a.replace(ctx, key, s, life); err != nil {
			return a.unwell(ctx, err)
		}
	}
	return nil
}

// replace writes a record, there or not: a user logs in again, or WeChat gives
// the same token again with a longer life.
func (a *Auth) replace(ctx context.Context, key string, s session, life time.Duration) error {
	for {
		var old session
		r, err := a.read(ctx, key, &old)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		r = store.Record{Key: key, Version: r.Version, Now: r.Now}
		if _, err = a.write(ctx, r, s, life); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// nameOf is the name of the session that all logins of a user with one scope
// share. It is ours to compute and nobody's to guess.
func (a *Auth) nameOf(s session) [16]byte {
	mac := hmac.New(sha256.New, a.HashKeys[0])
	for _, part := range []string{"session", s.Client, string(s.App), s.User.OpenID, s.User.Scope} {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return [16]byte(mac.Sum(nil))
}

func sessionKey(id [16]byte) string { return hashed("session/", hex.EncodeToString(id[:])) }
