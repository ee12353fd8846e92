package keeper

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// G1: without faults exactly one issue per new value.
func TestG1OneIssuePerGeneration(t *testing.T) {
	t.Parallel()
	for _, source := range everyLine {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{source: source})
				nodes := []*node{w.node(), w.node(), w.node()}
				var wg sync.WaitGroup
				var got atomic.Int64
				for i := range 300 {
					wg.Go(func() {
						if _, err := nodes[i%3].Get(t.Context(), w.key); err == nil {
							got.Add(1)
						}
					})
				}
				wg.Wait()
				if got.Load() != 300 || w.issues() != 1 || w.asked() != 1 {
					t.Fatalf("300 callers at an empty start: %d served, %d issues", got.Load(), w.asked())
				}
				r := w.reader()
				r.during(48*time.Hour, 7*time.Minute, nodes...)
				g := w.get(nodes[0]).Generation
				if n := w.issues(); uint64(n) != g {
					t.Errorf("%d issues for %d generations", n, g)
				}
				// A floor of one issue per life on stable, per three quarters
				// of one on classic, three eighths for a ticket, less the spread;
				// a tenth more at the most.
				floor := 48.0 / 2
				switch {
				case source == "classic":
					floor = 48.0 / 1.5
				case w.key == ticketKey:
					floor = 48.0 / 0.65
				}
				if n := float64(w.asked()); n > 1.1*floor+1 {
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
