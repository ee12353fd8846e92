package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/hufu-project/hufu/internal/store"
)

// Keyring holds master keys. The first is the primary: it seals. All of them
// open, so that a store can go over from one key to another while it is used:
// with the new key first, whatever is read and put back is sealed anew. It is
// safe for concurrent use and never changes.
type Keyring struct {
	keys    []Key
	primary [idLen]byte                 // the primary's id
	data    map[[idLen]byte]cipher.AEAD // by id
}

// NewKeyring makes a keyring of the primary key and of older ones.
func NewKeyring(primary Key, older ...Key) *Keyring {
	r := &Keyring{
		keys:    append([]Key{primary}, older...),
		primary: primary.id(),
		data:    map[[idLen]byte]cipher.AEAD{},
	}
	for _, k := range r.keys {
		r.data[k.id()] = k.aead()
	}
	return r
}

// sealingWith is the keyring with k as its primary.
func (r *Keyring) sealingWith(k Key) *Keyring {
	older := slices.DeleteFunc(slices.Clone(r.keys), func(o Key) bool { return o == k })
	return NewKeyring(k, older...)
}

// Derive gives the 32-byte subkey of the primary key for one purpose, such as
// "etag". Another label or another master key gives an unrelated subkey. It
// takes microseconds; keep the result.
func (r *Keyring) Derive(label string) []byte { return r.keys[0].derive("use " + label) }

// DeriveAll gives the subkeys for label of all keys, the primary's first: what
// was made with an older key can still be recognized.
func (r *Keyring) DeriveAll(label string) [][]byte {
	all := make([][]byte, len(r.keys))
	for i, k := range r.keys {
		all[i] = k.derive("use " + label)
	}
	return all
}

// derive is HKDF. A salt would add nothing: the master key is random already.
func (k Key) derive(info string) []byte {
	out, err := hkdf.Key(sha256.New, k.bytes[:], nil, "hufu 1 "+info, keyLen)
	if err != nil {
		panic(err) // cannot be: the length is fixed and small
	}
	return out
}

func (k Key) id() [idLen]byte { return [idLen]byte(k.derive("key id")) }

// aead seals with a random nonce each time. With 96 random bits per nonce the
// odds that two of 2^32 values share one are 1 in 2^33; at 30 writes a second,
// without a pause, it takes four years to write that many, and a new master
// key begins a new count.
func (k Key) aead() cipher.AEAD {
	block, err := aes.NewCipher(k.derive("store values"))
	if err != nil {
		panic(err) // cannot be: the key has 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // cannot be: AES has GCM's block size
	}
	return aead
}

// A sealed value, "the envelope":
//
//	offset  bytes
//	     0      1  version of the envelope, 1
//	     1      4  id of the master key
//	     5     12  nonce
//	    17         ciphertext, as long as the value
//	   end     16  tag
//
// The cipher is AES-256-GCM under a key derived from the master key. Authentic
// with it are the first five bytes and the record's key, so that a value moved
// to another record does not open.
const (
	envelope  = 1
	idLen     = 4
	headerLen = 1 + idLen
)

// seal makes the envelope of value for the record under key.
func (r *Keyring) seal(key string, value []byte) []byte {
	aead := r.data[r.primary]
	out := make([]byte, headerLen, headerLen+len(value)+aead.Overhead())
	out[0] = envelope
	copy(out[1:], r.primary[:])
	return aead.Seal(out, nil, value, associated(out, key))
}

// open gives the value back, or an ErrUnreadable that names the record and says
// nothing of its value.
func (r *Keyring) open(key string, sealed []byte) ([]byte, error) {
	refuse := func(why string) ([]byte, error) {
		return nil, fmt.Errorf("%w: %s: %s", store.ErrUnreadable, key, why)
	}
	if len(sealed) < headerLen {
		return refuse("it is too short to have been sealed by hufu")
	}
	if sealed[0] == envelope+1 {
		_, err := refuse("its seal is of the next version")
		return nil, fmt.Errorf("%w: %w", err, store.ErrLater)
	}
	if sealed[0] != envelope {
		return refuse(fmt.Sprintf("its seal is of version %d, and this hufu opens version %d", sealed[0], envelope))
	}
	id := [idLen]byte(sealed[1:headerLen])
	aead, known := r.data[id]
	if !known {
		return nil, &UnknownKey{Record: key, ID: fmt.Sprintf("%x", id), Have: ids(r.keys)}
	}
	value, err := aead.Open(nil, nil, sealed[headerLen:], associated(sealed[:headerLen], key))
	if err != nil {
		return refuse("it was altered, or belongs to another record")
	}
	return value, nil
}

// associated is unambiguous: the header has a fixed length.
func associated(header []byte, key string) []byte {
	return append(slices.Clone(header[:headerLen]), key...)
}

func ids(keys []Key) []string {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID()
	}
	return ids
}

// sealedBy is the id of the master key of an envelope, "" for what is none.
func sealedBy(value []byte) string {
	if len(value) < headerLen || value[0] != envelope {
		return ""
	}
	return fmt.Sprintf("%x", value[1:headerLen])
}

// UnknownKey says that a record was sealed by a master key that is not in the
// keyring. It matches store.ErrUnreadable. The record is well, so it must not be
// replaced or deleted for want of a key: it comes without its version.
type UnknownKey struct {
	Record string   // the record's key
	ID     string   // the id of the master key that is needed
	Have   []string // the ids of those in hand
}

// Error names both keys by their ids.
func (u *UnknownKey) Error() string {
	return fmt.Sprintf("%v: %s: master key %s is needed, in hand is %s", store.ErrUnreadable, u.Record, u.ID, strings.Join(u.Have, ", "))
}

// Is makes errors.Is(err, store.ErrUnreadable) true.
func (u *UnknownKey) Is(target error) bool { return target == store.ErrUnreadable }
