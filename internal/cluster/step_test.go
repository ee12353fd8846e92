//go:build unix

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
)

// step is a moment of an issue in which a process ends or stands still.
type step struct {
	name string
	// before is called shortly before an issue is due at all nodes.
	before func(n *node)
	// hit is called when an issue is there, with the node that makes it.
	at  point
	hit func(n *node, over context.Context) (cut bool)
	// How many issues there may be for it.
	least, most int
}

// reach is how long a node is given to reach the store, or to take an answer in.
const reach = 300 * time.Millisecond

// steps are C0 to C7 of an issue, and the pauses. On the classic line a second
// issue is owed where WeChat may have made a value that nobody knows.
var steps = []step{
	{name: "killed before the attempt is written", before: func(n *node) {
		n.wire.Set(enginetest.Hold)
		time.AfterFunc(ahead+reach, n.kill)
	}, least: 1, most: 1},
	{name: "killed before it hears that the attempt is written", before: func(n *node) {
		for _, other := range n.nodes[1:] { // or one of them might be first
			other.wire.Set(enginetest.Hold)
		}
		n.wire.Set(enginetest.HoldAnswers)
		st := n.sealed()
		go func() {
			// PostgreSQL may have been asked what it makes of the statement, and no more.
			written := comes(func() bool { return attempts(n.t.Context(), st, n.app) > 0 }, ahead+term)
			n.t.Logf("the attempt is written: %v", written)
			n.kill()
			for _, other := range n.nodes[1:] {
				other.wire.Set(enginetest.Pass)
			}
		}()
	}, least: 1, most: 1},
	{name: "killed before the request is sent", at: connected, hit: func(n *node, _ context.Context) bool {
		n.kill()
		return true
	}, least: 1, most: 1},
	{name: "killed with the request on its way", at: arrived, hit: func(n *node, _ context.Context) bool {
		n.kill()
		return true
	}, least: 1, most: 1},
	{name: "killed before the answer", at: handled, hit: func(n *node, _ context.Context) bool {
		n.kill()
		return false
	}, least: 2, most: 2},
	{name: "killed before the commit", at: handled, hit: func(n *node, _ context.Context) bool {
		n.wire.Set(enginetest.Hold)
		time.AfterFunc(reach, n.kill)
		return false
	}, least: 2, most: 2},
	{name: "killed before it hears of the commit", at: handled, hit: func(n *node, _ context.Context) bool {
		n.wire.Set(enginetest.HoldAnswers)
		time.AfterFunc(reach, n.kill)
		return false
	}, least: 1, most: 2}, // a database may be asked twice for one write
	{name: "killed after the commit", at: handled, hit: func(n *node, _ context.Context) bool {
		other := n.nodes[(n.id+1)%len(n.nodes)]
		before := other.token().Generation
		go func() {
			n.soon("another node has the value", func() bool { return other.token().Generation > before })
			n.kill()
		}()
		return false
	}, least: 1, most: 1},
	{name: "paused before the request is sent", at: connected, hit: paused, least: 1, most: 3},
	{name: "paused before the answer", at: handled, hit: paused, least: 2, most: 3},
}

// attempts is how many stand open in the store.
func attempts(ctx context.Context, st store.Store, app string) int {
	r, err := st.Get(ctx, "cred/"+app+"/access_token")
	var rec struct{ Attempts []any }
	if err != nil || json.Unmarshal(r.Value, &rec) != nil {
		return 0
	}
	return len(rec.Attempts)
}

// paused lets a node stand still until the others have taken over.
func paused(n *node, over context.Context) bool {
	n.pause()
	context.AfterFunc(over, func() {
		n.resume()
		n.excuse()
	})
	return false
}

// ahead is how long before an issue is due a test begins to look.
const ahead = 500 * time.Millisecond

// Three processes share a store; an operator wants a new value; the one that
// issues is killed or paused at a step of that. Nobody who reads at the others
// meets an error or a dead value, the others take over in time, and whoever
// comes back agrees with them.
func TestAHolderIsKilledOrPausedAtAnyStep(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		sim := newSim()
		for i, s := range steps {
			if !on.isFor(i) {
				continue
			}
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				c := newCluster(t, on, sim, fmt.Sprintf("wx%016x", i))
				s.test(c.start(3))
			})
		}
	})
}

func (s step) test(c *cluster) {
	r, before, due := c.order()
	over, isOver := context.WithCancel(context.Background())
	defer isOver()
	if s.before != nil {
		s.before(c.nodes[0])
	} else {
		c.once(s.at, func(n *node) bool {
			time.AfterFunc(2*reach, c.excuse) // the issue that heals
			return s.hit(n, over)
		})
	}
	eventually(c.t, "a later generation", func() bool { newest, _ := r.seen(); return newest > before })
	// Two issues that end each other are so far apart, whoever makes the second.
	_, at := r.seen()
	took := at.Sub(due)
	if took > spacing+beat {
		c.t.Errorf("taken over after %v", took)
	}
	c.until(due.Add(overlap + beat)) // what was replaced is dead now
	isOver()
	for _, n := range c.nodes {
		if n.url("api") == "" {
			n.start()
		}
	}
	if s.most > 2 {
		wait(c.t.Context(), spacing+beat) // what came late may have to be healed
	}
	generation := c.settled()
	r.stop()
	n := c.sim.Issues(c.app) - int(before)
	c.t.Logf("%d reads, generation %d, %d issues, taken over after %v", r.reads, generation, n, took.Round(time.Millisecond))
	if n < s.least || n > s.most {
		c.t.Errorf("%d issues, want %d to %d", n, s.least, s.most)
	}
	c.judged()
}

// order begins to read, has an operator order a new value at the first node, and
// returns shortly before all nodes may issue it, with the generation in hand and
// the moment in which the issue is due.
func (c *cluster) order() (r *readers, before uint64, due time.Time) {
	r = c.read()
	for before = 1; ; before++ {
		c.agree(before)
		if due = c.sim.LastIssue(c.app).Add(spacing); due.Sub(c.sim.Now()) > 3*time.Second {
			break
		}
		// This machine is slow; with the next generation it may be in time.
		before = c.ordered(c.nodes[0]) - 1
	}
	c.until(due.Add(-4 * time.Second))
	go c.nodes[0].order() // answered with the issue, if at all
	c.until(due.Add(-ahead))
	return r, before, due
}

// once has something done with the node that issues next.
func (c *cluster) once(at point, hit func(n *node) (cut bool)) {
	var once sync.Once
	for _, n := range c.nodes {
		n.wechat.once(at, func() (cut bool) {
			once.Do(func() { cut = hit(n) })
			return cut
		})
	}
}

// excuse tells WeChat's judge that the next issue has a reason.
func (c *cluster) excuse() {
	if err := c.sim.Excuse(c.app); err != nil {
		c.t.Error(err)
	}
}
