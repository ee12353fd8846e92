//go:build unix && cluster

package cluster

import (
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/store/redis/redistest"
)

// Redis dies for good and Sentinel promotes its replica, with an order of an
// operator's before and after it: readers notice nothing, the nodes follow by
// themselves, and nothing is issued that nobody ordered.
func TestRedisFailsOver(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	redistest.Start(t, "--replicaof", strings.ReplaceAll(primary.Addr, ":", " "))
	sentinels := redistest.Sentinels(t, primary)
	on := &engine{
		network: "tcp", addr: primary.Addr, // the nodes ask the Sentinels and go there directly
		address: func(string) string {
			return "redis://" + sentinels[0] + "?sentinel=tally&addr=" + sentinels[1] + "&addr=" + sentinels[2]
		},
	}
	c := newCluster(t, on.named("sentinel"), newSim(), "wx00000000000000b1").start(3)
	r, _, _ := c.order()
	eventually(t, "the order is done", func() bool { newest, _ := r.seen(); return newest == 2 })
	if n := primary.Do("WAIT", "1", "5000"); n != "1" {
		t.Fatalf("%s replicas", n)
	}
	primary.Kill()
	c.agree(c.ordered(c.nodes[1]))
	r.stop()
	if newest, _ := r.seen(); newest < 3 || c.sim.Issues(c.app) != int(newest) {
		t.Errorf("%d issues for %d generations", c.sim.Issues(c.app), newest)
	}
	c.judged()
}
