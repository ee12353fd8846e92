package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
	"github.com/hufu-project/hufu/internal/store/mysql"
	"github.com/hufu-project/hufu/internal/store/postgres"
	"github.com/hufu-project/hufu/internal/store/redis"
	"github.com/hufu-project/hufu/internal/store/redis/redistest"
)

// many hides that a store is for one process alone.
type many struct{ store.Store }

// cluster is a store with a key file for each node.
type cluster struct {
	*testing.T
	inner store.Store
}

type member struct {
	*Store
	path string
}

func (c *cluster) node(name string, keys ...Key) *member {
	c.Helper()
	n := &member{Store: seal(c.T, c.inner, NewKeyring(keys[0], keys[1:]...)), path: filepath.Join(c.TempDir(), "hufu.key")}
	n.rekey.path, n.rekey.node = n.path, name
	c.give(n, keys...)
	return n
}

func (c *cluster) give(n *member, keys ...Key) {
	c.Helper()
	if err := SaveKeys(n.path, keys); err != nil {
		c.Fatal(err)
	}
}

// beats lets each node look some times. What it seals with is in use, always.
func (c *cluster) beats(times int, nodes ...*member) {
	c.Helper()
	for range times {
		for _, n := range nodes {
			if err := n.step(c.Context()); err != nil {
				c.Fatal(err)
			}
			if inUse, err := n.inUse(c.Context()); err != nil || !inUse[n.KeyState().Seals] {
				c.Errorf("a node seals by %s, in use are %v, %v", n.KeyState().Seals, inUse, err)
			}
		}
	}
}

func (c *cluster) want(n *member, key, value string) {
	c.Helper()
	if r, err := n.Get(c.Context(), key); err != nil || string(r.Value) != value {
		c.Errorf("%s: %q, %v; want %q", key, r.Value, err, value)
	}
}

func TestMasterKeyIsReplacedWhileNodesRun(t *testing.T) {
	t.Parallel()
	c := &cluster{t, many{newBolt(t)}}
	older, newer := NewKey(), NewKey()
	a, b := c.node("a", older), c.node("b", older)
	for i := range 20 {
		put(t, a, fmt.Sprintf("app/%d", i), []byte("secret"))
	}
	root := a.Root().Derive("x")
	c.beats(1, a, b)
	c.give(a, newer, older)
	c.beats(5, a, b)
	// b has the old key only: nothing may be sealed by the new one yet.
	if s := a.KeyState(); s.Seals != older.ID() || !slices.Equal(s.Waits, []string{"b"}) || s.Done() {
		t.Fatalf("a alone has the new key: %+v", s)
	}
	put(t, a, "new", []byte("for b"))
	c.want(b, "new", "for b")

	c.give(b, newer, older)
	c.beats(6, a, b)
	for _, n := range []*member{a, b} {
		if s := n.KeyState(); !s.Done() || s.Seals != newer.ID() {
			t.Fatalf("both have both keys: %+v", s)
		}
	}
	c.give(a, newer)
	c.give(b, newer)
	c.beats(3, a, b)
	if s := a.KeyState(); !s.Done() || s.Problem != "" {
		t.Errorf("the old key was taken out: %+v", s)
	}
	last := c.node("c", newer)
	for i := range 20 {
		c.want(last, fmt.Sprintf("app/%d", i), "secret")
	}
	if string(last.Root().Derive("x")) != string(root) {
		t.Error("what is derived from the store is not what it was")
	}
	if _, err := Open(t.Context(), c.inner, NewKeyring(older)); !lacksKey(err) {
		t.Errorf("the old key still opens the store: %v", err)
	}
}

// Half way neither key alone will do, and a node that has one of them says so.
func TestHalfWayBothKeysAreNeeded(t *testing.T) {
	t.Parallel()
	c := &cluster{t, many{newBolt(t)}}
	older, newer := NewKey(), NewKey()
	a := c.node("a", older)
	put(t, a, "app/a", []byte("secret"))
	c.give(a, newer, older)
	c.beats(1, a) // sealed by the new key from here on, and nothing sealed anew
	for _, alone := range []Key{older, newer} {
		_, err := Open(t.Context(), c.inner, NewKeyring(alone))
		if unknown, ok := errors.AsType[*UnknownKey](err); !ok || unknown.ID == alone.ID() {
			t.Errorf("one key of two: %v", err)
		}
	}
	// The process is killed, and another goes on.
	c.beats(6, c.node("a", newer, older))
	c.want(c.node("z", newer), "app/a", "secret")
}

