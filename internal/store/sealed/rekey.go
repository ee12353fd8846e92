package sealed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// The master key is replaced while nodes run, and no step of it can be done too
// early. A new key is put before the old one in the key file of each node, in
// any order. Each node reads its file again and says in the store which keys it
// holds, the newest first. Once all say the same first key, it is written down
// as in use, and from then on seals; one node seals what is there anew; and when
// nothing is left under the old key and no node seals with it any more, the old
// key is not in use. Then it may be taken out of the files.
//
// Every step begins at what the store says, so it may end anywhere.

// followEvery is how often a node looks at its key file and at the others.
const followEvery = 10 * time.Second

// awayAfter is when a node that said nothing does not count any more.
const awayAfter = 3*followEvery + 5*time.Second

// shortLived: what ends within this is left to end. It may be a code that works
// once, which its holder must find as it was.
const shortLived = 15 * time.Minute

// nodePrefix is of one record for each node that shares the store.
const nodePrefix = own + "node/"

// held is what a node says of its keys.
type held struct {
	File  []string `json:"file"`  // the ids in its file, the newest first
	Seals string   `json:"seals"` // the id of that with which it seals
}

// KeyState is how far a store is on its way to the newest key, as one node sees
// it. Keys are named by their ids.
type KeyState struct {
	Seals string   `json:"seals"`           // what this node seals with
	File  []string `json:"file"`            // what its key file holds, the newest first
	InUse []string `json:"in_use"`          // what the store is sealed by
	Left  int      `json:"left,omitempty"`  // records that were not under the newest key when last looked at
	Waits []string `json:"waits,omitempty"` // nodes whose file begins with another key
	// Problem says what a person must put right.
	Problem string `json:"problem,omitempty"`
}

// Done reports whether the newest key of the file is the only one in use.
func (k KeyState) Done() bool {
	return k.Problem == "" && len(k.Waits) == 0 && len(k.File) > 0 && slices.Equal(k.InUse, k.File[:1])
}

type rekey struct {
	path, node string

	mu    sync.Mutex
	file  []Key // the newest first
	look  bool  // the whole store is to be looked at, whatever is in use
	state KeyState
	why   string // why the file cannot be used
}

// Follow reads the key file at path again and again, and brings the store to
// the newest key in it, until ctx ends. node is this process's name among all
// that share the store. One Follow at a time.
func (s *Store) Follow(ctx context.Context, path, node string, log *slog.Logger) {
	s.rekey.path, s.rekey.node = path, node
	beat := time.NewTicker(followEvery)
	defer beat.Stop()
	said := ""
	for {
		err := s.step(ctx)
		if err != nil && ctx.Err() == nil {
			log.Debug("the store's master keys cannot be followed", "err", err)
		}
		if now := s.KeyState(); now.Problem != "" && now.Problem != said {
			log.Error("the master key needs a person", "why", now.Problem)
			said = now.Problem
		} else if now.Problem == "" {
			said = ""
		}
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
	}
}

// KeyState is what the last look gave. It does not block.
func (s *Store) KeyState() KeyState {
	s.rekey.mu.Lock()
	defer s.rekey.mu.Unlock()
	k := s.rekey.state
	k.Seals, k.File = s.keys.Load().keys[0].ID(), ids(s.rekey.file)
	if s.rekey.why != "" {
		k.Problem = s.rekey.why
	}
	return k
}

// step looks once at the file, at the store and at the other nodes, and does
// what can be done.
func (s *Store) step(ctx context.Context) error {
	s.readFile()
	nodes, err := s.meet(ctx)
	if err != nil {
		return err
	}
	inUse, err := s.inUse(ctx)
	if err != nil {
		return err
	}
	s.rekey.mu.Lock()
	file, look := s.rekey.file, s.rekey.look
	s.rekey.mu.Unlock()
	newest := file[0].ID()
	state := KeyState{}
	settled := true // all seal with the newest key, and did so before this look
	for name, h := range nodes {
		if len(h.File) == 0 || h.File[0] != newest {
			state.Waits = append(state.Waits, name)
		}
		settled = settled && h.Seals == newest
	}
	slices.Sort(state.Waits)
	agreed := len(state.Waits) == 0

	if agreed && !inUse[newest] {
		if err := s.establish(ctx, file[0]); err != nil {
			return err
		}
		inUse[newest] = true
	}
	keys := s.keys.Load()
	if inUse[newest] && keys.keys[0] != file[0] {
		keys = keys.sealingWith(file[0])
		s.keys.Store(keys)
	}
	if sealing := keys.keys[0]; !inUse[sealing.ID()] {
		if err := s.establish(ctx, sealing); err != nil {
			return err
		}
		inUse[sealing.ID()] = true
	}
	if err := s.keepRoot(ctx); err != nil {
		return err
	}

	state.Problem = s.keep(inUse, file)
	if agreed && settled && keys.keys[0] == file[0] && (look || len(inUse) > 1) && first(nodes) == s.rekey.node {
		// The second time finds none, unless somebody writes or holds on.
		for range 2 {
			if state.Left, err = s.reseal(ctx); err != nil {
				return err
			}
		}
		if state.Left == 0 {
			if err := s.retire(ctx, inUse, newest); err != nil {
				return err
			}
			inUse = map[string]bool{newest: true}
			s.rekey.mu.Lock()
			s.rekey.look = false
			s.rekey.mu.Unlock()
		}
	}
	state.InUse = slices.Sorted(maps.Keys(inUse))
	s.rekey.mu.Lock()
	s.rekey.state = state
	s.rekey.mu.Unlock()
	return nil
}

