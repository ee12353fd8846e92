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

// hands is the last two tokens of each app.
type hands struct{ apps sync.Map } // credential.App to hand

// hand is the token of an app that is in use, and the one before it; that one is
// empty where it is not known, or known to be dead.
type hand struct{ current, before credential.Credential }

// use remembers that a token is the one in hand.
func (h *hands) use(v credential.Credential) {
	old, ok := h.apps.Load(v.App)
	if !ok {
		h.apps.Store(v.App, hand{current: v})
	} else if last := old.(hand); last.current.Generation < v.Generation {
		h.apps.CompareAndSwap(v.App, old, hand{v, last.current})
	}
}

// replaced remembers that a token is in hand because the one before it is dead.
func (h *hands) replaced(v credential.Credential) { h.apps.Store(v.App, hand{current: v}) }

// before is the token to try where v, a very young one, is refused.
func (h *hands) before(v credential.Credential) (_ credential.Credential, ok bool) {
	life := v.ExpiresAt.Sub(v.IssuedAt)
	if life-v.Left > life/young {
		return credential.Credential{}, false
	}
	found, _ := h.apps.Load(v.App)
	last, _ := found.(hand)
	ok = last.current.Tag == v.Tag && !last.before.Value.Empty() && last.before.Generation+1 == v.Generation
	return last.before, ok
}

// young is what part of its life a token is young for: five seconds of two
// hours. Reports tell of two or three.
const young = 1440
