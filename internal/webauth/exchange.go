package webauth

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
)

// exchange asks WeChat who the user is, once: the attempt is written down
// first, and whoever finds it there waits, or, when it is too old, begins the
// login anew. It goes on when the browser goes away: the code is used up then,
// and WeChat's browser comes back for the result.
func (a *Auth) exchange(ctx context.Context, q access.Request, v *visit) error {
	ctx = context.WithoutCancel(ctx)
	next := v.login
	next.Step, next.Code, next.Node, next.Attempt = exchanging, v.hash, a.Node, rand.Text()
	err := a.take(ctx, v, next)
	if errors.Is(err, store.ErrUnsure) {
		if err = a.look(ctx, v); err == nil && v.login.Attempt != next.Attempt {
			return nil // not written; where it stands now decides
		}
	}
	if err != nil {
		return err
	}

	grant, err := a.askWeChat(ctx, v)
	next.Node, next.Attempt = "", ""
	refusal, _ := errors.AsType[*wechat.Error](err)
	switch {
	case err == nil:
		next.Step, next.User = done, &user{
			OpenID: grant.OpenID, UnionID: grant.UnionID, Scope: grant.Scope, Snapshot: grant.Snapshot,
			Access: grant.Access.Reveal(), Refresh: grant.Refresh.Reveal(), Ends: v.record.Now.Add(grant.Life),
		}
	case refusal != nil && refusal.Outcome == wechat.NotSent:
		// The code is as good as before: whoever reloads the page tries it.
		next.Step, next.Code = started, nil
		a.tell(ctx, q, v, slog.LevelError, refusal)
		return errors.Join(a.commit(ctx, v, next), refusal)
	case refusal != nil && refusal.Outcome == wechat.Refused && !codeGone[refusal.Code]:
		next.Step, next.Failure = done, failed
		a.tell(ctx, q, v, slog.LevelError, refusal)
	default:
		a.tell(ctx, q, v, slog.LevelWarn, err)
		if next, err = a.anew(ctx, v); err != nil {
			return err
		}
	}
	return a.commit(ctx, v, next)
}

// codeGone are the numbers by which WeChat says that a code is used up or too
// old: a new one helps. Everything else that it refuses a person must see to.
var codeGone = map[int]bool{40029: true, 40163: true, 42003: true}

// askWeChat exchanges the code.
func (a *Auth) askWeChat(ctx context.Context, v *visit) (wechat.UserGrant, error) {
	secret := a.secrets.of(v.app)
	g, err := a.Upstream.ExchangeCode(ctx, v.app.AppID, secret, credential.NewSecret(v.code))
	a.counted.exchanges.add(outcome(err))
	if a.secrets.refused(v.app, secret, err) {
		return g, errOtherSecret
	}
	return g, err
}

// commit writes the result down. A store that is away for a moment must not
// cost the user the login.
func (a *Auth) commit(ctx context.Context, v *visit, next login) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	for {
		err := a.take(ctx, v, next)
		if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
			return err
		}
		if errors.Is(err, store.ErrUnsure) {
			return errors.Join(store.ErrConflict, err) // read to find out
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// await waits until an exchange that somebody else is at is done. When it is
// older than any exchange can be, its node is dead or its answer lost: nobody
// asks WeChat again, the browser is sent through authorize once more.
func (a *Auth) await(ctx context.Context, v *visit) error {
	waiting, cancel := context.WithTimeout(ctx, a.hope(v))
	defer cancel()
	for range a.Store.Watch(waiting, v.key) {
		if err := a.look(ctx, v); err != nil {
			return err
		}
		if v.login.Step != exchanging {
			return nil
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := a.look(ctx, v); err != nil || v.login.Step != exchanging || a.hope(v) > 0 {
		return err
	}
	next, err := a.anew(ctx, v)
	if err != nil {
		return err
	}
	return a.take(ctx, v, next)
}

// hope is how long an exchange that somebody else is at may still take. A store
// that only this process can have open tells at once that another is dead.
func (a *Auth) hope(v *visit) time.Duration {
	if a.Alone && v.login.Node != a.Node {
		return 0
	}
	return max(0, a.term-v.record.Now.Sub(v.record.Written))
}

// anew gives what becomes of a login whose answer is lost: another is begun in
// its place, for the same browser and site. One that was begun so itself is
// given up.
func (a *Auth) anew(ctx context.Context, v *visit) (login, error) {
	next := v.login
	next.Step, next.Code, next.Node, next.Attempt = done, v.hash, "", ""
	if next.Again {
		next.Failure = failed
		return next, nil
	}
	second := login{
		Step: started, App: next.App, Client: next.Client, Redirect: next.Redirect, State: next.State,
		Path: next.Path, Scope: next.Scope, More: next.More, Browser: next.Browser, Again: true,
	}
	state := draw()
	key := hashed("login/", state)
	if err := a.create(ctx, key, second, beginLife); err != nil {
		return next, err
	}
	a.bounds.pass(v.key, key)
	a.counted.again.Add(1)
	next.Next = state
	return next, nil
}

// tell logs what WeChat said; its text holds no secret.
func (a *Auth) tell(ctx context.Context, q access.Request, v *visit, level slog.Level, err error) {
	a.Log.LogAttrs(ctx, level, "WeChat did not say who the user is", slog.String("request", q.String()),
		slog.String("app", string(v.login.App)), slog.String("client", v.login.Client), slog.Any("err", err))
}
