package keeper

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/wechat"
)

// borrowing is the policy of a kind that is issued with another credential, on
// demand, and of which nobody knows whether asking again ends it or repeats it.
func borrowing(edit ...func(*policy)) policy {
	t := timesOf(2 * time.Hour)
	p := policy{
		times: t, allowance: allowanceOf(500, t), secrets: []string{"t1"}, node: "me",
		line: wechat.Line{Kind: "borrowed", With: credential.AccessToken, OnDemand: true, Ends: true, Repeats: true},
	}
	for _, e := range edit {
		e(&p)
	}
	return p
}

func wanted(s float64) func(*record) { return func(r *record) { r.Wanted = at(s) } }

func made(edit ...func(*record)) (r record) {
	for _, e := range edit {
		e(&r)
	}
	return r
}

func TestPlanOfWhatIsKeptOnDemand(t *testing.T) {
	t.Parallel()
	with := func(tokens ...string) func(*policy) { return func(p *policy) { p.secrets = tokens } }
	refusedWith := func(token string, when float64) func(*record) {
		return func(r *record) {
			failed(errcode.Renew, 40001, 1, when, when+3)(r)
			r.Failure.Secrets = []string{token}
		}
	}
	same := func(r *record) { r.Checked, r.Expires = at(2700), at(2700+7195) }
	suspect := func(r *record) { r.Suspect = true }
	for _, row := range []struct {
		name   string
		p      policy
		r      record
		now    float64
		want   float64 // when; -1: never by itself
		reason reason
	}{
		{name: "nobody ever asked", p: borrowing(), r: made(), now: 0, want: -1},
		{name: "asked for the first time", p: borrowing(), r: made(wanted(0)), now: 1, want: 1, reason: first},
		{name: "kept while it was asked for within a life", p: borrowing(), r: valued("", wanted(0)), now: 7190, want: 2700, reason: renew},
		{name: "and no longer", p: borrowing(), r: valued("", wanted(0)), now: 7200, want: -1},
		{name: "asked for again in good time, however often it was the same", p: borrowing(), r: valued("", wanted(2000), same), now: 2701, want: 5400, reason: renew},
		{name: "spread", p: borrowing(func(p *policy) { p.jitter = 0.5 }), r: valued("", wanted(0)), now: 1, want: 2700 - 225, reason: renew},
		{name: "what it is issued with is not in hand", p: borrowing(with()), r: made(wanted(0)), now: 1, want: -1},
		{name: "the token was refused: not at once with the same", p: borrowing(), r: made(wanted(0), refusedWith("t1", 0)), now: 1, want: 3, reason: first},
		{name: "at once with the next", p: borrowing(with("t2")), r: made(wanted(0), refusedWith("t1", 0)), now: 1, want: 1, reason: first},
		{name: "no right: half an hour", p: borrowing(), r: made(wanted(0), failed(errcode.Block, 48001, 1, 0, 1800)), now: 1, want: 1800, reason: first},
		{name: "no right, and the next token changes nothing", p: borrowing(with("t2")), r: made(wanted(0), failed(errcode.Block, 48001, 1, 0, 1800)), now: 1, want: 1800, reason: first},
		{name: "a client says that it does not work: asked again, not closer than two may be", p: borrowing(), r: valued("", wanted(0), suspect), now: 100, want: 240, reason: doubted},
		{name: "later: at once", p: borrowing(), r: valued("", wanted(0), suspect), now: 1000, want: 1000, reason: doubted},
		{name: "and only out of the bucket", p: borrowing(), r: valued("", wanted(0), suspect, func(r *record) { r.Bucket = bucket{Left: 0.5, At: at(1000)} }), now: 1000, want: 1000 + 0.5*86400/70, reason: doubted},
		{name: "unresolved: healed as if it had ended the old one", p: borrowing(), r: valued("", wanted(2700), tried("me", 2700, true)), now: 2710, want: 2940, reason: heal},
	} {
		got := row.p.plan(row.r, at(row.now))
		want := time.Time{}
		if row.want >= 0 {
			want = at(row.want)
		}
		if d := got.At.Sub(want); d < 0 || d > time.Microsecond || got.Reason != row.reason {
			t.Errorf("%s: %s at %v; want %s at %v", row.name, got.Reason, got.At.Sub(day0), row.reason, want.Sub(day0))
		}
	}
}

// Whether a new value ends the old one is not known, so what is certain ends
// with the overlap after the next one; that the same may come is no alarm.
func TestOfTwoDoubtsTheWorseOneIsReckonedWith(t *testing.T) {
	t.Parallel()
	p := borrowing()
	r := valued("", wanted(0))
	if got, _ := p.certain(r, at(1)); !got.Equal(at(2700 + 300 - 75)) {
		t.Errorf("certain until %v", got.Sub(day0))
	}
	n := plan{Line: p.line, Reason: renew, Secret: "t1"}
	opened := p.open(r, n, "x", at(2700))
	if opened.Attempts[0].Mild {
		t.Error("a lost answer counts for nothing")
	}
	again, res := p.settle(opened, n, "x", brought("v1", 2700, 2700.2), at(2700.2))
	if res != repeated || again.Generation != 1 || !again.Expires.Equal(at(2700+7195)) {
		t.Errorf("the same again: %v, %+v", res, again)
	}
	next, res := p.settle(opened, n, "x", brought("v2", 2700, 2700.2), at(2700.2))
	if res != issued || next.Generation != 2 {
		t.Errorf("another one: %v, %+v", res, next)
	}
	// Too late, and nobody knows in which order: in doubt.
	late := brought("v0", 2699, 2701)
	late.Exact = false
	doubt, res := p.settle(valued("", wanted(0)), n, "gone", late, at(2800))
	if a, open := doubt.intent(); res != ambiguous || !open || !a.At.Equal(at(2699)) {
		t.Errorf("a late one: %v, %+v", res, doubt)
	}
}

// A refused token is the token's news: the record says which, once.
func TestARefusedTokenIsNamedAndForgotten(t *testing.T) {
	t.Parallel()
	p, r := borrowing(), made(wanted(0))
	for i, token := range []string{"t1", "t2", "t3"} {
		n := plan{Line: p.line, Reason: first, Secret: token}
		now := at(float64(i))
		r, _ = p.settle(p.open(r, n, token, now), n, token, outcome{Err: &wechat.Error{Outcome: wechat.Refused, Code: 42001}}, now)
		if f := r.Failure; f == nil || f.Class != errcode.Renew || len(f.Secrets) != 1 || f.Secrets[0] != token || len(r.Attempts) != 0 {
			t.Fatalf("after %s: %+v", token, r)
		}
	}
}
