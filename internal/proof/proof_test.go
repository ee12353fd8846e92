package proof

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	days  = flag.Int("days", 50, "how many days to simulate")
	seed  = flag.Uint64("seed", 0, "the seed to begin with")
	only  = flag.Bool("one", false, "make one run only, and print its course")
	most  = flag.Int("breaches", 1, "how many runs with a breach are enough")
	loud  = flag.Bool("each", false, "tell of each run")
	tail  = flag.Int("lines", 200, "how many of the last lines of a course are printed")
	runOf = flag.Int("run", 5, "how many days one run takes")
)

// The protocol holds whatever befalls it.
func TestTheProtocolHolds(t *testing.T) {
	t.Parallel()
	runs := uint64(max(1, *days / *runOf))
	if *only {
		runs = 1
	}
	var next atomic.Uint64
	var mu sync.Mutex
	failed := 0
	var sum course
	t.Run("runs", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for {
					i := next.Add(1) - 1
					mu.Lock()
					stop := failed >= *most
					mu.Unlock()
					if i >= runs || stop {
						return
					}
					began := cpu()
					c := prove(t, *seed+i, shapeOf(*seed+i), float64(*runOf), *only)
					if *loud {
						t.Logf("seed %d (%v): %v cpu, %d reads, %d failed, %d asked %s", c.seed, c.shape, cpu()-began, c.reads, c.failures, c.asked, c.breach)
					}
					mu.Lock()
					sum.reads += c.reads
					sum.failures += c.failures
					sum.asked += c.asked
					if most := 1.1*c.floor() + float64(c.shape.apps); c.shape.profile == "calm" && float64(c.asked) > most {
						c.breach = fmt.Sprintf("N1 one issue per value when nothing fails: %d in %v days, the floor is %v", c.asked, c.days, c.floor())
					}
					if c.breach != "" {
						failed++
						report(t, c)
					}
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d runs of %d days: %d reads, %d without a value, %d issues asked for, %d runs with a breach", min(next.Load(), runs), *runOf, sum.reads, sum.failures, sum.asked, failed)
}

// floor is how many issues there are at least when nothing fails: one per life
// on the stable line, one per three quarters of it on the classic one.
func (c course) floor() float64 {
	per := life
	if c.shape.source == "classic" {
		per = life * 3 / 4
	}
	return c.days * 24 * float64(time.Hour) / float64(per) * float64(c.shape.apps)
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Round(time.Millisecond)
}

// report tells of a breach, and how to see it again.
func report(t *testing.T, c course) {
	t.Errorf("seed %d (%v): %s\nreplay: make prove SEED=%d ONE=1", c.seed, c.shape, c.breach, c.seed)
	if n := len(c.lines); n > 0 {
		t.Logf("its last lines:\n%s", strings.Join(c.lines[max(0, n-*tail):], "\n"))
	}
}

// A run is its seed: made twice it takes the same course, to the nanosecond.
func TestARunIsItsSeed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(len(profiles)) {
		s := shapeOf(seed)
		t.Run(s.profile, func(t *testing.T) {
			t.Parallel()
			a, b := prove(t, seed, s, 1, false), prove(t, seed, s, 1, false)
			if a.sum != b.sum {
				t.Errorf("seed %d took two courses", seed)
			}
		})
	}
}
