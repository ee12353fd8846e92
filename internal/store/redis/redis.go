// Package redis keeps records in Redis or Valkey, for several Hufus that work
// as one. One server, Sentinels and a cluster all do; in a cluster everything
// lies in one slot, {hufu}, since one script must reach all that a write
// touches.
//
// What a Put promises is what the server promises: it is as durable as
// appendfsync makes it, and a failover may forget the last writes. A version
// is never given twice all the same, and a Watch says that anything may have
// changed.
package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/hufu-project/hufu/internal/store"
)

// Store is a store.Store in Redis.
type Store struct {
	client   rueidis.Client
	keys     keys
	replicas int
	doubts   []string

	watchers *store.Watchers
	ctx      context.Context // ends with the store
	end      context.CancelFunc
	tail     sync.WaitGroup
	closing  sync.Once
}

var errClosed = errors.New("store: closed")

// keys are the names in Redis. All records have one of their own; none has a
// time to live, so that no eviction policy called volatile takes them away.
//
//	{hufu}:r:cred/wx0123456789abcdef/access_token   a record
//	{hufu}:index     sorted set: the keys of all records, in order
//	{hufu}:ends      sorted set: the keys of those that expire, by when
//	{hufu}:changes   stream: what was written, the last ten thousand or so
//	{hufu}:state     hash: the store's clock
//	{hufu}:none      never there
//
// With a prefix they begin with "{hufu}PREFIX:".
type keys struct{ records, index, ends, changes, state, none string }

func newKeys(prefix string) keys {
	p := "{hufu}" + prefix + ":"
	return keys{p + "r:", p + "index", p + "ends", p + "changes", p + "state", p + "none"}
}

// Doubts are what Open found that may cost records, in words for people: one
// sentence each.
func (s *Store) Doubts() []string { return s.doubts }

// Get asks the primary.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	r := store.Record{Key: key}
	if err := s.usable(ctx, key); err != nil {
		return r, err
	}
	now, raws, err := s.read(ctx, []string{key})
	if err != nil {
		return r, fmt.Errorf("get %s: %w", key, err)
	}
	r.Now = now
	if raws[0] == nil {
		return r, store.ErrNotFound
	}
	got, err := parse(key, *raws[0], now)
	if err == nil && !live(got) {
		return r, store.ErrNotFound
	}
	return got, err
}

// A page of List ends at either of these.
const (
	pageRecords = 256
	pageBytes   = 1 << 20
)

