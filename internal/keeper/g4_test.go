package keeper

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/wxsim"
)

// G4: a crash at any instant leaves a state from which a surviving or
// restarted node heals without a person, on classic inside the overlap.
func TestG4ACrashAtAnyStepHeals(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"stable", "classic", newTicket} {
		for _, step := range []string{"before put", "after put", "before issue", "after issue", "second put", "after second put"} {
			for _, survivor := range []bool{true, false} {
				for _, quirks := range []wxsim.Quirk{wxsim.NoQuirks, wxsim.ThreeTokens} {
					t.Run(fmt.Sprintf("%s/%s/survivor=%v/quirks=%d", source, step, survivor, quirks), func(t *testing.T) {
						t.Parallel()
						bubble(t, func(t *testing.T) { crash(t, source, step, survivor, quirks) })
					})
				}
			}
		}
	}
}

func crash(t *testing.T, source, step string, survivor bool, quirks wxsim.Quirk) {
	w := newWorld(t, worldOptions{source: source, quirks: quirks})
	var armed atomic.Bool
	var puts atomic.Int64
	holder := w.node(func(_ *Options, l *link) {
		l.at = func(s string) bool {
			if !armed.Load() {
				return false
			}
			switch step {
			case "second put":
				return s == "before put" && puts.Add(1) == 2
			case "after second put":
				return s == "after put" && puts.Add(1) == 2
			}
			return s == step
		}
	})
	first := w.get(holder)
	synctest.Wait()
	armed.Store(true)
	for !holder.link.dead.Load() {
		time.Sleep(time.Second)
		if time.Since(first.IssuedAt) > 2*time.Hour {
			t.Fatal("the renewal never came")
		}
	}
	died := time.Now()
	// The answer that the dead process had heard is known to nobody now.
	if err := w.sim.Excuse(testApp); err != nil {
		t.Fatal(err)
	}
	r := w.reader()
	var next *node
	if survivor {
		next = w.node()
	} else {
		time.Sleep(10 * time.Second) // a supervisor restarts it
		next = w.node(func(o *Options, _ *link) { o.Alone = true })
	}
	synctest.Wait()
	for next.generation(w.key) < 2 {
		if err := r.check(next); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if time.Since(died) > next.overlap {
			t.Fatalf("not healed %v after the crash", next.overlap)
		}
	}
	r.during(4*time.Hour, 10*time.Second, next)
	if r.failures > 0 {
		t.Errorf("%d of %d reads failed", r.failures, r.reads)
	}
	w.quiet()
}

func (n *node) generation(key credential.Key) uint64 {
	e, ok := n.entry(key)
	if !ok {
		return 0
	}
	if v := e.view.Load(); v != nil {
		return v.cred.Generation
	}
	return 0
}

// A holder that was paused past its lease comes back with a value that is the
// newest at WeChat, or dead. It must neither be lost nor overwrite.
func TestLateHolderCannotOverwrite(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"before issue", "after issue"} {
		for i, pause := range []time.Duration{5 * time.Second, 29 * time.Second, 35 * time.Second, 100 * time.Second, 250 * time.Second, 400 * time.Second} {
			source := ending[i%2]
			t.Run(fmt.Sprint(source, "/", step, "/", pause), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					w := newWorld(t, worldOptions{source: source})
					var armed, paused atomic.Bool
					slow := w.node(func(_ *Options, l *link) {
						l.ghost = true
						l.at = func(s string) bool {
							if s == step && armed.CompareAndSwap(true, false) {
								paused.Store(true)
								time.Sleep(pause) // SIGSTOP
							}
							return false
						}
					})
					w.get(slow)
					armed.Store(true)
					for !paused.Load() {
						time.Sleep(time.Second)
					}
					other := w.node()
					r := w.reader()
					// Who was healed away and comes back may have ended the new
					// value; nothing can know before. What caches hold, which
					// is max_age, is safe all the same.
					r.caches = pause > w.life/30
					r.during(5*time.Hour, 5*time.Second, slow, other)
					if r.failures > 0 {
						t.Errorf("%d of %d reads failed", r.failures, r.reads)
					}
					a, b := w.get(slow), w.get(other)
					if a.Generation != b.Generation || a.Value != b.Value {
						t.Errorf("generation %d here and %d there", a.Generation, b.Generation)
					}
				})
			})
		}
	}
}

// A process that comes back long after it died in the middle of an issue does
// not serve the value that this issue ended, even if it cannot issue now.
func TestAfterALongAbsenceADeadValueIsNotServed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		var armed atomic.Bool
		n := w.node(func(_ *Options, l *link) {
			l.at = func(s string) bool { return s == "after issue" && armed.Load() }
		})
		c := w.get(n)
		armed.Store(true)
		for !n.link.dead.Load() {
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Minute)
		if w.sim.Valid(testApp, c.Value.Reveal()) {
			t.Fatal("the value should be dead by now")
		}
		clear := w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/token", Mode: wxsim.Outage})
		next := w.node(func(o *Options, _ *link) { o.Alone = true })
		time.Sleep(time.Second)
		if got, err := next.Get(t.Context(), testKey); err == nil && got.Value == c.Value {
			t.Error("a dead value is served")
		}
		clear()
		time.Sleep(15 * time.Second)
		w.get(next)
	})
}

// One lost answer is healed by one more issue, inside the overlap.
func TestALostAnswerIsHealedInsideTheOverlap(t *testing.T) {
	t.Parallel()
	for _, mode := range []wxsim.Mode{wxsim.LostAnswer, wxsim.Truncated, wxsim.Hang, wxsim.HTML, wxsim.Empty, wxsim.Status5xx, wxsim.Garbage, wxsim.SystemBusy, wxsim.WrongTypes, wxsim.ExtraToken, wxsim.SlowBody, wxsim.GzipBomb, wxsim.Reset} {
		for _, source := range everyLine {
			t.Run(mode.String()+"/"+source, func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					w := newWorld(t, worldOptions{source: source})
					a, b := w.node(), w.node()
					w.get(a)
					asked := w.asked()
					w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: mode, Count: 1, After: true})
					r := w.reader()
					r.during(3*time.Hour, 2*time.Second, a, b)
					if r.failures > 0 {
						t.Errorf("%d of %d reads failed", r.failures, r.reads)
					}
					if extra := w.asked() - asked; extra > 6 {
						t.Errorf("asked %d times in three hours", extra)
					}
					w.quiet()
				})
			})
		}
	}
}
