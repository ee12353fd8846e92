package keeper

import (
	"fmt"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/wechat"
)

var day0 = time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)

// at is a moment of the store's, in seconds after day0.
func at(s float64) time.Time { return day0.Add(time.Duration(s * float64(time.Second))) }

func lineOf(source string) wechat.Line {
	l, ok := wechat.Find(credential.AccessToken, source)
	if !ok {
		panic("no line for source " + source)
	}
	return l
}

func policyFor(source string, edit ...func(*policy)) policy {
	t := timesOf(2 * time.Hour)
	p := policy{times: t, allowance: allowanceOf(2000, t), line: lineOf(source), secrets: []string{"s1"}, node: "me"}
	for _, e := range edit {
		e(&p)
	}
	return p
}

// valued is a record whose value was asked for at day0.
func valued(source string, edit ...func(*record)) record {
	r := record{Source: source, Value: "v1", Generation: 1, Asked: at(0), Answered: at(0.2), Life: 2 * time.Hour, Expires: at(7195)}
	for _, e := range edit {
		e(&r)
	}
	return r
}

func tried(node string, seconds float64, over bool) func(*record) {
	return func(r *record) {
		r.Attempts = append(r.Attempts, attempt{ID: fmt.Sprint(node, seconds), Node: node, At: at(seconds), Over: over})
	}
}

func failed(class errcode.Class, code, count int, when, notBefore float64) func(*record) {
	return func(r *record) {
		r.Failure = &failure{Class: class, Code: code, Count: count, At: at(when)}
		r.NotBefore = at(notBefore)
	}
}

func dryUntil(source string, s float64) map[string]time.Time {
	return map[string]time.Time{source: at(s)}
}

func dead1(r *record) { r.Dead = true }

