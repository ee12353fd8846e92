package webauth

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

// renewals is the renewals of users' tokens that are under way on this node, by
// the key of the session's record. Nobody promises that WeChat takes a refresh
// token twice, so whoever needs a fresh token at the same moment shares one.
type renewals struct {
	mu       sync.Mutex
	underWay map[string]*renewal
}

// renewal is one of them; what came of it may be read once done is closed.
type renewal struct {
	done    chan struct{}
	session session
	record  store.Record
	err     error
}

// refreshGone are the numbers by which WeChat says that a refresh token does
// not work any more; old samples have 40029. 42007, the user's changed password,
// speaks for itself.
var refreshGone = map[int]bool{40029: true, 40030: true, 42002: true}

// errLogInAgain is the 42001 that makes every program ask for a new login.
var errLogInAgain = &web.WeChatRefusal{Code: 42001, Text: "access_token expired: WeChat does not take its refresh_token any more; the user must log in again"}

// call makes a call with the user's real token. Behind a phantom it is renewed
// when it is over, or when WeChat says so, once.
func (a *Auth) call(ctx context.Context, h *held, do func(wechat.UserToken) error) error {
	may := h.phantom != nil && h.User.Refresh != ""
	if may && h.record.Now.Add(time.Minute).After(h.User.Ends) {
		if err := a.renewBehind(ctx, h); err != nil {
			return err
		}
		may = false
	}
	err := do(wechat.NewUserToken(h.User.Access))
	if e, ok := errors.AsType[*wechat.Error](err); ok && may && errcode.DeadToken(e.Code) {
		if err := a.renewBehind(ctx, h); err != nil {
			return err
		}
		err = do(wechat.NewUserToken(h.User.Access))
	}
	return err
}

// renewBehind renews for a caller who knows nothing of the refresh token.
func (a *Auth) renewBehind(ctx context.Context, h *held) error {
	err := a.renew(ctx, h)
	if e, ok := errors.AsType[*wechat.Error](err); ok && refreshGone[e.Code] {
		return errLogInAgain
	}
	return err
}

// renew gets the user's token by the refresh token, into h, and keeps it. It
// goes on when the caller goes away, since the old refresh token may be over
// then.
func (a *Auth) renew(ctx context.Context, h *held) error {
	key := h.record.Key
	a.renewals.mu.Lock()
	r, running := a.renewals.underWay[key]
	if !running {
		r = &renewal{done: make(chan struct{}), err: errors.New("the renewal of a user's token broke off")}
		a.renewals.underWay[key] = r
	}
	a.renewals.mu.Unlock()
	if !running {
		func() {
			defer func() {
				a.renewals.mu.Lock()
				delete(a.renewals.underWay, key)
				a.renewals.mu.Unlock()
				close(r.done)
			}()
			r.session, r.record, r.err = a.renewOnce(context.WithoutCancel(ctx), *h)
		}()
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if r.err != nil {
		return r.err
	}
	h.session, h.record = r.session, r.record
	return nil
}

// renewOnce asks WeChat, unless somebody else was faster.
func (a *Auth) renewOnce(ctx context.Context, h held) (session, store.Record, error) {
	if h.phantom != nil {
		was := h.User
		if err := a.reread(ctx, &h); err != nil {
			return h.session, h.record, err
		}
		if h.User.Access != was.Access || h.User.Ends.After(was.Ends) {
			return h.session, h.record, nil
		}
	}
	g, err := a.Upstream.RefreshUser(ctx, h.App, credential.NewSecret(h.User.Refresh))
	a.counted.renewals.add(outcome(err))
	if e, ok := errors.AsType[*wechat.Error](err); ok && refreshGone[e.Code] && h.phantom != nil && a.overtaken(ctx, &h) {
		return h.session, h.record, nil
	}
	if err != nil {
		return h.session, h.record, err
	}
	h.User.Access = g.Access.Reveal()
	if !g.Refresh.Empty() {
		h.User.Refresh = g.Refresh.Reveal()
	}
	if g.Scope != "" {
		h.User.Scope = g.Scope
	}
	h.User.Ends = h.record.Now.Add(g.Life)
	if h.phantom != nil {
		a.keep(ctx, &h)
	}
	return h.session, h.record, nil
}

// overtaken reports whether another node used the refresh token at the same
// moment and got another for it. Its answer may still be on the way.
func (a *Auth) overtaken(ctx context.Context, h *held) bool {
	if a.Alone {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	used := h.User.Refresh
	for range a.Store.Watch(ctx, h.record.Key) {
		if a.reread(ctx, h) == nil && h.User.Refresh != used {
			return true
		}
	}
	return false
}

// reread reads the session of a phantom anew.
func (a *Auth) reread(ctx context.Context, h *held) error {
	var now session
	r, err := a.read(ctx, h.record.Key, &now)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errUnknownToken
	case err != nil:
		return a.unwell(ctx, err)
	}
	now.Key = h.Key
	h.session, h.record = now, r
	return nil
}

// keep writes a session with renewed tokens. Where somebody else wrote at the
// same moment, theirs are as fresh. A store that is away for a moment must not
// cost the refresh token; one that stays away costs this caller nothing.
func (a *Auth) keep(ctx context.Context, h *held) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	for {
		r, err := a.write(ctx, h.record, h.session, 0)
		switch {
		case err == nil:
			h.record = r
			return
		case errors.Is(err, store.ErrConflict):
			_ = a.reread(ctx, h) // what is in hand works as well
			return
		case errors.Is(err, store.ErrUnsure):
			there := *h
			if a.reread(ctx, &there) == nil {
				if there.User.Access == h.User.Access && there.User.Refresh == h.User.Refresh {
					*h = there
					return
				}
				h.record = there.record
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			a.Log.WarnContext(ctx, "a user's renewed token cannot be kept", "app", string(h.App), "client", h.Client, "err", err)
			return
		}
	}
}
