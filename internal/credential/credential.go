// Package credential is the vocabulary of Hufu: apps, kinds, credentials and
// secrets, and the errors that every layer above can test for. It imports
// nothing of ours and knows no protocol.
package credential

import (
	"errors"
	"time"
)

// App is the id of one WeChat application (its appid). It is opaque to us:
// WeCom's ids have another shape than those of official accounts.
type App string

// Kind is a sort of credential, in WeChat's own spelling.
type Kind string

// AccessToken is the app's token, WeChat's global access_token
// (全局接口调用凭据). The user's token of web authorization carries the same
// name on the wire and is never of this kind.
const AccessToken Kind = "access_token"

// Key names one credential.
type Key struct {
	App  App
	Kind Kind
}

// String gives "app/kind", for logs and errors; it holds no secret.
func (k Key) String() string { return string(k.App) + "/" + string(k.Kind) }

// Credential is a value as it is handed out: copied, never shared.
type Credential struct {
	Key
	Value Secret
	// Phantom: the value is a phantom token, which Hufu made in place of
	// WeChat's own.
	Phantom bool
	// Generation counts the values of this credential, from 1. It is 0 for a
	// value that upstream issued and the store has not yet taken.
	Generation uint64
	IssuedAt   time.Time
	ExpiresAt  time.Time
	// Left is how long the value is live, counted from now by this node's own
	// clock; ExpiresAt is the store's.
	Left time.Duration
	// Certain is how long the value works for sure, counted from now.
	Certain time.Duration
	// MaxAge is how long a caller may keep the value before it asks again.
	MaxAge time.Duration
	// Tag is the entity tag: "<generation>-<8 hex of a keyed hash>", unquoted.
	Tag string
}

var (
	// ErrNotFound says that there is no such app, or that it has no such kind.
	ErrNotFound = errors.New("no such app or kind")
	// ErrUnavailable says that nothing live is in hand. Errors that wrap it
	// carry the reason; see Unavailable.
	ErrUnavailable = errors.New("no live value in hand")
	// ErrUnchanged says that no later generation came while one waited.
	ErrUnchanged = errors.New("no later generation yet")
	// ErrDeclared says that a declared app or client is read-only at run time.
	ErrDeclared = errors.New("declared in the configuration file, read-only here")
)

// Unavailable is why nothing live is in hand, in terms a person can act on.
// It matches ErrUnavailable.
type Unavailable struct {
	Key Key
	// Code is WeChat's errcode where WeChat refused, else 0.
	Code int
	// Reason is one English sentence that holds no secret.
	Reason string
	// Blocked says that a person must act before anything changes.
	Blocked bool
	// IP is the address that WeChat saw and refused, where it said so.
	IP string
	// RetryAfter is when it is worth asking again.
	RetryAfter time.Duration
}

// Error names the credential and the reason.
func (u *Unavailable) Error() string { return u.Key.String() + ": " + u.Reason }

// Is makes errors.Is(err, ErrUnavailable) true.
func (u *Unavailable) Is(target error) bool { return target == ErrUnavailable }
