package webauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
)

// step is where a login stands.
type step string

const (
	started    step = "started"
	exchanging step = "exchanging" // WeChat's code is being exchanged, once
	done       step = "done"
)

// login is the record of one login, under "login/<hash of our state>".
type login struct {
	Step     step           `json:"step"`
	App      credential.App `json:"app"`
	Client   string         `json:"client"`
	Redirect string         `json:"redirect_uri"`
	State    []byte         `json:"state"` // the site's, untouched: bytes, which JSON does not correct
	// Path, Scope and More are how WeChat was asked, to ask again.
	Path  string      `json:"path"`
	Scope string      `json:"scope"`
	More  [][2]string `json:"more,omitempty"`
	// Browser is the hash of the cookie of the browser that began.
	Browser []byte `json:"browser"`
	// Again: it was begun by us, in place of one whose answer was lost.
	Again bool `json:"again,omitempty"`

	// Code is the hash of WeChat's code; Node and Attempt say who exchanges
	// it, since the record was written.
	Code    []byte `json:"code,omitempty"`
	Node    string `json:"node,omitempty"`
	Attempt string `json:"attempt,omitempty"`

	// One of these when done: who the user is, that WeChat's own code went to
	// the site, the state of the login that was begun in place of this one, or
	// why there is nothing. The later ones may come after Relayed.
	User    *user    `json:"user,omitempty"`
	Relayed bool     `json:"relayed,omitempty"`
	Next    string   `json:"next,omitempty"`
	Failure pageKind `json:"failure,omitempty"`
	Codes   int      `json:"codes,omitempty"` // handed out for it
}

// user is what WeChat said about a user.
type user struct {
	OpenID   string    `json:"openid"`
	UnionID  string    `json:"unionid,omitempty"`
	Scope    string    `json:"scope"`
	Snapshot bool      `json:"snapshot,omitempty"`
	Access   string    `json:"access_token"`
	Refresh  string    `json:"refresh_token,omitempty"`
	Ends     time.Time `json:"ends"` // of Access, in the store's clock
}

// Format keeps every verb of fmt from the tokens.
func (u *user) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[user]")) }

// form is that of all records of this package. What a node that is not updated
// yet may neither misread nor lose is a new one: see store.Mark.
const form = 1

// read gets a record and decodes it into v. store.ErrLater: a newer Hufu wrote it.
func (a *Auth) read(ctx context.Context, key string, v any) (store.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	r, err := a.Store.Get(ctx, key)
	if err != nil {
		return r, err
	}
	if err := store.CheckForm(r.Value, form); err != nil {
		return r, fmt.Errorf("read %s: %w", key, err)
	}
	if err := json.Unmarshal(r.Value, v); err != nil {
		return r, fmt.Errorf("%w: %s", store.ErrUnreadable, key) // what json says could quote it
	}
	return r, nil
}

// write replaces the record r by v, to live for life from r.Now, or as long as
// r where life is 0.
func (a *Auth) write(ctx context.Context, r store.Record, v any, life time.Duration) (store.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	value, err := json.Marshal(v)
	if err != nil {
		return r, fmt.Errorf("encode a record of web authorization: %w", err)
	}
	r.Value = store.Mark(value, form)
	if life != 0 {
		r.Expires = r.Now.Add(life)
	}
	return a.Store.Put(ctx, r)
}

// create writes a record that is not there yet.
func (a *Auth) create(ctx context.Context, key string, v any, life time.Duration) error {
	get, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	r, err := a.Store.Get(get, key)
	switch {
	case err == nil:
		return store.ErrConflict
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	_, err = a.write(ctx, store.Record{Key: key, Now: r.Now}, v, life)
	return err
}
