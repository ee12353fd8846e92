package wechat

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// fuse stands between one issue and its connection. It lets the first byte of
// the request through in time or not at all, and knows afterwards whether one
// went. Once it is blown nothing goes any more, so "not sent" stays true.
type fuse struct {
	sendBy time.Time
	state  atomic.Int32
}

const (
	whole = iota
	sent
	blown
)

type fuseKey struct{}

// withFuse gives ctx a fuse; a zero sendBy never comes.
func withFuse(ctx context.Context, sendBy time.Time) (context.Context, *fuse) {
	f := &fuse{sendBy: sendBy}
	return context.WithValue(ctx, fuseKey{}, f), f
}

// pass reports whether the request may be begun, or has been.
func (f *fuse) pass() bool {
	if f.state.Load() == sent {
		return true
	}
	// By both clocks: the monotonic one stands still while a machine sleeps.
	if now := time.Now(); !f.sendBy.IsZero() && (!now.Before(f.sendBy) || !now.Round(0).Before(f.sendBy.Round(0))) {
		f.state.CompareAndSwap(whole, blown)
	}
	return f.state.CompareAndSwap(whole, sent) || f.state.Load() == sent
}

// blow ends the fuse and reports whether nothing had gone through it.
func (f *fuse) blow() bool {
	return f.state.CompareAndSwap(whole, blown) || f.state.Load() == blown
}

// guard puts the fuse of ctx, if there is one, in front of an open connection.
func guard(ctx context.Context, c net.Conn, err error) (net.Conn, error) {
	if f, ok := ctx.Value(fuseKey{}).(*fuse); ok && err == nil {
		return &guarded{Conn: c, fuse: f}, nil
	}
	return c, err
}

type guarded struct {
	net.Conn
	fuse *fuse
}

func (g *guarded) Write(b []byte) (int, error) {
	if !g.fuse.pass() {
		return 0, notSent{errLate}
	}
	return g.Conn.Write(b)
}
