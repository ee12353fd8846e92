package api

import (
	"context"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/keeper"
)

// source is where what a caller is given comes from: the keeper, or, for a
// client with tokens: phantom, the mint. The guard lets nothing pass that came
// from the wrong one.
type source interface {
	Get(ctx context.Context, key credential.Key) (credential.Credential, error)
	Wait(ctx context.Context, key credential.Key, after uint64) (credential.Credential, error)
	Report(ctx context.Context, key credential.Key, claim keeper.Claim) (credential.Credential, error)
}

func (a *api) source(c access.Caller, key credential.Key) source {
	if access.GivenPhantoms(c, key) {
		return mint{a, c}
	}
	return a.Keeper
}

// mint makes phantom tokens for one caller. It asks neither the keeper nor
// WeChat: a phantom token says who may call, not whether WeChat lets the app
// in, so it is to be had while nothing live is in hand and while the app is
// blocked. The gateway says at each call what is in the way, and the call works
// in the moment in which it is not, whatever pause the program would have made
// after an error here.
type mint struct {
	api    *api
	caller access.Caller
}

// Get is the caller's token of this generation.
func (m mint) Get(_ context.Context, key credential.Key) (credential.Credential, error) {
	if !m.has(key.App) {
		return nowhere()
	}
	return m.api.Phantoms.Current(m.caller, key.App), nil
}

// Wait waits for a later generation.
func (m mint) Wait(ctx context.Context, key credential.Key, after uint64) (credential.Credential, error) {
	if !m.has(key.App) {
		return nowhere()
	}
	return m.api.Phantoms.Wait(ctx, m.caller, key.App, after)
}

// Report is Get. The client has not seen what WeChat was sent and can say
// nothing about it: the gateway, which has, reports for itself. If what clients
// claim led to probes here, who holds no real value could have WeChat asked,
// and could try out whether a value is the one in hand.
func (m mint) Report(ctx context.Context, key credential.Key, _ keeper.Claim) (credential.Credential, error) {
	return m.Get(ctx, key)
}

// fresh is a token with a full life of its own, as WeChat's paths give it.
func (m mint) fresh(app credential.App) (credential.Credential, error) {
	if !m.has(app) {
		return nowhere()
	}
	return m.api.Phantoms.Fresh(m.caller, app), nil
}

// has reports whether the app has a token that a phantom could stand for.
func (m mint) has(id credential.App) bool {
	app, ok := m.api.Registry.App(id)
	return ok && app.Type != config.Website
}
