package keeper

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var bothSources = []string{"stable", "classic"}

// G1: without faults exactly one issue per new value.
func TestG1OneIssuePerGeneration(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{source: source})
				nodes := []*node{w.node(), w.node(), w.node()}
				var wg sync.WaitGroup
				var got atomic.Int64
				for i := range 300 {
					wg.Go(func() {
						if _, err := nodes[i%3].Get(t.Context(), testKey); err == nil {
							got.Add(1)
						}
					})
				}
				wg.Wait()
				if got.Load() != 300 || w.sim.Issues(testApp) != 1 {
					t.Fatalf("300 callers at an empty start: %d served, %d issues", got.Load(), w.sim.Issues(testApp))
				}
				r := w.reader()
				r.during(48*time.Hour, 7*time.Minute, nodes...)
				g := w.get(nodes[0]).Generation
				if n := w.sim.Issues(testApp); uint64(n) != g {
					t.Errorf("%d issues for %d generations", n, g)
				}
				// A floor of one issue per life on stable, per three quarters
				// of one on classic; a tenth more at the most.
				floor := 48.0 / 2
				if source == "classic" {
					floor = 48.0 / 1.5
				}
				if n := float64(w.sim.Issues(testApp)); n > 1.1*floor+1 {
					t.Errorf("%v issues in two days, floor %v", n, floor)
				}
				if r.failures > 0 {
					t.Errorf("%d of %d reads failed", r.failures, r.reads)
				}
				w.quiet()
			})
		})
	}
}

func TestRestartWithALiveValueAsksNobody(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: source})
			n := w.node()
			first := w.get(n)
			time.Sleep(30 * time.Minute)
			n.stop()
			time.Sleep(30 * time.Minute)
			again := w.get(w.node())
			synctest.Wait()
			if again.Value != first.Value || again.Generation != 1 || again.Tag != first.Tag {
				t.Errorf("%s: another value after the restart", source)
			}
			if asked := len(w.sim.History()); asked != 1 {
				t.Errorf("%s: %d requests reached WeChat, want 1", source, asked)
			}
		})
	}
}