// A node that has the new key in its file and has not looked since seals by the
// old one: that stays in use until it does not.
func TestOldKeyStaysInUseWhileANodeSealsByIt(t *testing.T) {
	t.Parallel()
	c := &cluster{t, many{newBolt(t)}}
	older, newer := NewKey(), NewKey()
	a, b := c.node("a", older), c.node("b", older)
	c.beats(1, a, b)
	c.give(b, newer, older)
	c.beats(1, b)
	c.give(a, newer, older)
	c.beats(6, a)
	if s := a.KeyState(); s.Seals != newer.ID() || len(s.InUse) != 2 || s.Done() {
		t.Errorf("b seals by the old key: %+v", s)
	}
	put(t, b, "app/late", []byte("secret"))
	c.beats(6, a, b)
	if s := a.KeyState(); !s.Done() {
		t.Errorf("b does so no more: %+v", s)
	}
	c.want(c.node("c", newer), "app/late", "secret")
}

// meddler is a store in which something happens at the worst moment.
type meddler struct {
	store.Store
	put  func()               // before a Put arrives
	list func(r store.Record) // before a record of a List is seen
}

func (m *meddler) Put(ctx context.Context, r store.Record) (store.Record, error) {
	if m.put != nil {
		m.put()
	}
	return m.Store.Put(ctx, r)
}

