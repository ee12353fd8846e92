// Package storetest judges backends of store.Store. What it tests is what the
// contract in package store means; a change of the contract begins here.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// Options say what a backend allows beyond being opened.
type Options struct {
	// Bubble runs one test under a fake clock; it is synctest.Test for a
	// backend whose clock is time.Now and which waits on nothing outside the
	// process but files. Nil for a backend that answers over a network: the
	// tests of expiry then wait, side by side, for a second or two of the
	// store's own time.
	Bubble func(t *testing.T, test func(*testing.T))
	// Disk gives a place for one store that outlives its Close. Nil for a
	// backend that the tests cannot stop and start.
	Disk func(t *testing.T) Disk
}

// Disk is where one store lies.
type Disk struct {
	// Open opens the store; it is not open already.
	Open func() store.Store
	// Save copies the closed store, and Restore puts the copy back.
	Save, Restore func()
}

// TestStore runs the suite. Each test calls open for an empty store of its own,
// and closes it. All of them run in parallel.
func TestStore(t *testing.T, open func(t *testing.T) store.Store, o Options) {
	type test = func(t *testing.T, s store.Store)
	for name, test := range map[string]test{
		"GetOfNothingStillTellsTheTime":      getOfNothing,
		"PutIsReadBack":                      putIsReadBack,
		"CreateNeedsNothingThere":            createNeedsNothing,
		"ReplaceNeedsTheCurrentVersion":      replaceNeedsCurrent,
		"DeleteNeedsTheCurrentVersion":       deleteNeedsCurrent,
		"VersionsNeverRepeat":                versionsNeverRepeat,
		"OddKeysAreKeys":                     oddKeys,
		"EmptyKeyIsRefused":                  emptyKey,
		"AnyBytesAreAValue":                  anyBytes,
		"BytesBelongToTheCaller":             isolation,
		"EndedContextEndsTheCall":            endedContext,
		"ClosedStoreSaysSo":                  closedStore,
		"ExpiredRecordIsNotThere":            expired,
		"ExpiredRecordIsReplacedByAnyNewOne": expiredIsReplaced,
		"ExpiresIsReckonedFromNow":           reckonedFromNow,
		"ExpiresNotAfterNowIsRefused":        badExpires,
		"ReplacingSetsExpiresAnew":           expiresAnew,
		"ListHoldsToThePrefix":               listPrefix,
		"ListMissesNothingWhileOthersWrite":  listWhileWriting,
		"ListMayBeLeftOrWrittenInto":         listBody,
		"WatchBeginsWithTheEmptyKey":         watchBegins,
		"WatchTellsOfEveryWrite":             watchTells,
		"WatchHoldsToThePrefix":              watchPrefix,
		"WatchEndsWithItsContext":            watchContext,
		"WatchEndsWithTheStore":              watchClose,
		"SlowWatcherHoldsUpNobody":           watchSlow,
		"SleepingWatcherIsToldAKeyOnce":      watchCoalesces,
		"OneOfManyWritersWins":               oneWins,
		"IncrementsAreNeverLost":             counter,
		"HistoryIsLinear":                    linear,
		"StoreIsAMap":                        func(t *testing.T, s store.Store) { model(t, s, o.Bubble != nil) },
	} {
		run(t, name, o, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() { _ = s.Close() })
			test(t, s)
		})
	}
	if o.Disk != nil {
		run(t, "ClosedStoreKeepsItsRecords", o, func(t *testing.T) { reopen(t, o.Disk(t)) })
		run(t, "RestoredCopyRepeatsNoVersion", o, func(t *testing.T) { restore(t, o.Disk(t)) })
	}
}

func run(t *testing.T, name string, o Options, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		if o.Bubble != nil {
			o.Bubble(t, test)
		} else {
			test(t)
		}
	})
}

// second is the shortest life that every backend must be able to keep.
const second = time.Second

// pass waits until the store's clock has passed by d. It is the suite's only
// sleep; in a bubble it costs nothing.
func pass(t *testing.T, s store.Store, d time.Duration) {
	t.Helper()
	end := now(t, s).Add(d)
	for at := now(t, s); !at.After(end); at = now(t, s) {
		time.Sleep(end.Sub(at) + time.Millisecond)
	}
}

// now asks the store for the time.
func now(t *testing.T, s store.Store) time.Time {
	t.Helper()
	r, err := s.Get(t.Context(), "storetest/no such record")
	if !errors.Is(err, store.ErrNotFound) || r.Now.IsZero() {
		t.Fatalf("Get of nothing: %+v, %v; want ErrNotFound and the time", r, err)
	}
	return r.Now
}

func put(t *testing.T, s store.Store, key, version, value string) store.Record {
	t.Helper()
	r, err := s.Put(t.Context(), store.Record{Key: key, Version: version, Value: []byte(value)})
	if err != nil {
		t.Fatalf("Put %q in place of %q: %v", key, version, err)
	}
	return r
}

// putFor puts a record that lives for d.
func putFor(t *testing.T, s store.Store, key, version, value string, d time.Duration) store.Record {
	t.Helper()
	at := now(t, s)
	r, err := s.Put(t.Context(), store.Record{Key: key, Version: version, Value: []byte(value), Now: at, Expires: at.Add(d)})
	if err != nil {
		t.Fatalf("Put %q for %v: %v", key, d, err)
	}
	return r
}

// want asks that the record under key be this one, in Get and in List.
func want(t *testing.T, s store.Store, w store.Record) {
	t.Helper()
	r, err := s.Get(t.Context(), w.Key)
	if err != nil {
		t.Fatalf("Get %q: %v", w.Key, err)
	}
	same(t, "Get", r, w)
	if got, there := list(t, s, w.Key)[w.Key]; !there {
		t.Errorf("List leaves out %q", w.Key)
	} else {
		same(t, "List", got, w)
	}
}

func same(t *testing.T, from string, got, want store.Record) {
	t.Helper()
	if got.Key != want.Key || got.Version != want.Version || string(got.Value) != string(want.Value) ||
		!got.Written.Equal(want.Written) || !got.Expires.Equal(want.Expires) {
		t.Errorf("%s gives\n%s\nwant\n%s", from, brief(got), brief(want))
	}
	if got.Now.Before(got.Written) {
		t.Errorf("%s: Now %v is before Written %v", from, got.Now, got.Written)
	}
}

// brief keeps long values out of messages.
func brief(r store.Record) string {
	if len(r.Value) > 100 {
		r.Value = r.Value[:100]
	}
	return string(r.Value) + " " + r.Key + " " + r.Version + " written " + r.Written.String() + " expires " + r.Expires.String()
}

// wantNone asks that nothing be under key, in Get and in List.
func wantNone(t *testing.T, s store.Store, key string) {
	t.Helper()
	if r, err := s.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get %q: %s, %v; want ErrNotFound", key, brief(r), err)
	}
	if r, there := list(t, s, key)[key]; there {
		t.Errorf("List gives %s, which is not there", brief(r))
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// list gives what List yields, by key.
func list(t *testing.T, s store.Store, prefix string) map[string]store.Record {
	t.Helper()
	all := map[string]store.Record{}
	for r, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List %q: %v", prefix, err)
		}
		all[r.Key] = r
	}
	return all
}

// cancelled is a context that has ended.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