// TestPlan is the renewal timing, row by row.
func TestPlan(t *testing.T) {
	t.Parallel()
	classicFallback := func(p *policy) { l := lineOf("classic"); p.fallback = &l }
	jitter := func(j float64) func(*policy) { return func(p *policy) { p.jitter = j } }
	empty := bucket{Left: 0, At: at(0)}
	for _, row := range []struct {
		name   string
		p      policy
		r      record
		now    float64
		want   float64 // when; -1: never by itself
		reason reason
		force  bool
		free   bool
	}{
		{name: "nothing yet", p: policyFor("stable"), now: 0, want: 0, reason: first},
		{name: "classic at three quarters of its life", p: policyFor("classic"), r: valued("classic"), now: 1, want: 5400, reason: renew, free: true},
		{name: "classic, spread by up to a sixteenth", p: policyFor("classic", jitter(0.5)), r: valued("classic"), now: 1, want: 5400 - 225, reason: renew, free: true},
		{name: "classic, three quarters of a life of its own", p: policyFor("classic"), r: valued("classic", func(r *record) { r.Life = time.Hour; r.Expires = at(3595) }), now: 1, want: 2700, reason: renew, free: true},
		{name: "stable when its last overlap opens", p: policyFor("stable"), r: valued("stable"), now: 1, want: 6902, reason: renew, free: true},
		{name: "stable, spread", p: policyFor("stable", jitter(0.5)), r: valued("stable"), now: 1, want: 6902 + 18.75, reason: renew, free: true},
		{name: "stable gave the same again: a quarter of what is left", p: policyFor("stable"), r: valued("stable", func(r *record) { r.Checked = at(6920); r.Renewed = at(6920) }), now: 6921, want: 6990, reason: renew},
		{name: "stable, almost at the end: not more often than a 480th", p: policyFor("stable"), r: valued("stable", func(r *record) { r.Checked = at(7190); r.Renewed = at(6902) }), now: 7190, want: 7205, reason: renew},
		{name: "overdue is now", p: policyFor("classic"), r: valued("classic"), now: 6000, want: 5400, reason: renew, free: true},
		{name: "over", p: policyFor("classic"), r: valued("classic"), now: 7195, want: 7195, reason: expired},
		{name: "refused by WeChat", p: policyFor("classic"), r: valued("classic", dead1), now: 100, want: 100, reason: dead},
		{name: "stable refused: asked normally first", p: policyFor("stable"), r: valued("stable", dead1), now: 100, want: 100, reason: dead},
		{name: "stable refused and the same again: forced", p: policyFor("stable"), r: valued("stable", dead1, func(r *record) { r.Same = true }), now: 100, want: 100, reason: dead, force: true},
		{name: "forced not within 30 s", p: policyFor("stable"), r: valued("stable", dead1, func(r *record) { r.Same = true; r.Forced = []time.Time{at(90)} }), now: 100, want: 122, reason: dead, force: true},
		{name: "forced twenty times today", p: policyFor("stable"), r: valued("stable", dead1, func(r *record) {
			r.Same = true
			for i := range 20 {
				r.Forced = append(r.Forced, at(float64(i)))
			}
		}), now: 100, want: 7195, reason: dead},
		{name: "another source now", p: policyFor("stable"), r: valued("classic"), now: 100, want: 100, reason: switched},

		{name: "another node's attempt is a lease while young", p: policyFor("classic"), r: valued("classic", tried("other", 5400, false)), now: 5410, want: 5640, reason: heal},
		{name: "with nothing in hand the lease is waited for", p: policyFor("classic"), r: record{Attempts: []attempt{{ID: "x", Node: "other", At: at(0)}}}, now: 10, want: 30, reason: first},
		{name: "a lease from the future is as old as now", p: policyFor("classic"), r: record{Attempts: []attempt{{ID: "x", Node: "other", At: at(9999)}}}, now: 10, want: 40, reason: first},
		{name: "one whose holder is done is none", p: policyFor("classic"), r: record{Attempts: []attempt{{ID: "x", Node: "other", At: at(0), Over: true}}}, now: 10, want: 10, reason: first},
		{name: "alone there are no leases of others", p: policyFor("classic", func(p *policy) { p.alone = true }), r: record{Attempts: []attempt{{ID: "x", Node: "other", At: at(0)}}}, now: 10, want: 10, reason: first},
		{name: "unresolved: healed when a new token cannot end the old one early", p: policyFor("classic"), r: valued("classic", tried("me", 5400, true)), now: 5408, want: 5640, reason: heal},
		{name: "unresolved and dead: at once", p: policyFor("classic"), r: valued("classic", dead1, tried("me", 5400, true)), now: 5408, want: 5408, reason: dead},

		{name: "ambiguous with nothing in hand: 3 s", p: policyFor("classic"), r: record{Failure: &failure{Count: 1, At: at(0)}, NotBefore: at(3)}, now: 1, want: 3, reason: first},
		{name: "ambiguous again with nothing in hand: 10 s at most", p: policyFor("classic"), r: record{Failure: &failure{Count: 4, At: at(0)}, NotBefore: at(60)}, now: 1, want: 10, reason: first},
		{name: "waiting is shortened when the value dies", p: policyFor("stable"), r: valued("stable", dead1, failed(errcode.Wait, 0, 5, 100, 220)), now: 101, want: 110, reason: dead},
		{name: "a minute is a minute", p: policyFor("stable"), r: valued("stable", dead1, failed(errcode.Wait, 45011, 1, 100, 160)), now: 101, want: 160, reason: dead},
		{name: "blocked stays blocked with nothing live", p: policyFor("stable"), r: valued("stable", dead1, failed(errcode.Block, 40164, 3, 100, 340)), now: 101, want: 340, reason: dead},
		{name: "dry stays dry with nothing live", p: policyFor("stable"), r: valued("stable", dead1, func(r *record) { r.Dry = dryUntil("stable", 50000) }), now: 101, want: 50000, reason: dead},
		{name: "dry is the source, not the app", p: policyFor("stable"), r: record{Dry: dryUntil("classic", 50000)}, now: 101, want: 101, reason: first},
		{name: "an order passes over a spent quota", p: policyFor("classic"), r: valued("classic", func(r *record) { r.Dry, r.Orders = dryUntil("classic", 50000), 1 }), now: 3001, want: 3001, reason: ordered},
		{name: "an order passes over a block", p: policyFor("classic"), r: valued("classic", failed(errcode.Block, 40164, 3, 3000, 3300), func(r *record) { r.Orders = 1 }), now: 3001, want: 3001, reason: ordered},
		{name: "an order does not pass over spacing", p: policyFor("classic"), r: valued("classic", func(r *record) { r.Orders = 1 }), now: 100, want: 240, reason: ordered},
		{name: "an order leaves callers the value before a renewed one for a max_age", p: policyFor("stable"), r: valued("stable", func(r *record) { r.Orders, r.Generation = 1, 2 }), now: 39, want: 62, reason: ordered, force: true},
		{name: "the second order of a leak is not held up by that", p: policyFor("stable"), r: valued("stable", func(r *record) {
			r.Orders, r.Generation, r.Forced = 1, 2, []time.Time{at(-0.1)}
		}), now: 10, want: 31.9, reason: ordered, force: true},
		{name: "an order on stable is forced", p: policyFor("stable"), r: valued("stable", func(r *record) { r.Orders = 1 }), now: 100, want: 100, reason: ordered, force: true},
		{
			name: "a secret that was not refused yet passes over its block", p: policyFor("stable", func(p *policy) { p.secrets = []string{"new", "old"} }),
			r: record{Failure: &failure{Class: errcode.Block, Code: 40125, Secrets: []string{"new"}, At: at(0)}, NotBefore: at(60)}, now: 1, want: 1, reason: first,
		},

		{name: "an empty bucket makes unscheduled issues wait", p: policyFor("classic"), r: valued("classic", dead1, func(r *record) { r.Bucket = empty }), now: 100, want: 300, reason: dead},
		{name: "and not the scheduled one", p: policyFor("classic"), r: valued("classic", func(r *record) { r.Bucket = bucket{Left: 0, At: at(5399)}; r.Renewed = at(0) }), now: 5400, want: 5400, reason: renew, free: true},
		{name: "a life of one second is believed, and not scheduled", p: policyFor("classic"), r: valued("classic", func(r *record) {
			r.Life = time.Second
			r.Expires = at(0.875)
			r.Renewed = at(0)
		}), now: 0.5, want: 240, reason: renew},

		{name: "dry with a fallback: crosses over near the end", p: policyFor("stable", classicFallback), r: valued("stable", func(r *record) { r.Dry = dryUntil("stable", 50000) }), now: 7000, want: 7045, reason: renew, free: true},
		{name: "dry with a fallback and nothing live", p: policyFor("stable", classicFallback), r: valued("stable", dead1, func(r *record) { r.Dry = dryUntil("stable", 50000) }), now: 100, want: 100, reason: dead},
		{name: "on the fallback while dry", p: policyFor("stable", classicFallback), r: valued("classic", func(r *record) { r.Dry = dryUntil("stable", 50000) }), now: 100, want: 5400, reason: renew, free: true},
		{name: "back from the fallback when it is due", p: policyFor("stable", classicFallback), r: valued("classic"), now: 100, want: 5400, reason: renew, free: true},

		{name: "a record of a later version is left alone", p: policyFor("stable"), r: record{Format: format + 1}, now: 1, want: -1},
	} {
		got := row.p.plan(row.r, at(row.now))
		want := time.Time{}
		if row.want >= 0 {
			want = at(row.want)
		}
		// The bucket rounds up by a nanosecond.
		if d := got.At.Sub(want); d < 0 || d > time.Microsecond || got.Reason != row.reason || got.Force != row.force || got.Free != row.free {
			t.Errorf("%s: %s at %v, force %v, free %v; want %s at %v, force %v, free %v", row.name,
				got.Reason, got.At.Sub(day0), got.Force, got.Free, row.reason, want.Sub(day0), row.force, row.free)
		}
	}
}

