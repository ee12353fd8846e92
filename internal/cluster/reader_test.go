//go:build unix

package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"sync"
	"time"
)

// readers are programs, one at each node, that ask again and again and hold
// every value against WeChat. They find fault with each read that fails at a
// node that lives, and with each value that was dead when it was asked for.
type readers struct {
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu     sync.Mutex
	reads  int
	newest uint64
	at     time.Time // when the newest was first seen, by WeChat's clock
}

// read reads at each node until stop is called. A node that is killed, paused or
// not started is passed over.
func (c *cluster) read() *readers {
	ctx, cancel := context.WithCancel(context.Background())
	r := &readers{cancel: cancel}
	c.t.Cleanup(r.stop)
	for _, n := range c.nodes {
		r.all.Go(func() {
			for ctx.Err() == nil {
				process, asked := n.life(), c.sim.Now()
				a := n.token()
				if process != nil && n.life() == process { // it was there all the time
					r.take(n, a, asked)
				}
				wait(ctx, 40*time.Millisecond)
			}
		})
	}
	return r
}

func (r *readers) take(n *node, a answer, asked time.Time) {
	if a.status != http.StatusOK {
		n.t.Errorf("node %d: status %d: %s", n.id, a.status, a.body)
		return
	}
	if why := n.wrong(a, asked); why != "" {
		n.t.Errorf("node %d handed out generation %d (max_age %d): %s", n.id, a.Generation, a.MaxAge, why)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	if a.Generation > r.newest {
		r.newest, r.at = a.Generation, n.sim.Now()
	}
}

// seen is the newest generation that anybody was given, and when that was.
func (r *readers) seen() (newest uint64, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest, r.at
}

func (r *readers) stop() {
	r.cancel()
	r.all.Wait()
}

// wait waits, unless ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// until waits for a moment of WeChat's clock.
func (c *cluster) until(at time.Time) { wait(c.t.Context(), at.Sub(c.sim.Now())) }

// wrong says what is wrong with what was handed out at that moment of WeChat's.
// An issue that heals another ends the old value at once, before any node can
// know: it is handed out in doubt until the news is there, within two seconds.
func (c *cluster) wrong(a answer, asked time.Time) string {
	info, ok := c.sim.TokenInfo(c.app, a.Value)
	switch late := asked.Sub(info.Ends); {
	case !ok:
		return "WeChat never issued it"
	case late < 0:
		return ""
	case late > beat:
		return fmt.Sprintf("it had been dead for %v", late)
	case a.MaxAge > 0:
		return fmt.Sprintf("it had been dead for %v, and was not in doubt", late)
	}
	return ""
}

// life is the process while it is up and running; nil while it is not, and up
// to two seconds after a pause: so long a node may be behind.
func (n *node) life() *exec.Cmd {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.urls == nil || n.paused {
		return nil
	}
	return n.process
}

// agree waits until every node that lives hands out the same generation.
func (c *cluster) agree(generation uint64) {
	c.t.Helper()
	eventually(c.t, "all nodes have the generation", func() bool {
		for _, n := range c.nodes {
			if n.life() != nil && n.token().Generation != generation {
				return false
			}
		}
		return true
	})
}

// settled waits until every node that lives hands out the same value, and that
// one lives, and returns its generation.
func (c *cluster) settled() (generation uint64) {
	c.t.Helper()
	eventually(c.t, "all nodes have one value", func() bool {
		values := map[string]bool{}
		for _, n := range c.nodes {
			if n.life() == nil {
				continue
			}
			a := n.token()
			values[a.Value], generation = a.status == http.StatusOK && c.sim.Valid(c.app, a.Value), a.Generation
		}
		for _, valid := range values {
			return valid && len(values) == 1
		}
		return false
	})
	return generation
}

// judged reports what WeChat would mind.
func (c *cluster) judged() {
	c.t.Helper()
	for _, v := range c.sim.Violations() {
		if v.App == c.app {
			c.t.Errorf("WeChat would mind: %v", v)
		}
	}
}