func (m *meddler) List(ctx context.Context, prefix string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range m.Store.List(ctx, prefix) {
			if err == nil && m.list != nil {
				m.list(r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// A write that was sealed by the old key and is on its way while the node
// changes over is sealed anew like all others.
func TestAWriteOnItsWayIsNotLeftBehind(t *testing.T) {
	t.Parallel()
	m := &meddler{Store: newBolt(t)}
	c := &cluster{t, many{m}}
	older, newer := NewKey(), NewKey()
	a := c.node("a", older)
	begun, arrive, arrived := make(chan struct{}), make(chan struct{}), make(chan error)
	m.put = func() { close(begun); <-arrive }
	go func() {
		_, err := a.Put(t.Context(), store.Record{Key: "app/a", Value: []byte("secret")})
		arrived <- err
	}()
	<-begun
	m.put = nil
	c.give(a, newer, older)
	c.beats(1, a)
	close(arrive)
	if err := <-arrived; err != nil {
		t.Fatal(err)
	}
	c.beats(5, a)
	if s := a.KeyState(); !s.Done() {
		t.Errorf("%+v", s)
	}
	c.want(c.node("b", newer), "app/a", "secret")
}

// Sealing anew never undoes a write that came in between.
func TestSealingAnewGivesWayToAWrite(t *testing.T) {
	t.Parallel()
	m := &meddler{Store: newBolt(t)}
	c := &cluster{t, many{m}}
	older, newer := NewKey(), NewKey()
	a := c.node("a", older)
	put(t, a, "app/a", []byte("old"))
	once := false
	m.list = func(r store.Record) {
		if r.Key == "app/a" && !once && a.KeyState().Seals == newer.ID() {
			once = true
			if _, err := a.Put(t.Context(), store.Record{Key: r.Key, Version: r.Version, Value: []byte("new")}); err != nil {
				t.Error(err)
			}
		}
	}
	c.give(a, newer, older)
	c.beats(5, a)
	if s := a.KeyState(); !once || !s.Done() {
		t.Errorf("a write came in between: %v; %+v", once, s)
	}
	c.want(a, "app/a", "new")
}

// What is sealed by a key that is not in hand may need any of the others.
func TestRecordUnderAnUnknownKeyKeepsTheOldOneInUse(t *testing.T) {
	t.Parallel()
	c := &cluster{t, many{newBolt(t)}}
	older, newer := NewKey(), NewKey()
	a := c.node("a", older)
	if _, err := c.inner.Put(t.Context(), store.Record{Key: "app/x", Value: NewKeyring(NewKey()).seal("app/x", []byte("x"))}); err != nil {
		t.Fatal(err)
	}
	c.give(a, newer, older)
	c.beats(5, a)
	if s := a.KeyState(); s.Done() || s.Left != 1 || len(s.InUse) != 2 {
		t.Errorf("%+v", s)
	}
}

// A record under the old key that comes back, after the store lost its last
// writes, is found by a node that begins with both keys.
func TestRecordThatComesBackUnderTheOldKeyIsSealedAnew(t *testing.T) {
	t.Parallel()
	c := &cluster{t, many{newBolt(t)}}
	older, newer := NewKey(), NewKey()
	c.beats(1, c.node("a", newer))
	if _, err := c.inner.Put(t.Context(), store.Record{Key: "app/a", Value: NewKeyring(older).seal("app/a", []byte("secret"))}); err != nil {
		t.Fatal(err)
	}
	a := c.node("a", newer, older)
	c.beats(3, a)
	c.want(c.node("b", newer), "app/a", "secret")
}

// A node that begins with a new key that the others lack seals by theirs.
func TestNodeThatBeginsWithTheNewKeyWaitsForTheOthers(t *testing.T) {
	t.Parallel()
	c := &cluster{t, many{newBolt(t)}}
	older, newer := NewKey(), NewKey()
	a := c.node("a", older)
	c.beats(1, a)
	b := c.node("b", newer, older)
	put(t, b, "app/b", []byte("for a"))
	c.want(a, "app/b", "for a")
	// The store loses what says that the old key is in use.
	r, err := c.inner.Get(t.Context(), checkPrefix+older.ID())
	if err == nil {
		err = c.inner.Delete(t.Context(), r.Key, r.Version)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.beats(1, b)
}

// A store that has lost all is given the root again: what was made from it is
// still good.
func TestRootIsPutBackWhereTheStoreHasLostIt(t *testing.T) {
	t.Parallel()
	c := &cluster{t, many{newBolt(t)}}
	key := NewKey()
	a := c.node("a", key)
	root := a.Root().Derive("x")
	for r, err := range c.inner.List(t.Context(), "") {
		if err == nil {
			err = c.inner.Delete(t.Context(), r.Key, r.Version)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c.beats(1, a)
	if !bytes.Equal(c.node("b", key).Root().Derive("x"), root) {
		t.Error("a node that begins now derives something else")
	}
}

func TestKeyTakenOutTooEarlyStaysInHand(t *testing.T) {
	t.Parallel()
	c := &cluster{t, many{newBolt(t)}}
	older, newer := NewKey(), NewKey()
	a, b := c.node("a", older), c.node("b", older)
	put(t, a, "app/a", []byte("secret"))
	c.beats(1, a, b)
	c.give(a, newer)
	c.beats(4, a, b)
	c.want(a, "app/a", "secret")
	if s := a.KeyState(); !strings.Contains(s.Problem, older.ID()) || s.Done() {
		t.Errorf("it says nothing: %+v", s)
	}
	if err := os.WriteFile(a.path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.beats(1, a)
	c.want(a, "app/a", "secret")
	if s := a.KeyState(); !strings.Contains(s.Problem, "not a master key file") {
		t.Errorf("it says nothing of a broken file: %+v", s)
	}
}

func TestRecordUnderAnUnknownKeyIsNeverReplaced(t *testing.T) {
	t.Parallel()
	c := &cluster{t, many{newBolt(t)}}
	older, newer := NewKey(), NewKey()
	b := c.node("b", older)
	a := c.node("a", older)
	a.keys.Store(NewKeyring(newer, older)) // as a node does that b was cut off from
	put(t, a, "app/a", []byte("secret"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := b.Watch(ctx, "app/")
	<-watch
	r, err := b.Get(t.Context(), "app/a")
	if !lacksKey(err) || !errors.Is(err, store.ErrUnreadable) || !strings.Contains(err.Error(), newer.ID()) {
		t.Fatalf("Get: %v", err)
	}
	r.Value = []byte("mine")
	if _, err := b.Put(t.Context(), r); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Put over it: %v", err)
	}
	if err := b.Delete(t.Context(), "app/a", r.Version); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Delete of it: %v", err)
	}
	c.give(b, newer, older)
	c.beats(1, b)
	if key := <-watch; key != "" {
		t.Errorf("with the key in hand the watch says %q", key)
	}
	c.want(b, "app/a", "secret")
}

// A code that works once is left as it is, and the old key in use until it ends.
func TestShortLivedRecordsAreWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t, newBolt(t)}
		older, newer := NewKey(), NewKey()
		a := c.node("a", older)
		r, _ := a.Get(t.Context(), "code/1")
		r.Value, r.Expires = []byte("code"), r.Now.Add(time.Minute)
		r, err := a.Put(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		c.give(a, newer, older)
		c.beats(5, a)
		if s := a.KeyState(); s.Done() || s.Left != 1 || !slices.Contains(s.InUse, older.ID()) {
			t.Errorf("with a code under way: %+v", s)
		}
		if now, err := a.Get(t.Context(), "code/1"); err != nil || now.Version != r.Version {
			t.Errorf("the code was written anew: %v", err)
		}
		time.Sleep(2 * time.Minute)
		c.beats(1, a)
		if s := a.KeyState(); !s.Done() {
			t.Errorf("after its end: %+v", s)
		}
	})
}

// A node that is killed counts for half a minute; then the others go on.
func TestNodeThatDiedIsWaitedForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t, many{newBolt(t)}}
		older, newer := NewKey(), NewKey()
		a, b := c.node("a", older), c.node("b", older)
		c.beats(1, a, b)
		c.give(a, newer, older)
		for at := time.Duration(0); at < awayAfter-followEvery; at += followEvery {
			c.beats(1, a)
			if s := a.KeyState(); s.Seals != older.ID() || !slices.Equal(s.Waits, []string{"b"}) {
				t.Errorf("%v after b died: %+v", at, s)
			}
			time.Sleep(followEvery)
		}
		time.Sleep(2 * followEvery)
		c.beats(4, a)
		if s := a.KeyState(); !s.Done() {
			t.Errorf("long after b died: %+v", s)
		}
	})
}

// Nothing is lost while nodes write, on the engines that people run.
func TestMasterKeyIsReplacedUnderWriters(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) store.Store{
		"bolt": func(t *testing.T) store.Store { return many{newBolt(t)} },
		"redis": func(t *testing.T) store.Store {
			a, err := config.ParseRedis("redis://" + redistest.Start(t).Addr)
			if err != nil {
				t.Fatal(err)
			}
			s, err := redis.Open(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		"postgres": func(t *testing.T) store.Store {
			on := enginetest.For(t, enginetest.Postgres)
			s, err := postgres.Open(t.Context(), config.SQL{Socket: on.Dir, User: "postgres", Database: "postgres", Connections: 8})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		"mariadb": func(t *testing.T) store.Store {
			on := enginetest.For(t, enginetest.MariaDB)
			s, err := mysql.Open(t.Context(), config.SQL{Socket: on.Socket, User: "root", Database: "mysql", Connections: 8})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := open(t)
			t.Cleanup(func() { _ = inner.Close() })
			underWriters(&cluster{t, inner})
		})
	}
}

func underWriters(c *cluster) {
	older, newer := NewKey(), NewKey()
	nodes := []*member{c.node("a", older), c.node("b", older), c.node("c", older)}
	const counters = 8
	var counted [counters]atomic.Int64
	ctx, cancel := context.WithCancel(c.Context())
	var writers sync.WaitGroup
	for w := range 6 {
		writers.Go(func() {
			n := nodes[w%len(nodes)]
			for i := w; ctx.Err() == nil; i++ {
				key := fmt.Sprintf("app/%d", i%counters)
				r, err := n.Get(c.Context(), key)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					c.Errorf("Get: %v", err)
					return
				}
				r.Value = append(r.Value, 'x')
				switch _, err = n.Put(c.Context(), r); {
				case err == nil:
					counted[i%counters].Add(1)
				case !errors.Is(err, store.ErrConflict):
					c.Errorf("Put: %v", err)
					return
				}
			}
		})
	}
	for i := range counted { // all are under way
		for end := time.Now().Add(30 * time.Second); counted[i].Load() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				c.Fatalf("nobody writes counter %d", i)
			}
		}
	}
	c.beats(1, nodes...)
	for _, n := range nodes {
		c.give(n, newer, older)
		c.beats(1, nodes...)
	}
	for beats := 0; !nodes[0].KeyState().Done(); beats++ {
		if beats == 30 {
			c.Fatalf("not done: %+v", nodes[0].KeyState())
		}
		c.beats(1, nodes...)
	}
	cancel()
	writers.Wait()
	last := c.node("last", newer)
	for i := range counted {
		r, err := last.Get(c.Context(), fmt.Sprintf("app/%d", i))
		if got := int64(len(r.Value)); err != nil || got != counted[i].Load() || got == 0 {
			c.Errorf("counter %d: %d of %d, %v", i, got, counted[i].Load(), err)
		}
	}
}