// List reads page by page, so that Redis serves others in between. Pages are
// of different moments; the keys come in order, so a record that stays is in
// one of them.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		var unreadable error
		from, to := bounds(prefix)
		for from != "" {
			page, err := s.page(ctx, &from, to)
			for len(page) > 0 && err == nil {
				var now time.Time
				var raws []*string
				if now, raws, err = s.read(ctx, page); err != nil {
					break
				}
				for i, raw := range raws {
					if raw == nil {
						continue
					}
					switch r, err := parse(page[i], *raw, now); {
					case err != nil && unreadable == nil:
						unreadable = err
					case err == nil && live(r) && !yield(r, nil):
						return
					}
				}
				page = page[len(raws):]
			}
			if err != nil {
				yield(store.Record{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
		}
		if unreadable != nil {
			yield(store.Record{}, unreadable)
		}
	}
}

// bounds are the ends of the keys that begin with prefix, as ZRANGEBYLEX wants
// them.
func bounds(prefix string) (from, to string) {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return "[" + prefix, "(" + prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	if prefix == "" {
		return "-", "+"
	}
	return "[" + prefix, "+"
}

// page gives the next keys of the index and moves from on; "" is the end.
func (s *Store) page(ctx context.Context, from *string, to string) ([]string, error) {
	if err := s.usable(ctx, "any"); err != nil {
		return nil, err
	}
	answer, err := s.run(ctx, keysScript, []string{s.keys.index, s.keys.none}, *from, to, strconv.Itoa(pageRecords))
	if err != nil {
		return nil, err
	}
	page := make([]string, len(answer))
	for i := range answer {
		if page[i], err = answer[i].ToString(); err != nil {
			return nil, err
		}
	}
	*from = ""
	if len(page) == pageRecords {
		*from = "(" + page[len(page)-1]
	}
	return page, nil
}

// read gives the store's time and what lies under the first of the keys, one
// at least; nil where nothing does.
func (s *Store) read(ctx context.Context, of []string) (time.Time, []*string, error) {
	names := []string{s.keys.state, s.keys.none}
	for _, key := range of {
		names = append(names, s.keys.records+key)
	}
	answer, err := s.run(ctx, readScript, names, strconv.Itoa(pageBytes))
	if err != nil {
		return time.Time{}, nil, err
	}
	now, err := answer[0].AsInt64()
	if err != nil {
		return time.Time{}, nil, err
	}
	raws := make([]*string, len(answer)-1)
	for i := range raws {
		raw, err := answer[i+1].ToString()
		if rueidis.IsRedisNil(err) {
			continue
		}
		if err != nil {
			return time.Time{}, nil, err
		}
		raws[i] = &raw
	}
	return micro(now), raws, nil
}

// Put is one script. The Value of the record it returns is the caller's own.
func (s *Store) Put(ctx context.Context, r store.Record) (store.Record, error) {
	life, err := r.Life()
	if err != nil {
		return r, err
	}
	// What is left of a microsecond counts as a whole one: zero is for ever.
	w, err := s.write(ctx, r.Key, r.Version, int64((life+time.Microsecond-1)/time.Microsecond), r.Value)
	if err != nil {
		return r, err
	}
	w.Value = r.Value
	return w, nil
}

// Delete is the same script.
func (s *Store) Delete(ctx context.Context, key, version string) error {
	_, err := s.write(ctx, key, version, remove, nil)
	return err
}

// remove is the life of a record that is to go.
const remove = -1

// mostChanges is about how many changes the stream keeps. A Watch that is
// further behind lists again.
const mostChanges = 10_000

func (s *Store) write(ctx context.Context, key, version string, life int64, value []byte) (store.Record, error) {
	r := store.Record{Key: key}
	if err := s.usable(ctx, key); err != nil {
		return r, err
	}
	var nonce [8]byte
	_, _ = rand.Read(nonce[:]) // never fails
	names := []string{s.keys.records + key, s.keys.state, s.keys.index, s.keys.ends, s.keys.changes}
	answer, err := s.runDurably(ctx, writeScript, names,
		key, version, hex.EncodeToString(nonce[:]), strconv.FormatInt(life, 10), strconv.Itoa(mostChanges), string(value))
	if err != nil {
		return r, fmt.Errorf("write %s: %w", key, unlessNothingWasWritten(err))
	}
	what, err := answer[0].ToString()
	switch {
	case err != nil:
	case what == "absent":
		return r, store.ErrNotFound
	case what == "conflict":
		return r, store.ErrConflict
	case len(answer) == 4:
		var now, ending int64
		r.Version, err = answer[1].ToString()
		if now, _ = answer[2].AsInt64(); now == 0 {
			err = errors.New("an answer without the time")
		}
		r.Written, r.Now = micro(now), micro(now)
		if ending, _ = answer[3].AsInt64(); ending != 0 {
			r.Expires = micro(ending)
		}
	}
	if err != nil {
		return r, fmt.Errorf("%w: %s: %w", store.ErrUnsure, key, err)
	}
	return r, nil
}

// Watch tails the stream of changes, one connection for all watches of this
// store.
func (s *Store) Watch(ctx context.Context, prefix string) <-chan string {
	return s.watchers.Watch(ctx, prefix)
}

// Close ends all watches and the connections. Calls that are under way end
// with it.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.end()
		s.watchers.Close()
		s.tail.Wait()
		s.client.Close()
	})
	return nil
}

// usable says why the store cannot be asked, if so.
func (s *Store) usable(ctx context.Context, key string) error {
	switch {
	case key == "":
		return errors.New("store: a key must not be empty")
	case ctx.Err() != nil:
		return ctx.Err()
	case s.ctx.Err() != nil:
		return errClosed
	}
	return nil
}
