package hufu

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The file of a client:
//
//	"hufu client 1\n"  32 bytes of salt  12 of nonce  sealed JSON: []saved
//
// The key is HKDF-SHA256 of the client key with the salt, new for each write.
// The first line and the server's address are authenticated with it.
const (
	fileMagic = "hufu client 1\n"
	fileSalt  = 32
	maxFile   = 16 << 20
)

// saved is a value in the file. Its times are this machine's: of the server's
// clock we know nothing after a restart.
type saved struct {
	App        string    `json:"app"`
	Kind       string    `json:"kind"`
	Value      string    `json:"value"`
	Phantom    bool      `json:"phantom,omitempty"`
	Generation uint64    `json:"generation,omitempty"`
	IssuedAt   time.Time `json:"issued_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	Tag        string    `json:"tag"`
	From       time.Time `json:"from"`
	Until      time.Time `json:"until"`
}

// live reports whether a value may be used by a process that starts now. A
// clock that was put back is not believed.
func (s saved) live(now time.Time) bool { return !now.Before(s.From) && now.Before(s.Until) }

// file keeps values across restarts.
type file struct {
	path   string
	secret string // the client key
	server string

	mu      sync.Mutex
	values  map[key]saved
	dirty   bool // there is something that no write has begun with
	writing bool
	err     error // of the last write
}

// open reads what is there. What cannot be understood counts as nothing: all of
// it can be had again from the server.
func (f *file) open(secret, server string) error {
	f.secret, f.server, f.values = secret, server, map[key]saved{}
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(f.path)) // better said now than at the first write
	}
	if err != nil {
		return err
	}
	const head = len(fileMagic) + fileSalt
	if len(b) < head || len(b) > maxFile || string(b[:len(fileMagic)]) != fileMagic {
		return nil
	}
	plain, err := f.aead(b[len(fileMagic):head]).Open(nil, nil, b[head:], f.bound())
	if err != nil {
		return nil
	}
	var all []saved
	if json.Unmarshal(plain, &all) != nil {
		return nil
	}
	for _, s := range all {
		if s.live(time.Now()) {
			f.values[key{s.App, s.Kind}] = s
		}
	}
	return nil
}

// load is the value that an earlier process left, if it is live.
func (f *file) load(k key) *value {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.values[k]
	now := time.Now()
	if !ok || !s.live(now) {
		return nil
	}
	return &value{
		Credential: Credential{
			App: s.App, Kind: s.Kind, Value: s.Value, Phantom: s.Phantom,
			Generation: s.Generation, IssuedAt: s.IssuedAt, ExpiresAt: s.ExpiresAt,
		},
		// From here on the clock may be put wherever it likes.
		tag: s.Tag, until: now.Add(s.Until.Sub(now)),
	}
}

// put notes a value and reports whether somebody must call write.
func (f *file) put(v *value) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.values[key{v.App, v.Kind}] = saved{
		App: v.App, Kind: v.Kind, Value: v.Value, Phantom: v.Phantom, Generation: v.Generation,
		IssuedAt: v.IssuedAt, ExpiresAt: v.ExpiresAt, Tag: v.tag, From: time.Now(), Until: v.until,
	}
	f.dirty = true
	begin := !f.writing
	f.writing = true
	return begin
}

// write writes until all is written that was put.
func (f *file) write() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.dirty {
		f.dirty = false
		var all []saved
		for k, s := range f.values {
			if !s.live(time.Now()) {
				delete(f.values, k)
				continue
			}
			all = append(all, s)
		}
		f.mu.Unlock()
		err := f.replace(all)
		f.mu.Lock()
		f.err = err
	}
	f.writing = false
}

// replace puts a new file in the place of the old one.
func (f *file) replace(all []saved) error {
	plain, err := json.Marshal(all)
	if err != nil {
		return err // cannot be: texts, numbers and times
	}
	b := append(make([]byte, 0, len(fileMagic)+fileSalt+len(plain)+64), fileMagic...)
	salt := make([]byte, fileSalt)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	b = append(b, salt...)
	b = f.aead(salt).Seal(b, nil, plain, f.bound())

	t, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*.new") // mode 0600
	if err != nil {
		return err
	}
	_, err = t.Write(b)
	err = errors.Join(err, t.Sync(), t.Close())
	if err == nil {
		err = os.Rename(t.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(t.Name())
	}
	return err
}

// aead seals with a key of its own for each salt.
func (f *file) aead(salt []byte) cipher.AEAD {
	k, err := hkdf.Key(sha256.New, []byte(f.secret), salt, fileMagic, 32)
	if err != nil {
		panic(err) // cannot be: the length is fixed and small
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		panic(err) // cannot be: 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // cannot be: AES has GCM's block size
	}
	return aead
}

// bound is what the sealed text belongs to.
func (f *file) bound() []byte { return []byte(fileMagic + f.server) }

// error is that of the last write.
func (f *file) error() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return fmt.Errorf("hufu: keep values in a file: %w", f.err)
	}
	return nil
}
