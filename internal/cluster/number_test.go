//go:build unix

package cluster

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// Nobody has a token yet, four processes start at once, and fifty callers ask
// each of them: one issue.
func TestAColdStartIssuesOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		c := newCluster(t, on, newSim(), "wx00000000000000c0")
		for range 4 {
			c.add().begin()
		}
		var all sync.WaitGroup
		for _, n := range c.nodes {
			for range 50 {
				all.Go(func() {
					var a answer
					eventually(t, "a token", func() bool { a = n.token(); return a.status == http.StatusOK })
					if a.Generation != 1 || !c.sim.Valid(c.app, a.Value) {
						t.Errorf("node %d: %s", n.id, a.body)
					}
				})
			}
		}
		all.Wait()
		if n := c.sim.Issues(c.app); n != 1 {
			t.Errorf("%d issues", n)
		}
		c.judged()
	})
}

// A token dies, and 150 programs report it at three nodes: one issue.
func TestADeadTokenIsReplacedOnceHoweverManyReportIt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		c := newCluster(t, on, newSim(), "wx00000000000000d0").start(3)
		c.agree(1)
		dead := c.nodes[0].token().Value
		if err := c.sim.Revoke(c.app); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range 150 {
			all.Go(func() {
				a := c.nodes[i%3].report(dead)
				if a.status != http.StatusOK || a.Generation != 2 || !c.sim.Valid(c.app, a.Value) {
					t.Errorf("a report at node %d: status %d %s", i%3, a.status, a.body)
				}
			})
		}
		all.Wait()
		if n := c.sim.Issues(c.app); n != 2 {
			t.Errorf("%d issues, the first included", n)
		}
		c.judged()
	})
}

// Nothing live is in hand, and the node that issues dies with its request on
// its way: another one has a value within one term and two seconds.
func TestADeadHolderIsReplacedWithinOneTermAndTwoSeconds(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		c := newCluster(t, on, newSim(), "wx00000000000000e0").start(3)
		c.agree(1)
		dead := c.nodes[0].token().Value
		type death struct {
			of *node
			at time.Time
		}
		died := make(chan death, 1)
		c.once(arrived, func(n *node) bool {
			at := time.Now()
			n.kill()
			c.excuse()
			died <- death{n, at}
			return true
		})
		if err := c.sim.Revoke(c.app); err != nil {
			t.Fatal(err)
		}
		go c.nodes[0].report(dead) // it is answered with the new one, or dies with the node
		n := <-died
		other := c.nodes[(n.of.id+1)%3]
		eventually(t, "a live token", func() bool { a := other.token(); return a.status == http.StatusOK && a.Value != dead })
		took := time.Since(n.at)
		t.Logf("taken over after %v", took.Round(time.Millisecond))
		if took > term+beat {
			t.Errorf("taken over after %v, want %v at most", took, term+beat)
		}
		c.agree(2)
		if n := c.sim.Issues(c.app); n != 2 {
			t.Errorf("%d issues, the first included", n)
		}
		c.judged()
	})
}