func TestCertainNeverReachesBeyondTheOverlap(t *testing.T) {
	t.Parallel()
	classic, stable := policyFor("classic"), policyFor("stable")
	for _, row := range []struct {
		name string
		p    policy
		r    record
		now  float64
		want float64
	}{
		{"classic: planned renewal, and the overlap less the drain", classic, valued("classic"), 1, 5400 + 300 - 75},
		{"classic under way", classic, valued("classic", tried("me", 5000, false)), 5001, 5000 + 300 - 75},
		{"classic, two unresolved: the older one counts", classic, valued("classic", tried("me", 5000, true), tried("me", 5240, false)), 5241, 5000 + 300 - 75},
		{"stable: to its end", stable, valued("stable"), 1, 7195},
		{"stable under way", stable, valued("stable", func(r *record) { r.Attempts = []attempt{{ID: "x", Node: "other", At: at(6902), Mild: true}} }), 6903, 7195},
		{"classic, overdue because it is blocked: from any moment on", classic, valued("classic", failed(errcode.Block, 40164, 3, 5990, 6290)), 6000, 6000 + 300 - 75},
		{"never beyond the end", classic, valued("classic", func(r *record) { r.Expires = at(5000) }), 1, 5000},
	} {
		if got, _ := row.p.certain(row.r, at(row.now)); !got.Equal(at(row.want)) {
			t.Errorf("%s: %v, want %v", row.name, got.Sub(day0), at(row.want).Sub(day0))
		}
	}
}

