package keeper

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

func brought(value string, sent, answered float64) outcome {
	return outcome{Issued: wechat.Issued{Value: credential.NewSecret(value), Life: 2 * time.Hour}, Sent: at(sent), Answered: at(answered), Exact: true}
}

// A commit answers for older attempts, not for a younger one of another node:
// that may bring a newer value, or die with it.
func TestACommitLeavesYoungerAttemptsOpen(t *testing.T) {
	t.Parallel()
	p := policyFor("classic")
	r := valued("classic", tried("dead", 5000, true), tried("me", 5400, false), tried("other", 5440, false))
	got, res := p.settle(r, plan{Line: p.line}, "me5400", brought("v2", 5401, 5450), at(5450))
	if res != issued || got.Generation != 2 || len(got.Attempts) != 1 || got.Attempts[0].Node != "other" {
		t.Errorf("%v: %+v", res, got)
	}
}

func TestNotSentGivesTheChargeBack(t *testing.T) {
	t.Parallel()
	p := policyFor("classic")
	for _, free := range []bool{true, false} {
		before := valued("classic", func(r *record) { r.Bucket = bucket{Left: 4, At: at(100)} })
		n := plan{Line: p.line, Free: free, Reason: renew}
		opened := p.open(before, n, "x", at(100))
		after, res := p.settle(opened, n, "x", outcome{Err: &wechat.Error{Outcome: wechat.NotSent}}, at(100))
		if res != unsent || len(after.Attempts) != 0 || p.left(after.Bucket, at(100)) != 4 || !after.Renewed.IsZero() {
			t.Errorf("free %v: %+v", free, after)
		}
		refusedNow, _ := p.settle(opened, n, "x", outcome{Err: &wechat.Error{Outcome: wechat.Refused, Code: 40013}}, at(100))
		if !free && p.left(refusedNow.Bucket, at(100)) != 3 {
			t.Errorf("a refusal gave the charge back")
		}
	}
}

func TestAnAmbiguousAttemptStaysOpenOnClassicOnly(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{"classic": 1, "stable": 0} {
		p := policyFor(source)
		n := plan{Line: p.line, Reason: renew, Free: true}
		r, res := p.settle(p.open(valued(source), n, "x", at(5400)), n, "x", outcome{Err: &wechat.Error{Outcome: wechat.Ambiguous, Code: -1}}, at(5408))
		if res != ambiguous || len(r.Attempts) != want {
			t.Errorf("%s: %v, %d attempts open", source, res, len(r.Attempts))
		}
		if want == 1 && (!r.Attempts[0].Over || !p.doubt(r).Equal(at(5400))) {
			t.Errorf("%s: not in doubt: %+v", source, r.Attempts)
		}
	}
}

// unsure makes the next write of an attempt unsure: it happened, or it did not.
type unsure struct {
	store.Store
	armed    atomic.Bool
	puts     atomic.Int64 // since the unsure one
	happened bool
}

func (u *unsure) Put(ctx context.Context, r store.Record) (store.Record, error) {
	if !u.armed.CompareAndSwap(true, false) {
		u.puts.Add(1)
		return u.Store.Put(ctx, r)
	}
	u.puts.Store(0)
	if u.happened {
		if got, err := u.Store.Put(ctx, r); err != nil {
			return got, err
		}
	}
	return store.Record{}, store.ErrUnsure
}

