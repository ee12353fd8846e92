package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
)

// PhantomLabel is the label under which the keys of phantom tokens are derived
// from the master key.
const PhantomLabel = "phantom tokens"

// Why a phantom token is not accepted.
var (
	// ErrForged: no token of ours, or one whose client, app, grant or client
	// key is gone.
	ErrForged = errors.New("no phantom token that is in force")
	// ErrExpired: it was ours, and its time is over.
	ErrExpired = errors.New("the phantom token has expired")
)

// PhantomType is what a phantom token stands for.
type PhantomType byte

// The types: the app's token, the user's token, and the user's refresh token.
const (
	AppPhantom     PhantomType = 1
	UserPhantom    PhantomType = 2
	RefreshPhantom PhantomType = 3
)

// action is what a client must be allowed for its tokens of this type to work.
func (t PhantomType) action() config.Action {
	if t == AppPhantom {
		return config.Token
	}
	return config.Login
}

// Phantom is what a phantom token says.
type Phantom struct {
	Type   PhantomType
	App    credential.App
	Client string
	// KeyID is the client key that it was asked for with; where that is taken
	// out of the configuration, what it brought about ends too.
	KeyID KeyID
	// Session names the record of the user's login; zero for the app's.
	Session [16]byte
	// End is when it ends, in whole seconds.
	End time.Time
}

// A phantom token looks like one of WeChat's, so that it fits wherever those
// do, and says all that it means, sealed:
//
//	10_ base64url( nonce 12 | AES-256-GCM(
//	     type 1 | key id 4 | end 8 | session 16 | length 1 | appid | client ) | tag 16 )
//
// Nobody has to remember it: what is not ours does not open, and what was
// withdrawn is no longer in the registry. The nonce is drawn, or, where all
// nodes are to make the same token, a keyed hash of what is sealed; either way
// no two tokens share one.
const (
	phantomPrefix = "10_"
	maxPhantom    = 512
	phantomFixed  = 1 + 4 + 8 + 16 + 1
	nonceLen      = 12
)

// Phantoms mints phantom tokens and says what they mean. It is the one place
// that does either, and is safe for concurrent use.
type Phantoms struct {
	registry *registry.Registry
	life     time.Duration
	hashKey  []byte
	aeads    []cipher.AEAD // the first mints
}

// NewPhantoms takes the life of the app's tokens, as WeChat promises it, and
// the 32-byte keys derived under PhantomLabel, the primary's first. A token
// still opens for a 24th of a life past its end, as WeChat's do; that also
// makes up for clocks of nodes that differ, for a phantom token's end is the
// one time that is held against another machine's clock.
func NewPhantoms(reg *registry.Registry, life time.Duration, keys [][]byte) *Phantoms {
	p := &Phantoms{registry: reg, life: life}
	for _, key := range keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			panic("access: the key of phantom tokens: " + err.Error()) // a mistake in the program
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			panic(err) // cannot be: AES has GCM's block size
		}
		p.aeads = append(p.aeads, aead)
	}
	var err error
	if p.hashKey, err = hkdf.Expand(sha256.New, keys[0], "hash", sha256.Size); err != nil {
		panic(err) // cannot be: the length is fixed and small
	}
	return p
}

// overlap is how long a token works past its end.
func (p *Phantoms) overlap() time.Duration { return p.life / 24 }

// Mint makes a token. No two are the same.
func (p *Phantoms) Mint(f Phantom) credential.Secret {
	var nonce [nonceLen]byte
	_, _ = rand.Read(nonce[:]) // never fails: crypto/rand ends the program instead
	return p.seal(f.plain(), nonce[:])
}

// plain is what a token says, before it is sealed.
func (f Phantom) plain() []byte {
	b := make([]byte, 0, phantomFixed+len(f.App)+len(f.Client))
	b = append(b, byte(f.Type))
	b = append(b, f.KeyID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(f.End.Unix()))
	b = append(b, f.Session[:]...)
	b = append(b, byte(len(f.App))) // appids have 64 bytes at most
	b = append(b, f.App...)
	return append(b, f.Client...)
}

// hash is a keyed hash of what a token says. Nothing of it gives that away.
func (p *Phantoms) hash(plain []byte) []byte {
	h := hmac.New(sha256.New, p.hashKey)
	h.Write(plain)
	return h.Sum(nil)
}

func (p *Phantoms) seal(plain, nonce []byte) credential.Secret {
	sealed := make([]byte, 0, nonceLen+len(plain)+p.aeads[0].Overhead())
	sealed = append(sealed, nonce...)
	sealed = p.aeads[0].Seal(sealed, nonce, plain, []byte(phantomPrefix))
	return credential.NewSecret(phantomPrefix + base64.RawURLEncoding.EncodeToString(sealed))
}

// Parse says what a token means. It reads memory only. Errors: ErrForged, and
// ErrExpired, with which the Phantom is returned too. Callers look at its Type:
// a user's token brought where the app's is meant is ours all the same.
func (p *Phantoms) Parse(token string) (Phantom, error) {
	f, ok := p.open(token)
	if !ok || !p.inForce(f) {
		return Phantom{}, ErrForged
	}
	if !time.Now().Before(f.End.Add(p.overlap())) {
		return f, ErrExpired
	}
	return f, nil
}

func (p *Phantoms) open(token string) (f Phantom, ok bool) {
	if len(token) > maxPhantom || len(token) < len(phantomPrefix) || token[:len(phantomPrefix)] != phantomPrefix {
		return f, false
	}
	// Of one token there is one text. Strict is about the bits that the last
	// letter has too many; line ends are skipped by the decoder all the same.
	text := token[len(phantomPrefix):]
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || base64.RawURLEncoding.EncodedLen(len(sealed)) != len(text) || len(sealed) < nonceLen {
		return f, false
	}
	for _, aead := range p.aeads {
		b, err := aead.Open(nil, sealed[:nonceLen], sealed[nonceLen:], []byte(phantomPrefix))
		if err != nil {
			continue
		}
		if len(b) < phantomFixed || len(b) < phantomFixed+int(b[phantomFixed-1]) {
			return f, false
		}
		f.Type = PhantomType(b[0])
		f.KeyID = KeyID(b[1:5])
		f.End = time.Unix(int64(binary.BigEndian.Uint64(b[5:13])), 0)
		f.Session = [16]byte(b[13:29])
		name := phantomFixed + int(b[phantomFixed-1])
		f.App, f.Client = credential.App(b[phantomFixed:name]), string(b[name:])
		return f, f.Type >= AppPhantom && f.Type <= RefreshPhantom
	}
	return f, false
}

// inForce reports whether what the token was minted for is still there.
func (p *Phantoms) inForce(f Phantom) bool {
	c, ok := p.registry.Client(f.Client)
	if !ok || !c.MayUse(f.App) || !c.Allow.Has(f.Type.action()) {
		return false
	}
	if _, ok := p.registry.App(f.App); !ok {
		return false
	}
	return hasKey(c, f.KeyID)
}