func TestTimesScaleWithALifeAndMachinesDoNot(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]times{
		2 * time.Hour:    {overlap: 5 * time.Minute, lead: 30 * time.Minute, drain: 75 * time.Second, maxAge: time.Minute, inDoubt: 5 * time.Second, margin: 5 * time.Second, spacing: 4 * time.Minute, day: 24 * time.Hour, timeout: 8 * time.Second, term: 30 * time.Second, guard: 10 * time.Second},
		2 * time.Minute:  {overlap: 5 * time.Second, lead: 30 * time.Second, drain: 1250 * time.Millisecond, maxAge: time.Second, inDoubt: 2 * time.Minute / 1440, margin: 2 * time.Minute / 1440, spacing: 4 * time.Second, day: 24 * time.Minute, timeout: 2 * time.Second, term: 3 * time.Second, guard: time.Second},
		24 * time.Second: {overlap: time.Second, lead: 6 * time.Second, drain: 250 * time.Millisecond, maxAge: 200 * time.Millisecond, inDoubt: 24 * time.Second / 1440, margin: 24 * time.Second / 1440, spacing: 800 * time.Millisecond, day: 288 * time.Second, timeout: 2 * time.Second, term: 3 * time.Second, guard: time.Second},
	} {
		got := timesOf(life)
		want.life, want.force, want.slack, want.believe, want.spread, want.beat = life, life/240, life/3600, life/720, life/2400, 2*time.Second
		if got != want {
			t.Errorf("life %v:\n got %+v\nwant %+v", life, got, want)
		}
	}
}

func TestMidnightIsBeijings(t *testing.T) {
	t.Parallel()
	tm := timesOf(2 * time.Hour)
	for now, want := range map[string]string{
		"2026-11-22T15:59:59Z": "2026-11-22T16:00:00Z",
		"2026-11-22T16:00:00Z": "2026-11-23T16:00:00Z",
		"2026-12-31T20:00:00Z": "2027-01-01T16:00:00Z",
	} {
		n, _ := time.Parse(time.RFC3339, now)
		if got := tm.midnight(n).Format(time.RFC3339); got != want {
			t.Errorf("after %s comes %s, want %s", now, got, want)
		}
	}
	if fast := timesOf(2 * time.Minute); fast.midnight(day0).Sub(day0) != 24*time.Minute {
		t.Error("a scaled day is waited out in real time")
	}
}

func TestAllowanceStaysBelowAFifthOfTheQuota(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{2 * time.Hour, 2 * time.Minute} {
		tm := timesOf(life)
		for _, quota := range []int{150, 200, 500, 2000, 100000} {
			a := allowanceOf(quota, tm)
			worst := maxScheduled + a.burst + float64(tm.day)/float64(a.every)
			if worst > float64(quota)/5+0.001 {
				t.Errorf("life %v, quota %d: up to %.1f issues a day", life, quota, worst)
			}
			if a.every < tm.overlap || a.burst > 10 {
				t.Errorf("life %v, quota %d: %+v", life, quota, a)
			}
		}
	}
}

// A ticket asked for again is told to live a whole life, however old it is; what
// is known is that it works for half a life after it was given.
func TestATicketIsCertainForHalfALife(t *testing.T) {
	t.Parallel()
	line, _ := wechat.Find("jsapi_ticket", "")
	p := policyFor("classic", func(p *policy) { p.line = line })
	// It was due at 45 minutes, and there is no token to ask with.
	r := valued("", func(r *record) { r.Checked = at(600); r.Expires = at(7795) })
	for _, now := range []float64{3600, 4199, 4300} {
		until, steady := p.certain(r, at(now))
		if half := at(600 + 3600); until.After(half) || steady.After(half) {
			t.Errorf("%vs after the first: certain until %v, steady until %v, half a life is over at %v", now, until, steady, half)
		}
	}
}

// A forced issue ends the live value, so it keeps its distance from another one
// that nobody has heard of.
func TestAForcedIssueIsSpacedFromALostOne(t *testing.T) {
	t.Parallel()
	p := policyFor("stable")
	r := valued("stable", tried("other", 1000, true), func(r *record) { r.Orders, r.Forced = 1, []time.Time{at(1000)} })
	if n := p.plan(r, at(1040)); !n.Force || n.At.Before(at(1000).Add(p.spacing)) {
		t.Errorf("forced %v, %v after the lost one", n.Force, n.At.Sub(at(1000)))
	}
	r.Dead = true
	if n := p.plan(r, at(1040)); n.At.After(at(1040)) {
		t.Errorf("a dead value is left for %v", n.At.Sub(at(1040)))
	}
}
