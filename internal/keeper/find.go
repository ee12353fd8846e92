package keeper

import (
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// Find tells which credential has this value in hand now; ok is false where
// none has. It reads memory only, but all of it, so it is for telling somebody
// what is wrong, not for the way of every request.
func (k *Keeper) Find(value credential.Secret) (key credential.Key, ok bool) {
	now := time.Now()
	for _, e := range k.all() {
		if v := e.view.Load(); v.live(now) && v.cred.Value.Equal(value) {
			return e.key, true
		}
	}
	return credential.Key{}, false
}
