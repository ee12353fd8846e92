package webauth

import (
	"context"
	"errors"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/web"
)

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
	errAppsRefresh  = &web.WeChatRefusal{Code: 40030, Text: "invalid refresh_token: this is the app's token, which is renewed by asking for it again"}
	errUsersRefresh = &web.WeChatRefusal{Code: 40030, Text: "invalid refresh_token: this is the user's access_token"}
)

// prefixes is where tokens of WeChat's own are remembered.
var prefixes = map[access.PhantomType]string{access.UserPhantom: "access/", access.RefreshPhantom: "refresh/"}

// find looks up the user's token that came in a request, an access token or a
// refresh token. One that Hufu did not hand out is refused without a word to
// WeChat.
func (a *Auth) find(ctx context.Context, c access.Caller, token string, want access.PhantomType) (h held, err error) {
	unknown, old := errUnknownToken, errExpiredToken
	if want == access.RefreshPhantom {
		unknown, old = errNoRefresh, errOldRefresh
	}
	f, err := a.Phantoms.Parse(token)
	switch {
	case err == nil && f.Type != want:
		return h, mistaken(want, f.Type)
	case errors.Is(err, access.ErrExpired):
		return h, old
	case err == nil:
		h.phantom = &f
		h.record, err = a.read(ctx, sessionKey(f.Session), &h.session)
		unknown = old   // it was good once, so what it stood for has ended
		h.Key = f.KeyID // logins by any key of the client share the session
	default:
		h.record, err = a.known(ctx, token, want, &h.session)
		h.User.Access = token
		if want == access.RefreshPhantom {
			h.User.Access, h.User.Refresh = "", token
		}
		if errors.Is(err, store.ErrNotFound) {
			return h, mistaken(want, a.sort(ctx, token))
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

// known finds the record of a token of WeChat's own.
func (a *Auth) known(ctx context.Context, token string, t access.PhantomType, s *session) (r store.Record, err error) {
	for _, key := range a.HashKeys {
		if r, err = a.read(ctx, keyed(key, prefixes[t], token), s); !errors.Is(err, store.ErrNotFound) {
			break
		}
	}
	return r, err
}

// sort says what a token is that did not turn out to be what was asked for; 0
// where nobody knows.
func (a *Auth) sort(ctx context.Context, token string) access.PhantomType {
	if f, err := a.Phantoms.Parse(token); err == nil || errors.Is(err, access.ErrExpired) {
		return f.Type
	}
	for t := range prefixes {
		var s session
		if _, err := a.known(ctx, token, t, &s); err == nil {
			return t
		}
	}
	if a.AppsToken(token) {
		return access.AppPhantom
	}
	return 0
}

// IsUsers reports whether a token, access or refresh, phantom or WeChat's own,
// is one of a user's that Hufu handed out. It is for whoever is brought one
// where the app's token is meant and wants to say so. It blocks as long as the
// store takes, three seconds at most, and says no where the store is away.
func (a *Auth) IsUsers(ctx context.Context, token string) bool {
	t := a.sort(ctx, token)
	return t == access.UserPhantom || t == access.RefreshPhantom
}

// mistaken is what to say to a token of another sort than the one that is meant.
func mistaken(want, got access.PhantomType) *web.WeChatRefusal {
	switch refresh := want == access.RefreshPhantom; {
	case got == access.AppPhantom && refresh:
		return errAppsRefresh
	case got == access.AppPhantom:
		return errAppsToken
	case got == access.UserPhantom && refresh:
		return errUsersRefresh
	case got == access.RefreshPhantom && !refresh:
		return errRefreshToken
	case refresh:
		return errNoRefresh
	}
	return errUnknownToken
}