// An attempt whose write is unsure is not sent, and leaves nothing behind.
func TestAnUnsureAttemptIsNotSent(t *testing.T) {
	t.Parallel()
	for _, happened := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: "classic"})
			u := &unsure{happened: happened}
			var written atomic.Int64 // when the next issue was sent
			n := w.node(func(_ *Options, l *link) {
				u.Store = l.Store
				l.Store = u
				l.at = func(step string) bool {
					if step == "before issue" {
						written.Store(u.puts.Load())
					}
					return false
				}
			})
			w.get(n)
			synctest.Wait()
			u.armed.Store(true)
			time.Sleep(79 * time.Minute)
			for w.sim.Asked(testApp, wxsim.Classic) < 2 {
				time.Sleep(100 * time.Millisecond)
			}
			// Another attempt was written before, and the unsure one, if it
			// was there, was taken back.
			want := int64(1)
			if happened {
				want = 2
			}
			if got := written.Load(); got != want {
				t.Errorf("happened %v: %d writes between the unsure one and the next issue, want %d", happened, got, want)
			}
			rec, err := w.st.Get(t.Context(), storeKey(testKey))
			if err != nil {
				t.Fatal(err)
			}
			if r, _ := decode(rec.Value); len(r.Attempts) != 0 {
				t.Errorf("happened %v: left open: %+v", happened, r.Attempts)
			}
			time.Sleep(5 * time.Minute)
			if got := w.get(n); got.Generation != 2 {
				t.Errorf("happened %v: generation %d", happened, got.Generation)
			}
			w.quiet()
		})
	}
}

// slowReads answers a read some time after it was made, as a busy store does:
// with a record that may be older than what has been written since.
type slowReads struct{ store.Store }

func (s slowReads) Get(ctx context.Context, key string) (store.Record, error) {
	r, err := s.Store.Get(ctx, key)
	time.Sleep(50 * time.Millisecond)
	r.Now = time.Now()
	return r, err
}

// A read that overtakes a write of ours must not make us forget the attempt.
func TestAStaleReadDoesNotUndoAWrite(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		n := w.node(func(_ *Options, l *link) { l.Store = slowReads{l.Store} })
		w.get(n)
		for i := range 15 {
			time.Sleep(time.Hour)
			before := w.get(n).Generation
			if c, err := n.Renew(t.Context(), testKey, false); err != nil || c.Generation != before+1 {
				t.Fatalf("renewal %d: generation %d after %d, %v", i, c.Generation, before, err)
			}
		}
	})
}

// The oldest of several unresolved attempts says since when the value is in
// doubt; the youngest, whoever made it, how soon the next may be made.
func TestAnOldHolderDoesNotHideAYoungerAttempt(t *testing.T) {
	t.Parallel()
	p := policyFor("classic")
	n := plan{Line: p.line}
	// We were paused for five minutes; another node has healed in between, and
	// heard nothing either.
	r := valued("classic", tried("me", 5400, false), tried("other", 5640, true))
	r, res := p.settle(r, n, "me5400", outcome{Err: &wechat.Error{Outcome: wechat.Ambiguous}}, at(5690))
	if next := p.plan(r, at(5690)); res != ambiguous || next.At.Before(at(5640).Add(p.spacing)) {
		t.Errorf("%v: the next issue at %v, %v after the last", res, next.At, next.At.Sub(at(5640)))
	}
	if a, _ := r.intent(); !a.At.Equal(at(5400)) {
		t.Errorf("in doubt since %v", a.At)
	}
}

// Who was healed away while paused may have made a token that nobody knows, and
// that ends the one in hand: an answer that is lost is no less a doubt for that.
func TestALateAmbiguousOutcomeIsADoubt(t *testing.T) {
	t.Parallel()
	lost := &wechat.Error{Outcome: wechat.Ambiguous}
	for name, c := range map[string]struct {
		o    outcome
		want result
	}{
		"out while the value was made":  {outcome{Err: lost, Sent: at(-300), Answered: at(20), Exact: true}, ambiguous},
		"over before the value was":     {outcome{Err: lost, Sent: at(-300), Answered: at(-20), Exact: true}, orphaned},
		"who knows when":                {outcome{Err: lost, Sent: at(-300), Answered: at(-20)}, ambiguous},
		"refused: there is no new one":  {outcome{Err: &wechat.Error{Outcome: wechat.Refused, Code: 40125}, Sent: at(-300), Answered: at(20), Exact: true}, orphaned},
		"not sent: there is no new one": {outcome{Err: &wechat.Error{Outcome: wechat.NotSent}, Sent: at(-300), Answered: at(20), Exact: true}, orphaned},
	} {
		p := policyFor("classic")
		r, res := p.settle(valued("classic"), plan{Line: p.line}, "x", c.o, at(20))
		if res != c.want {
			t.Errorf("%s: %v", name, res)
		}
		if c.want != ambiguous {
			continue
		}
		if until, _ := p.certain(r, at(20)); until.After(at(0).Add(p.overlap)) {
			t.Errorf("%s: still certain until %v", name, until)
		}
		if next := p.plan(r, at(20)); next.Reason != heal || next.At.Before(c.o.Answered.Add(p.spacing)) {
			t.Errorf("%s: %s at %v", name, next.Reason, next.At)
		}
	}
}

