// Package store is the seam between Hufu and what keeps its records: small
// versioned values with compare-and-swap, and nothing else. A backend never
// learns what an app is; keys are opaque text with slashes, values are opaque
// bytes (sealed before they get here, see store/sealed).
//
// The suite in store/storetest judges every backend; what it tests is what
// this page means.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Record is one value under one key.
//
//	Key      "cred/wx0123456789abcdef/access_token"
//	Version  "00000000000002a1-9f3c51d2"   opaque; names one write
//	Value    sealed bytes
//	Expires  2026-11-22T10:00:00Z          zero: never
//	Written  2026-11-22T08:00:00Z          when this version was written
//	Now      2026-11-22T08:15:02Z          when the store answered
//
// Written, Now and Expires are the store's clock. No other clock may be
// compared with them; a reader turns them into ages (Now − Written) and
// remaining lives (Expires − Now) and holds those against its own monotonic
// clock.
type Record struct {
	Key string
	// Version names the write that made this record. It never repeats, not
	// even after a delete, or after an older copy of the store is put back.
	Version string
	Value   []byte
	// Expires is when the record stops being there. An expired record is not
	// found, not listed, and a Put without a version may take its place.
	Expires time.Time
	Written time.Time
	Now     time.Time
}

// longestLife keeps dates inside what 64 bits of nanoseconds can say.
const longestLife = 100 * 365 * 24 * time.Hour

// Life is how long a record that is Put lives from then on, zero for ever. An
// Expires that makes no sense is an error, and nothing may be written.
func (r Record) Life() (time.Duration, error) {
	if r.Expires.IsZero() {
		return 0, nil
	}
	life := r.Expires.Sub(r.Now)
	switch {
	case r.Now.IsZero():
		return 0, fmt.Errorf("put %s: an Expires needs the Now it was reckoned from", r.Key)
	case life <= 0:
		return 0, fmt.Errorf("put %s: Expires is not after Now", r.Key)
	case life > longestLife:
		return 0, fmt.Errorf("put %s: Expires is too far away; leave it out for a record that stays", r.Key)
	}
	return life, nil
}

// The ways in which a store says no. Anything else a Get or List returns means
// that the store cannot be asked now (or that an argument makes no sense).
var (
	// ErrNotFound: no such record, or it has expired.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict: the record is not of the version that was to be replaced.
	// Nothing was written.
	ErrConflict = errors.New("store: conflict")
	// ErrUnsure: the write may or may not have happened. Read to find out.
	// Every error of Put and Delete that is neither this nor ErrConflict means
	// that nothing was written.
	ErrUnsure = errors.New("store: write unsure")
	// ErrUnreadable: the record is there and cannot be read: damaged, altered,
	// or sealed by a key that is not in hand. The store is well and so are its
	// other records. The Record carries Key, Version and Now, so that it can
	// still be replaced or deleted; but no Version if it is only a key that is
	// missing, or of a later Hufu (ErrLater, too), so that nobody does.
	ErrUnreadable = errors.New("store: record cannot be read")
	// ErrLater: a later Hufu wrote the record, in a form that this one does not
	// know. It must not be replaced here; see Mark.
	ErrLater = errors.New("a newer Hufu wrote this record; update this one")
)

// Store keeps records. All methods are safe for concurrent use and return as
// soon as ctx ends.
type Store interface {
	// Get returns the record under key. Where there is none the error is
	// ErrNotFound and the Record still carries Key and Now, so that a caller
	// who goes on to create it knows the store's clock.
	Get(ctx context.Context, key string) (Record, error)

	// List yields every live record whose key begins with prefix, each at
	// least once, in any order. An error is yielded once, last. A record that
	// cannot be read takes no other down: it is left out, all the others are
	// yielded, and the error is ErrUnreadable and names the first.
	List(ctx context.Context, prefix string) iter.Seq2[Record, error]

	// Put writes r.Value under r.Key if the record there is of r.Version, or
	// if there is none and r.Version is empty. It returns the record as
	// written, with its new Version, Written and Now. r.Written is ignored.
	//
	// A record with an Expires also needs the Now it was reckoned from: the
	// store keeps the difference. An Expires that is not after Now is refused.
	//
	// The write is durable when Put returns nil.
	Put(ctx context.Context, r Record) (Record, error)

	// Delete removes the record if it is of that version. ErrNotFound where
	// there is none.
	Delete(ctx context.Context, key, version string) error

	// Watch yields the keys below prefix that may have changed since the call,
	// until ctx ends or the store is closed; then the channel is closed. It is
	// level-triggered: several changes of one key may arrive as one. That a
	// record expires is not announced; its Expires already said so. The empty
	// key means "anything may have changed: list again", and is sent first, at
	// once, and again whenever the backend may have missed something, or has
	// lost the store, within 2 s of that.
	Watch(ctx context.Context, prefix string) <-chan string

	// Close ends all watches and releases the backend. Later calls fail; a
	// second Close does nothing.
	Close() error
}
