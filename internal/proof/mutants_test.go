package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is the keeper with one rule taken out or turned round. The simulation
// must catch it; docs/proof.md says by which of its rules it did.
type mutant struct {
	name     string
	file     string // of internal/keeper, or a path from the root
	old, new string
	breaks   string
	more     string // goes to the end of the file
	// by is a plain test of the keeper that catches it, where the simulation
	// needs longer than a run of the mutants lasts.
	by string
}

var mutants = []mutant{
	{"no-intent", "renew.go", "		mine = true\n		return p.open(r, n, id, now), true\n", "		mine = true\n		return r, false\n", "the attempt is not written down before it is sent", "", ""},
	{"send-when-unsure", "renew.go", "	if errors.Is(err, store.ErrUnsure) {\n		// It may be open.", "	if errors.Is(err, store.ErrUnsure) && mine {\n		err = nil\n	} else if errors.Is(err, store.ErrUnsure) {\n		// It may be open.", "an attempt is sent whose write is unsure", "", ""},
	{"double-send", "renew.go", "	o.Issued, err = n.Line.Issue(ctx, k.Upstream, g)\n	cancel()\n", "	_, _ = n.Line.Issue(ctx, k.Upstream, g)\n	o.Issued, err = n.Line.Issue(ctx, k.Upstream, g)\n	cancel()\n", "one attempt is sent twice, as Go does on a kept connection that dies", "", ""},
	{"no-lease", "policy.go", "		if a.Node != p.node && !a.Over {\n", "		if a.Node != p.node && !a.Over && p.alone {\n", "a young attempt of another node is no lease", "", ""},
	{"no-recheck", "renew.go", "		// Look again: another node may have been faster.\n		if m := p.plan(r, now); ", "		// Look again: another node may have been faster.\n		if m := n; ", "who comes second does not look again", "", ""},
	{"no-guard", "renew.go", "	g.SendBy = began.Add(k.guard)\n	ctx, cancel := context.WithTimeout(context.Background(), k.timeout)\n	o, wall", "	g.SendBy = began.Add(24 * time.Hour)\n	ctx, cancel := context.WithTimeout(context.Background(), k.timeout)\n	o, wall", "an attempt is sent however old it is", "", ""},
	{"late-dropped", "step.go", "	case !open:\n		return p.late(r, n, id, o)\n", "	case !open:\n		return r, orphaned\n", "fencing without healing: what comes late is dropped", "", ""},
	{"late-error-dropped", "step.go", "	case o.Err != nil && o.Err.Outcome != wechat.Ambiguous, o.Exact", "	case o.Err != nil, o.Exact", "a late answer that is lost is no doubt (found by the simulation)", "", ""},
	{"no-fence", "step.go", "	case !open:\n		return p.late(r, n, id, o)\n", "	case !open && n.Line.Kind == \"\":\n		return p.late(r, n, id, o)\n", "a value is committed without a look whether its attempt is still open", "", ""},
	{"busy-is-refused", "internal/wechat/error.go", "	if class == errcode.Unclear {\n", "	if class == errcode.Unclear && code != -1 {\n", "-1 is taken to mean that nothing happened", "", ""},
	{"lost-is-refused", "internal/wechat/client.go", "		return nil, transportError(op, c.base.Host, err)\n", "		e := transportError(op, c.base.Host, err)\n		e.Outcome = Refused\n		return nil, e\n", "an answer that is lost is taken to mean that nothing happened", "", ""},
	{"older-intent-lost", "step.go", "b.ID != oldest.ID && b.ID != youngest.ID })", "b.ID != youngest.ID })", "of several unresolved attempts the last alone is kept", "", ""},
	{"younger-intent-lost", "step.go", "b.ID != oldest.ID && b.ID != youngest.ID })", "b.ID != oldest.ID && b.ID != a.ID })", "an old holder hides a younger attempt (found by the simulation)", "", "TestAnOldHolderDoesNotHideAYoungerAttempt"},
	{"commit-answers-all", "step.go", "return !a.At.After(at) })\n", "return true })\n", "a commit closes younger attempts of others, too", "", ""},
	{"withdraw-all", "step.go", "	return p.undo(r.without(id), n, now)\n", "	r.Attempts = nil\n	return p.undo(r, n, now)\n", "who takes its own attempt back takes all back", "", ""},
	{"heal-at-once", "policy.go", "	return latest(at, last.Add(p.spacing))\n", "	return at\n", "an unresolved attempt is healed at once, while caches hold the value", "", ""},
	{"forced-not-spaced", "policy.go", "	if !n.Line.Ends && !n.Force || !r.live(now) {\n", "	if !n.Line.Ends || !r.live(now) {\n", "a forced issue follows a lost one at once (found by the simulation)", "", "TestAForcedIssueIsSpacedFromALostOne"},
	{"no-doubt", "view.go", "	if v.inDoubt(now) || cutOff {\n", "	if cutOff {\n", "max_age is not shortened in doubt", "", ""},
	{"no-doubt-when-cut-off", "view.go", "	if v.inDoubt(now) || cutOff {\n", "	if v.inDoubt(now) {\n", "max_age is not shortened where the store cannot be reached", "", ""},
	{"certain-in-doubt", "policy.go", "	if a, ok := r.intent(); ok {\n		return earliest(end, ", "	if a, ok := r.intent(); ok && p.alone {\n		return earliest(end, ", "an unresolved attempt takes nothing from what is certain", "", ""},
	{"certain-to-the-end", "policy.go", "	if !l.Ends {\n		return end, time.Time{}\n	}\n", "	if !l.Ends || true {\n		return end, time.Time{}\n	}\n", "a classic value is promised to its end, though it will be replaced before", "", ""},
	{"no-drain", "times.go", "		drain:   life / 96,\n", "		drain:   0,\n", "what is promised lasts as long as the overlap, with nothing for caches and clocks", "", ""},
	{"ticket-to-its-end", "policy.go", "	if l.Ends && l.Repeats {\n		// See due", "	if l.Ends && l.Repeats && p.alone {\n		// See due", "a ticket is promised to the end that WeChat tells (found by the simulation)", "", ""},
	{"report-not-compared", "report.go", "	case !c.about(v):\n", "	case !c.about(v) && c.Generation == 1<<60:\n", "a report is not compared with the value in hand", "", ""},
	{"no-probe", "report.go", "	first := ask()\n", "	first := proven\n", "who reports is believed, and WeChat is not asked", "", ""},
	{"young-is-dead", "report.go", "	if first == proven && young {\n", "	if first == proven && young && false {\n", "a new value that has not reached all of WeChat is called dead", "", ""},
	{"young-when-answered", "report.go", "	if first == proven && young {\n", "	if young = time.Since(born) < k.maxAge; first == proven && young {\n", "whether a value is young is asked when the answer is there (found by the simulation)", "", "TestALateRefusalOfAYoungValueIsNoProof"},
	{"held-is-first", "step.go", "	case o.Sent.Before(r.Answered) && !setBack:\n", "	case o.Sent.Before(r.Answered) && setBack:\n", "who was stopped past its lease is taken to have issued when it began (found by the simulation)", "", "TestAHeldHolderIsNotTakenForTheFirst"},
	{"held-and-lost", "step.go", "		if res == ambiguous && !a.Mild && o.Answered.Sub(a.At) >= p.term {\n", "		if res == ambiguous && !a.Mild && o.Answered.Sub(a.At) >= p.day {\n", "the same, when it heard nothing (found by the simulation)", "", ""},
	{"late-taken-twice", "step.go", "	case a.Over:\n		return r, orphaned // it stands there already: our write was unsure\n", "", "a late outcome whose write was unsure is taken as one in time (found by the simulation)", "", "TestALateOutcomeIsTakenOnce"},
	{"acts-on-a-bad-clock", "renew.go", "	if !known || clk.took > k.guard {\n", "	if !known {\n", "who was stopped in its first read acts on the time that it took from it (found by the simulation)", "", "TestNothingIsBegunByABadClock"},
	{"dead-served", "record.go", "	return r.Value != \"\" && !r.Dead && now.Before(r.Expires)\n", "	return r.Value != \"\" && now.Before(r.Expires)\n", "a value that is proven dead is still served", "", ""},
	{"mourn-any", "report.go", "	if v := e.view.Load(); v != nil && v.cred.Value.Equal(value) {\n", "	if v := e.view.Load(); v != nil {\n", "the death of an old value takes the new one away (found by the simulation)", "", ""},
	{"no-budget", "policy.go", "	if ready := p.next(r.Bucket, at); ready.After(at) {\n", "	if ready := p.next(r.Bucket, at); ready.After(at) && n.Free {\n", "no budget: whatever is reported is issued", "", ""},
	{"failures-free", "step.go", "	if res == unsent {\n		r = p.undo", "	if res != refused {\n		r = p.undo", "what fails is not charged", "", ""},
	{"calendar-budget", "budget.go", "	return min(a.burst, b.Left+float64(gone)/float64(a.every))\n", "	if gone > 0 && now.Truncate(24*time.Hour).After(b.At) {\n		return 60\n	}\n	return b.Left\n", "a budget of the calendar day, which two days spend at midnight", "", ""},
	{"exponential-reports", "policy.go", "	at := latest(n.At, now)\n	if n.Reason == renew", "	at := latest(n.At, now)\n	if n.Reason == dead && !r.Bucket.At.IsZero() {\n		n.At = latest(n.At, r.Bucket.At.Add(p.spacing<<min(6, int(p.burst-r.Bucket.Left))))\n		at = latest(n.At, now)\n	}\n	if n.Reason == renew", "reports are answered ever more slowly", "", ""},
	{"quota-ignored", "policy.go", "		n.At = latest(n.At, r.dry(n.Line.Source, now))\n", "", "WeChat is asked on though the day's quota is spent", "", ""},
	{"forced-too-often", "times.go", "		force:   life / 240,\n", "		force:   life / 2400,\n", "forced issues follow each other faster than WeChat allows", "", ""},
	{"life-from-the-answer", "step.go", "	value, end := o.Issued.Value.Reveal(), o.Sent.Add(life)\n", "	value, end := o.Issued.Value.Reveal(), o.Answered.Add(life)\n", "a life is counted from the answer, not from the request", "", ""},
	{"wall-clock", "view.go", "		until:   c.local(r.Expires),\n", "		until:   r.Expires,\n", "the store's end of a value is held against this machine's wall clock", "", ""},
	{"clock-of-a-pause", "view.go", "!old.said.IsZero() && c.took > old.took+age/1000 {\n", "!old.said.IsZero() && c.took < 0 && age < 0 {\n", "an answer that was long under way sets the clock (found by the simulation)", "", ""},
	{"renewed-late", "policy.go", "	return r.Asked.Add(r.Life*3/4 - ", "	return r.Asked.Add(r.Life - 200*time.Second - ", "classic values are renewed 200 s before their end", "", ""},
	{"forgets-with-the-store", "entry.go", "	rec, e.behind = rec.regain(e.rec, got.Now)\n", "	e.behind = false\n", "a store that lost its last writes is believed", "", ""},
	{"wiped-with-the-store", "follow.go", "		rec = e.rec\n		e.mu.Unlock()\n		got.Version", "		e.mu.Unlock()\n		got.Version", "what a store lost altogether is not put back", "", ""},
	{"no-reread", "follow.go", "		k.Log.Error(\"the store fails; live values are served from memory, nothing is issued\", \"err\", err)\n		k.rereadAll()\n", "		k.Log.Error(\"the store fails; live values are served from memory, nothing is issued\", \"err\", err)\n", "a store that was away is not read anew", "", ""},
	{"unsaved-kept-back", "entry.go", "	if u := e.unsaved; u != nil && u.kept && u.outcome.Err == nil {\n", "	if u := e.unsaved; u != nil && u.kept && u.outcome.Err != nil {\n", "a value that the store would not take is given to nobody", "", ""},
	{"solo-on-classic", "solo.go", " || n.Force || n.Line.Ends || ", " || n.Force || ", "a node that is cut off asks for itself on the classic line, too", "", ""},
	{"reads-ask-the-store", "read.go", "	e.reads.Add(1)\n	now := time.Now()\n	if v := e.view.Load(); v.live(now) {\n", "	e.reads.Add(1)\n	_ = k.load(ctx, e)\n	now := time.Now()\n	if v := e.view.Load(); v.live(now) {\n", "a read asks the store first", "", ""},
	{"reads-wait-for-a-probe", "read.go", "	e.reads.Add(1)\n	now := time.Now()\n	if v := e.view.Load(); v.live(now) {\n", "	e.reads.Add(1)\n	now := time.Now()\n	if v := e.view.Load(); v.live(now) && e.acting {\n		k.outlived(e)\n	}\n	if v := e.view.Load(); v.live(now) {\n", "a read waits for WeChat while an issue is under way", "", ""},
	{"apps-share-pauses", "policy.go", "func (p policy) paused(r record, now time.Time) time.Time {\n", "func (p policy) paused(r record, now time.Time) time.Time {\n	ofAllTurn <- struct{}{}\n	defer func() { <-ofAllTurn }()\n	if r.Failure != nil && r.NotBefore.After(ofAll[p.node]) {\n		ofAll[p.node] = r.NotBefore\n	}\n	if ofAll[p.node].After(now) && ofAll[p.node].Sub(now) < time.Hour {\n		return ofAll[p.node]\n	}\n", "a failure of one app pauses the others", "\nvar (\n\tofAllTurn = make(chan struct{}, 1)\n\tofAll     = map[string]time.Time{}\n)\n", ""},
}

// source is the file that a mutant changes, from the root of the module.
func (m mutant) source() string {
	if strings.Contains(m.file, "/") {
		return m.file
	}
	return "internal/keeper/" + m.file
}

// change gives the mutated text of a source.
func (m mutant) change(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", m.source()))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		t.Errorf("%s: its old text stands %d times in %s; bring it up to date", m.name, n, m.source())
	}
	return strings.Replace(string(text), m.old, m.new, 1) + m.more
}

// The list of mutants fits the code, and both documents tell of each.
func TestEveryMutantIsOneOfThisCode(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("%s stands twice", m.name)
		}
		names[m.name] = true
		if m.change(t) == "" || m.old == m.new || m.breaks == "" {
			t.Errorf("%s changes nothing, or does not say what", m.name)
		}
		for _, doc := range []string{"proof.md", "proof.zh-CN.md"} {
			if text, err := os.ReadFile(filepath.Join("..", "..", "docs", doc)); err != nil || !strings.Contains(string(text), "| `"+m.name+"` |") {
				t.Errorf("docs/%s does not tell of %s", doc, m.name)
			}
		}
	}
}