// readFile takes in what the key file holds now. One that does not do stays out,
// and a key that was in hand stays there: it may still be needed.
func (s *Store) readFile() {
	file, err := LoadKeys(s.rekey.path)
	s.rekey.mu.Lock()
	defer s.rekey.mu.Unlock()
	if err != nil {
		s.rekey.why = err.Error() + "; the keys that were read before stay in force"
		return
	}
	s.rekey.why = ""
	if slices.Equal(file, s.rekey.file) {
		return
	}
	s.rekey.file, s.rekey.look = file, true
	keys := s.keys.Load()
	all := slices.Clone(keys.keys)
	for _, k := range file {
		if !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	s.keys.Store(NewKeyring(all[0], all[1:]...))
	if len(all) > len(keys.keys) {
		s.more.tell()
	}
}

// meet says what this node holds and hears what the others do. Where the store
// is for this process alone there are no others.
func (s *Store) meet(ctx context.Context) (map[string]held, error) {
	s.rekey.mu.Lock()
	mine := held{File: ids(s.rekey.file), Seals: s.keys.Load().keys[0].ID()}
	s.rekey.mu.Unlock()
	nodes := map[string]held{}
	if !s.Alone() {
		key := nodePrefix + s.rekey.node
		r, err := s.Get(ctx, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnreadable) {
			return nil, err
		}
		if r.Value, err = json.Marshal(mine); err != nil {
			return nil, err
		}
		r.Expires = r.Now.Add(awayAfter)
		if _, err := s.Put(ctx, r); err != nil {
			return nil, err
		}
		for r, err := range s.inner.List(ctx, nodePrefix) {
			if err != nil {
				return nil, err
			}
			var h held // of one that says what we cannot read: no key at all
			if value, err := s.keys.Load().open(r.Key, r.Value); err == nil {
				_ = json.Unmarshal(value, &h)
			}
			nodes[strings.TrimPrefix(r.Key, nodePrefix)] = h
		}
	}
	nodes[s.rekey.node] = mine
	return nodes, nil
}

func first(nodes map[string]held) string { return slices.Min(slices.Collect(maps.Keys(nodes))) }

// keepRoot puts the root back where a store has lost everything.
func (s *Store) keepRoot(ctx context.Context) error {
	_, err := s.inner.Get(ctx, rootKey)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, err = s.Put(ctx, store.Record{Key: rootKey, Value: s.root.bytes[:]})
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// keep says what is wrong with the file, by what the store needs.
func (s *Store) keep(inUse map[string]bool, file []Key) string {
	have := ids(file)
	for _, id := range slices.Sorted(maps.Keys(inUse)) {
		switch {
		case slices.Contains(have, id):
		case slices.Contains(ids(s.keys.Load().keys), id):
			return fmt.Sprintf("%s does not hold master key %s any more, and the store is still sealed by it; put it back as the last line, or this node will not start again", s.rekey.path, id)
		default:
			return fmt.Sprintf("the store is sealed by master key %s, which %s does not hold; copy the key file of the other nodes here", id, s.rekey.path)
		}
	}
	return ""
}

// reseal seals by the primary key all that is sealed by another. It gives how
// many it found: none means that there are none left.
func (s *Store) reseal(ctx context.Context) (found int, err error) {
	keys := s.keys.Load()
	primary := keys.keys[0].ID()
	for r, err := range s.inner.List(ctx, "") {
		if errors.Is(err, store.ErrUnreadable) {
			break // damaged below the seal: no key helps
		}
		if err != nil {
			return found, err
		}
		if len(r.Value) > 0 && r.Value[0] == envelope+1 {
			found++ // of a newer Hufu, which seals it anew, and by which key is not known here
			continue
		}
		id := sealedBy(r.Value)
		if id == "" || id == primary || strings.HasPrefix(r.Key, checkPrefix) || strings.HasPrefix(r.Key, nodePrefix) {
			continue
		}
		value, err := keys.open(r.Key, r.Value)
		if err != nil && !lacksKey(err) {
			continue // damaged: no key helps
		}
		found++
		if err != nil || !r.Expires.IsZero() && r.Expires.Sub(r.Now) < shortLived {
			continue
		}
		r.Value = keys.seal(r.Key, value)
		_, err = s.inner.Put(ctx, r)
		if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrUnsure) {
			return found, err
		}
	}
	return found, nil
}

// retire says in the store that it is not sealed by other keys any more.
func (s *Store) retire(ctx context.Context, inUse map[string]bool, newest string) error {
	for id := range inUse {
		if id == newest {
			continue
		}
		r, err := s.inner.Get(ctx, checkPrefix+id)
		if err == nil {
			err = s.inner.Delete(ctx, r.Key, r.Version)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}
