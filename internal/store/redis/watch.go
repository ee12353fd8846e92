package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

const (
	// beat is how long one look waits for news before it proves anew that
	// nothing was missed.
	beat = time.Second
	// lookTime bounds one look: a server that does not answer is lost.
	lookTime = 1700 * time.Millisecond
	// mostNews bounds what one look brings.
	mostNews = 1000
	// reconnect is the pause before a lost server is tried again.
	reconnect = 200 * time.Millisecond
)

// position is the last entry of the stream that was read. Its nonce tells it
// from another entry of that id, in a Redis that has lost the first.
type position struct{ id, nonce string }

// start is the position in a stream that has no entry.
var start = position{id: "0-0"}

// follow tells the watchers of every change after p, until the store is
// closed.
func (s *Store) follow(p position) {
	for s.ctx.Err() == nil {
		next, err := s.look(p)
		if err == nil {
			p = next
			continue
		}
		s.watchers.Changed("")
		for err != nil && s.ctx.Err() == nil {
			select {
			case <-time.After(reconnect):
			case <-s.ctx.Done():
			}
			p, err = s.newest()
		}
		// What comes after p will be told; this is for what came before.
		s.watchers.Changed("")
	}
}

// newest gives the end of the stream.
func (s *Store) newest() (position, error) {
	return s.atPrimary(func(ctx context.Context, c rueidis.DedicatedClient) (position, error) {
		found, err := entries(c.Do(ctx, c.B().Arbitrary("XREVRANGE").Keys(s.keys.changes).Args("+", "-", "COUNT", "1").Build()))
		if err != nil || len(found) == 0 {
			return start, err
		}
		return found[0].position, nil
	})
}

// look waits for news after p for one beat and gives the new position. It is
// not taken at its word that nothing was missed: if the entry at p is gone
// (the stream was trimmed beyond it) or another (the server has lost writes,
// another has taken over, an older copy was put back), anything may have
// changed.
func (s *Store) look(p position) (position, error) {
	return s.atPrimary(func(ctx context.Context, c rueidis.DedicatedClient) (position, error) {
		answers := c.DoMulti(ctx,
			c.B().Arbitrary("XREAD", "COUNT", strconv.Itoa(mostNews), "BLOCK", strconv.FormatInt(beat.Milliseconds(), 10), "STREAMS").
				Keys(s.keys.changes).Args(p.id).Blocking(),
			c.B().Arbitrary("XRANGE").Keys(s.keys.changes).Args(p.id, p.id).Build())
		here, err := entries(answers[1])
		if err != nil {
			return p, err
		}
		if p != start && (len(here) == 0 || here[0].position != p) {
			return p, errGap
		}
		news, err := answers[0].AsXRead()
		if rueidis.IsRedisNil(err) {
			return p, nil
		}
		if err != nil {
			return p, err
		}
		if p == start {
			// Nobody can tell whether these are the first that ever were.
			s.watchers.Changed("")
		}
		for _, x := range news[s.keys.changes] {
			e := newEntry(x)
			s.watchers.Changed(e.key)
			p = e.position
		}
		return p, nil
	})
}

var errGap = errors.New("the stream does not go on where it was read last")

// atPrimary runs f on a connection of its own, to a server that has just shown
// that it is the primary. It ends at once when the store is closed.
func (s *Store) atPrimary(f func(context.Context, rueidis.DedicatedClient) (position, error)) (position, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), lookTime)
	defer cancel()
	c, release := s.client.Dedicate()
	defer release()
	stop := context.AfterFunc(s.ctx, c.Close)
	defer stop()
	if _, err := readScript.on(ctx, c, []string{s.keys.state, s.keys.none}, "0"); err != nil {
		return position{}, err
	}
	return f(ctx, c)
}

// entry is one change.
type entry struct {
	position
	key string
}

func newEntry(x rueidis.XRangeEntry) entry {
	return entry{position{x.ID, x.FieldValues["nonce"]}, x.FieldValues["key"]}
}

func entries(answer rueidis.RedisResult) ([]entry, error) {
	found, err := answer.AsXRange()
	out := make([]entry, len(found))
	for i, x := range found {
		out[i] = newEntry(x)
	}
	return out, err
}
