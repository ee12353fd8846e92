//go:build unix

package cluster

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The store is killed under three nodes, twice, with an order of an operator's
// that cannot be stored meanwhile: readers and who calls through the gateway
// notice nothing, nothing is issued without the store, and the nodes catch up by
// themselves.
func TestTheStoreIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		c := newCluster(t, on, newSim(), "wx00000000000000f0").start(3)
		c.agree(1)
		r := c.read()
		generation := uint64(1)
		for range 2 {
			on.kill()
			if a := c.nodes[1].order(); a.status == http.StatusOK {
				t.Errorf("an order without the store: %d %s", a.status, a.body)
			}
			for _, n := range c.nodes {
				if a := n.ask("GET", "api", "/cgi-bin/getcallbackip", c.keys["caller"], nil, ""); !strings.Contains(string(a.body), "ip_list") {
					t.Errorf("node %d, a call through the gateway without the store: %d %s", n.id, a.status, a.body)
				}
			}
			wait(t.Context(), 2*beat)
			if n := c.sim.Issues(c.app); n != int(generation) {
				t.Errorf("%d issues with the store away, want %d", n, generation)
			}
			on.start()
			generation = c.ordered(c.nodes[2])
			c.agree(generation)
		}
		r.stop()
		if n := c.sim.Issues(c.app); n != int(generation) || n < 3 {
			t.Errorf("%d issues for %d generations", n, generation)
		}
		c.judged()
	})
}

// An older copy of the store is put back, once under nodes that run and once
// under nodes that begin anew. Its token is dead; whoever meets it reports it.
// Within seconds everybody has a live value, and nobody is told that a value is
// unchanged that is another one.
func TestAnOlderCopyOfTheStoreIsPutBack(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		t.Run(map[bool]string{true: "under nodes that run", false: "and all nodes begin anew"}[running], func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, on *engine) { putBack(t, on, running) })
		})
	}
}

func putBack(t *testing.T, on *engine, running bool) {
	c := newCluster(t, on, newSim(), "wx00000000000000b0").start(2)
	c.agree(1)
	on.kill()
	on.save()
	on.start()
	// Two more generations by WeChat's refusal: no spacing is in the way.
	for generation := uint64(2); generation <= 3; generation++ {
		if err := c.sim.Revoke(c.app); err != nil {
			t.Fatal(err)
		}
		c.refused(generation)
	}
	old := c.nodes[0].token()
	tag := http.Header{"If-None-Match": {old.header.Get("ETag")}}
	if a := c.nodes[1].get("api", c.path(), tag.Clone()); a.status != http.StatusNotModified {
		t.Fatalf("the value in hand: status %d", a.status)
	}

	on.kill()
	on.restore()
	if !running {
		for _, n := range c.nodes {
			n.kill()
		}
	}
	if err := c.sim.Revoke(c.app); err != nil { // whatever is known, WeChat does not take it
		t.Fatal(err)
	}
	on.start()
	began := time.Now()
	for _, n := range c.nodes {
		if !running {
			n.start()
		}
	}
	c.excuse()
	for _, n := range c.nodes {
		eventually(t, "a live value", func() bool {
			a := n.token()
			if a.status == http.StatusOK && !c.sim.Valid(c.app, a.Value) {
				a = n.report(a.Value)
			}
			return a.status == http.StatusOK && c.sim.Valid(c.app, a.Value)
		})
	}
	t.Logf("live values after %v", time.Since(began).Round(time.Millisecond))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("live values after %v", took)
	}
	for _, n := range c.nodes {
		now := n.token()
		if now.Value == old.Value {
			t.Errorf("node %d has the old value", n.id)
		}
		for _, more := range []string{"", "?after=%d", "?after=%d&wait=1s", "?after=%d&wait=30s"} {
			for _, header := range []http.Header{nil, tag} {
				path := c.path()
				if more != "" {
					path += fmt.Sprintf(more, old.Generation)
				}
				asked := time.Now()
				if a := n.get("api", path, header.Clone()); a.status != http.StatusOK || a.Value != now.Value {
					t.Errorf("node %d, %s %v, with generation %d in hand: status %d %s", n.id, path, header, now.Generation, a.status, a.body)
				}
				if took := time.Since(asked); took > 2*beat {
					t.Errorf("%s took %v", path, took)
				}
			}
		}
	}
}

// refused has every node hear that WeChat refuses the value, until they have
// that generation.
func (c *cluster) refused(generation uint64) {
	c.t.Helper()
	for _, n := range c.nodes {
		eventually(c.t, fmt.Sprintf("generation %d", generation), func() bool {
			a := n.token()
			return a.Generation == generation || n.report(a.Value).Generation == generation
		})
	}
}

func (c *cluster) path() string { return "/v1/apps/" + c.app + "/credentials/access_token" }
