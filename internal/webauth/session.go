package webauth

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

// session is a user's login after it was redeemed. For a client with phantom
// tokens it holds WeChat's, under "session/<hash of the name in the phantom>",
// for the 30 days of the refresh token. For one with real tokens there are two,
// under "access/" and "refresh/" and a keyed hash of the token, which hold none
// and say whose it is.
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
	id := access.NewSession()
	if err := a.create(ctx, sessionKey(id), s, refreshLife); err != nil {
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

// replace writes a record, there or not: WeChat gives the same token again,
// with a longer life.
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

func sessionKey(id [16]byte) string { return hashed("session/", hex.EncodeToString(id[:])) }

// held is a user's token that somebody brought, found out about.
type held struct {
	session
	caller  access.Caller
	phantom *access.Phantom // nil: the token is WeChat's own
	record  store.Record
}

// Refusals of tokens, in WeChat's words and then in ours.
var (
	errUnknownToken = &web.WeChatRefusal{Code: 40001, Text: "invalid credential, access_token is invalid or not latest: not a user's token that this Hufu handed out (the app's token is another thing and does not work on /sns)"}
	errAppsToken    = &web.WeChatRefusal{Code: 40001, Text: "invalid credential, access_token is invalid or not latest: this is the app's token, and /sns takes the user's, which /sns/oauth2/access_token gives"}
	errRefreshToken = &web.WeChatRefusal{Code: 40001, Text: "invalid credential, access_token is invalid or not latest: this is the refresh_token"}
	errExpiredToken = &web.WeChatRefusal{Code: 42001, Text: "access_token expired"}
	errNoRefresh    = &web.WeChatRefusal{Code: 40030, Text: "invalid refresh_token"}
	errOldRefresh   = &web.WeChatRefusal{Code: 42002, Text: "refresh_token expired"}
)

// find looks up the user's token that came in a request, an access token or a
// refresh token. One that Hufu did not hand out is refused without a word to
// WeChat.
func (a *Auth) find(ctx context.Context, c access.Caller, token string, want access.PhantomType) (h held, err error) {
	unknown, old, prefix := errUnknownToken, errExpiredToken, "access/"
	if want == access.RefreshPhantom {
		unknown, old, prefix = errNoRefresh, errOldRefresh, "refresh/"
	}
	f, err := a.Phantoms.Parse(token)
	switch {
	case err == nil && f.Type == access.AppPhantom && want == access.UserPhantom:
		return h, errAppsToken
	case err == nil && f.Type == access.RefreshPhantom && want == access.UserPhantom:
		return h, errRefreshToken
	case err == nil && f.Type != want:
		return h, unknown
	case errors.Is(err, access.ErrExpired):
		return h, old
	case err == nil:
		h.phantom = &f
		h.record, err = a.read(ctx, sessionKey(f.Session), &h.session)
	default:
		for _, key := range a.HashKeys {
			if h.record, err = a.read(ctx, keyed(key, prefix, token), &h.session); !errors.Is(err, store.ErrNotFound) {
				break
			}
		}
		h.User.Access = token
		if want == access.RefreshPhantom {
			h.User.Access, h.User.Refresh = "", token
		}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return h, unknown
	case err != nil:
		return h, a.unwell(ctx, err)
	}
	h.caller, err = a.Guard.Bearer(h.Client, h.Key, c)
	if errors.Is(err, access.ErrUnauthorized) {
		return h, unknown
	}
	return h, err
}

// renew asks WeChat for the user's token by the refresh token, and keeps it.
func (a *Auth) renew(ctx context.Context, h *held) error {
	g, err := a.Upstream.RefreshUser(ctx, h.App, credential.NewSecret(h.User.Refresh))
	if err != nil {
		return err
	}
	h.User.Access = g.Access.Reveal()
	if !g.Refresh.Empty() {
		h.User.Refresh = g.Refresh.Reveal()
	}
	if g.Scope != "" {
		h.User.Scope = g.Scope
	}
	h.User.Ends = h.record.Now.Add(g.Life)
	if h.phantom == nil {
		return nil
	}
	// Whoever was faster has WeChat's same token; so a conflict is no harm.
	if r, err := a.write(ctx, h.record, h.session, 0); err == nil {
		h.record = r
	} else if !errors.Is(err, store.ErrConflict) {
		a.Log.WarnContext(ctx, "a user's renewed token cannot be kept; it is renewed again when needed", "err", err)
	}
	return nil
}

// call makes a call with the user's real token. Behind a phantom it is renewed
// when it is over, or when WeChat says so, once.
func (a *Auth) call(ctx context.Context, h *held, do func(wechat.UserToken) error) error {
	may := h.phantom != nil && h.User.Refresh != ""
	if may && h.record.Now.Add(time.Minute).After(h.User.Ends) {
		if err := a.renew(ctx, h); err != nil {
			return err
		}
		may = false
	}
	err := do(wechat.NewUserToken(h.User.Access))
	if e, ok := errors.AsType[*wechat.Error](err); ok && may && errcode.DeadToken(e.Code) {
		if err := a.renew(ctx, h); err != nil {
			return err
		}
		err = do(wechat.NewUserToken(h.User.Access))
	}
	return err
}