// A late outcome that was written, and whose writer did not hear so, is not
// taken for that of an attempt that is open.
func TestALateOutcomeIsTakenOnce(t *testing.T) {
	t.Parallel()
	p := policyFor("classic")
	for name, o := range map[string]outcome{
		"a value":      brought("v0", -300, 20),
		"none":         {Err: &wechat.Error{Outcome: wechat.Ambiguous}, Sent: at(-300), Answered: at(20), Exact: true},
		"another time": {Issued: brought("v0", 1, 2).Issued, Sent: at(1), Answered: at(2)},
	} {
		r, res := p.settle(valued("classic"), plan{Line: p.line}, "x", o, at(20))
		again, res2 := p.settle(r, plan{Line: p.line}, "x", o, at(22))
		if res != ambiguous || res2 != orphaned || again.Value != "v1" || len(again.Attempts) != len(r.Attempts) {
			t.Errorf("%s: %v, then %v with value %s and %d attempts", name, res, res2, again.Value, len(again.Attempts))
		}
	}
}

// Two holders, of which one was stopped past its lease: who writes first says
// nothing about who issued first.
func TestAHeldHolderIsNotTakenForTheFirst(t *testing.T) {
	t.Parallel()
	p := policyFor("classic")
	n := plan{Line: p.line}
	lost := &wechat.Error{Outcome: wechat.Ambiguous}
	both := valued("classic", tried("me", 5400, false), tried("other", 5640, false))

	// We heard nothing; then the other commits. Ours may have come after its.
	r, _ := p.settle(both, n, "me5400", outcome{Err: lost, Sent: at(5400.1), Answered: at(5640.3), Exact: true}, at(5640.3))
	r, res := p.settle(r, n, "other5640", brought("v2", 5640.1, 5640.4), at(5640.4))
	if _, doubt := r.intent(); res != issued || !doubt {
		t.Errorf("the one that was held heard nothing: %v, in doubt: %v", res, doubt)
	}

	// We were given a value; then the other comes with one.
	r, res = p.settle(both, n, "me5400", brought("mine", 5400.1, 5640.3), at(5640.3))
	if res != issued {
		t.Fatal(res)
	}
	r, res = p.settle(r, n, "other5640", brought("v2", 5640.1, 5640.4), at(5640.4))
	if _, doubt := r.intent(); res != ambiguous || r.Value != "mine" || !doubt {
		t.Errorf("the one that was held has a value: %v, %s, in doubt: %v", res, r.Value, doubt)
	}
}

// A store whose clock was set back by hours is believed: a value is not taken to
// be older than the one in hand because its times are.
func TestAClockThatWasSetBackDropsNoValue(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		p := policyFor(source)
		r := valued(source, tried("me", -7200, false), dead1)
		r, res := p.settle(r, plan{Line: p.line}, "me-7200", brought("v2", -7199.9, -7199.8), at(-7199.8))
		if res != issued || r.Value != "v2" || !r.live(at(-7199)) || len(r.Attempts) != 0 {
			t.Errorf("%s: %v, %s is in hand, attempts %v", source, res, r.Value, r.Attempts)
		}
	}
}
