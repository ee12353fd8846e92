package gateway

import (
	"sync"

	"github.com/hufu-project/hufu/internal/credential"
)

// A new token may be refused by some of WeChat's machines for its first moments,
// while the one before it still works everywhere. So the gateway remembers for
// each app which token was in hand before the current one, and a call that is
// refused with a very young token is sent once more with the old one. Nothing
// is reported then: it is no news that would be of use to anybody.
//
// Where there is none before it, or a dead one, no second try would help: the call
// waits, before it is sent with a very young token, until a probe has seen that
// it works.

// hands is the last two tokens of each app.
type hands struct{ apps sync.Map } // credential.App to hand

// hand is the token of an app that is in use, and the one before it; that one is
// empty where it is not known, or known to be dead.
type hand struct {
	current, before credential.Credential
	refused         bool // WeChat has refused the current one, and was not seen to accept it since
	settled         bool // the current one was waited for
}

// use remembers that a token is the one in hand.
func (h *hands) use(v credential.Credential) {
	if h.now(v.App).current.Generation >= v.Generation {
		return // as for all calls but the first
	}
	h.change(v.App, func(now hand) (hand, bool) {
		next := hand{current: v}
		if !now.refused {
			next.before = now.current
		}
		return next, now.current.Generation < v.Generation
	})
}

// refuse remembers that WeChat has refused v.
func (h *hands) refuse(v credential.Credential) {
	h.change(v.App, func(now hand) (hand, bool) {
		now.refused = true
		return now, now.current.Tag == v.Tag
	})
}

// settle remembers that v works, as far as can be known.
func (h *hands) settle(v credential.Credential) {
	h.change(v.App, func(now hand) (hand, bool) {
		now.refused, now.settled = false, true
		return now, now.current.Tag == v.Tag
	})
}

// now is what is in hand.
func (h *hands) now(app credential.App) hand {
	found, _ := h.apps.Load(app)
	now, _ := found.(hand)
	return now
}

// change puts something else in the place of what is in hand, or leaves it.
func (h *hands) change(app credential.App, to func(now hand) (next hand, change bool)) {
	for {
		old, _ := h.apps.LoadOrStore(app, hand{})
		next, change := to(old.(hand))
		if !change || h.apps.CompareAndSwap(app, old, next) {
			return
		}
	}
}

// unsettled reports whether v is a very young token that nothing can stand in for,
// and was not waited for yet.
func (h *hands) unsettled(v credential.Credential) bool {
	if !isYoung(v) {
		return false
	}
	now := h.now(v.App)
	_, another := h.before(v)
	return now.current.Tag == v.Tag && !now.settled && !another
}

// before is the token to try where v, a very young one, is refused.
func (h *hands) before(v credential.Credential) (_ credential.Credential, ok bool) {
	if !isYoung(v) {
		return credential.Credential{}, false
	}
	last := h.now(v.App)
	ok = last.current.Tag == v.Tag && !last.before.Value.Empty() && last.before.Generation+1 == v.Generation
	return last.before, ok
}

func isYoung(v credential.Credential) bool {
	life := v.ExpiresAt.Sub(v.IssuedAt)
	return life-v.Left <= life/young
}

// young is what part of its life a token is young for: five seconds of two
// hours. Reports tell of two or three.
const young = 1440
