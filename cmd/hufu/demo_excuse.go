package main

import (
	"context"
	"log/slog"
	"slices"

	"github.com/hufu-project/hufu/wxsim"
)

// excuser reads the server's log for the simulator: WeChat cannot see that a
// new token is wanted by an operator, and would mind that it comes too soon.
// The act is logged before it is done, so the excuse is always in time. After
// a leak a second issue follows, which is excused when the first is logged.
type excuser struct {
	slog.Handler
	sim   *wxsim.Sim
	attrs []slog.Attr
}

// Handle implements slog.Handler.
func (x excuser) Handle(ctx context.Context, r slog.Record) error {
	said := map[string]string{}
	note := func(a slog.Attr) bool {
		said[a.Key] = a.Value.String()
		return true
	}
	for _, a := range x.attrs {
		note(a)
	}
	r.Attrs(note)
	if r.Message == "operator's act" && said["act"] == "renew" || r.Message == "issued" && said["reason"] == "ordered" {
		_ = x.sim.Excuse(said["app"]) // fails for an app that the simulator does not have, and then nobody minds
	}
	return x.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (x excuser) WithAttrs(attrs []slog.Attr) slog.Handler {
	return excuser{x.Handler.WithAttrs(attrs), x.sim, slices.Concat(x.attrs, attrs)}
}

// WithGroup implements slog.Handler. Nothing that is looked for stands in one.
func (x excuser) WithGroup(name string) slog.Handler {
	return excuser{x.Handler.WithGroup(name), x.sim, x.attrs}
}
