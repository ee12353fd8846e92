package access

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// The app's phantom token as a credential, so that who follows the real one
// follows this one with the same code.
//
//	generation  n          n+1        n+2        n+3
//	            |──────────|──────────|──────────|
//	token n     issued     |          end        overlap
//	token n+1              issued                end
//
// A generation is half a life, counted by the clock since 1970. In it a caller
// is given one token, the same by every node that has the same master key,
// though none of them tells another: it is a function of who asks and of the
// generation. So each is good for half a life at least when it is handed out,
// and the store is neither read nor written.

// Current is the token of this generation. It reads memory only.
func (p *Phantoms) Current(c Caller, app credential.App) credential.Credential {
	now := time.Now()
	v, f, hash := p.generation(c, app, now)
	v.Value = p.seal(f.plain(), hash[:nonceLen])
	v.ExpiresAt = f.End.Truncate(time.Second) // as in the token
	v.Left = v.ExpiresAt.Sub(now)
	v.Certain = v.Left
	return v
}

// Fresh is a token with a full life of its own, for callers that are told how
// long it lives and never when there is another. Generation and Tag are those
// of Current, since it comes in its place.
func (p *Phantoms) Fresh(c Caller, app credential.App) credential.Credential {
	now := time.Now()
	v, f, _ := p.generation(c, app, now)
	f.End = now.Add(p.life)
	v.Value = p.Mint(f)
	v.IssuedAt, v.ExpiresAt = now, f.End
	v.Left, v.Certain = p.life, p.life
	return v
}

// Wait returns Current as soon as its generation is later than after. If ctx
// ends first it returns Current with credential.ErrUnchanged.
func (p *Phantoms) Wait(ctx context.Context, c Caller, app credential.App, after uint64) (credential.Credential, error) {
	for {
		v := p.Current(c, app)
		if v.Generation > after {
			return v, nil
		}
		next := time.NewTimer(time.Until(v.IssuedAt.Add(p.life / 2)))
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return v, credential.ErrUnchanged
		}
	}
}

// generation is the generation at a moment, what its token says, and the hash
// of that: the token's nonce, and then the tag, which nobody can tell from it.
func (p *Phantoms) generation(c Caller, app credential.App, now time.Time) (v credential.Credential, f Phantom, hash []byte) {
	half := int64(p.life / 2)
	n := now.UnixNano() / half
	began := time.Unix(0, n*half)
	f = Phantom{Type: AppPhantom, App: app, Client: c.Client.Name, KeyID: c.KeyID, End: began.Add(p.life)}
	hash = p.hash(f.plain())
	return credential.Credential{
		Key: credential.Key{App: app, Kind: credential.AccessToken}, Phantom: true,
		Generation: uint64(n), IssuedAt: began, MaxAge: p.life / 120,
		Tag: fmt.Sprintf("%d-%s", n, hex.EncodeToString(hash[nonceLen:nonceLen+4])),
	}, f, hash
}
