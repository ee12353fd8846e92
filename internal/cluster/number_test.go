//go:build unix

package cluster

import (
	"fmt"
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
// its way: another one has a value within one term and two seconds. A machine
// that stands still in between may be asked again.
func TestADeadHolderIsReplacedWithinOneTermAndTwoSeconds(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		c := newCluster(t, on, newSim(), "wx00000000000000e0").start(3)
		c.agree(1)
		c.quickest(term+beat, func() time.Duration { return c.takeOver() })
		c.judged()
	})
}

// takeOver has the node that issues next die, and measures until another one has
// a live value.
func (c *cluster) takeOver() time.Duration {
	c.t.Helper()
	type death struct {
		of *node
		at time.Time
	}
	before, dead := c.settled(), c.nodes[0].token().Value
	issues := c.sim.Issues(c.app)
	died := make(chan death, 1)
	c.once(arrived, func(n *node) bool {
		at := time.Now()
		n.kill()
		c.excuse()
		died <- death{n, at}
		return true
	})
	if err := c.sim.Revoke(c.app); err != nil {
		c.t.Fatal(err)
	}
	go c.nodes[0].report(dead) // it is answered with the new one, or dies with the node
	n := <-died
	other := c.nodes[(n.of.id+1)%3]
	eventually(c.t, "a live token", func() bool { a := other.token(); return a.status == http.StatusOK && a.Value != dead })
	took := time.Since(n.at)
	c.agree(before + 1)
	if n := c.sim.Issues(c.app) - issues; n != 1 {
		c.t.Errorf("%d issues", n)
	}
	n.of.start()
	return took
}

// quickest fails the test if f takes longer than that five times.
func (c *cluster) quickest(most time.Duration, f func() time.Duration) {
	c.t.Helper()
	for range 5 {
		took := f()
		c.t.Logf("it took %v", took.Round(time.Millisecond))
		if took <= most {
			return
		}
	}
	c.t.Errorf("it took longer than %v, five times", most)
}

// A new value is at every node within 100 ms of its commit where the engine
// sends notices, and within two seconds where it does not. It is counted from when
// who waits at the node that was told hears of it: a busy machine is late for all.
func TestANewValueIsEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		most := map[string]time.Duration{"redis": 100 * time.Millisecond, "postgres": 100 * time.Millisecond, "mysql": beat}[on.name]
		c := newCluster(t, on, newSim(), "wx00000000000000f1").start(3)
		c.agree(1)
		c.quickest(most, func() (last time.Duration) {
			before := c.settled()
			var heard [3]time.Time
			var waiting sync.WaitGroup
			for i, n := range c.nodes {
				waiting.Go(func() {
					a := n.get("api", fmt.Sprintf("%s?after=%d&wait=10s", c.path(), before), nil)
					if a.status != http.StatusOK || a.Generation <= before {
						t.Errorf("node %d, after %d: status %d %s", n.id, before, a.status, a.body)
					}
					heard[i] = time.Now()
				})
			}
			dead := c.nodes[0].token().Value
			if err := c.sim.Revoke(c.app); err != nil {
				t.Fatal(err)
			}
			wait(t.Context(), life/120) // a younger one is not believed to be dead at once
			if a := c.nodes[0].report(dead); a.status != http.StatusOK || a.Generation <= before {
				t.Fatalf("a report: status %d %s", a.status, a.body)
			}
			waiting.Wait()
			for _, at := range heard[1:] {
				last = max(last, at.Sub(heard[0]))
			}
			return last
		})
		c.judged()
	})
}
