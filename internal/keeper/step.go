package keeper

import (
	"errors"
	"slices"
	"time"

	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/wechat"
)

// The steps from one record to the next. They are pure; whoever takes one
// writes the result with compare-and-swap, or takes it again on what somebody
// else has written.

// open writes down an attempt before it is made, and charges for it.
func (p policy) open(r record, n plan, id string, now time.Time) record {
	r.Format = format
	r.Attempts = append(slices.Clone(r.Attempts), attempt{ID: id, Node: p.node, At: now, Free: n.Free, Mild: !n.Line.Ends && !n.Force})
	if n.Free {
		r.Renewed = now
	} else {
		r.Bucket = p.take(r.Bucket, now)
	}
	if n.Force {
		r.Forced = append(lastDay(r.Forced, now, p.times), now)
	}
	return r
}

// outcome is how an attempt ended, with the moments in which its request was
// out, in the store's time.
type outcome struct {
	Issued   wechat.Issued
	Err      *wechat.Error // nil: issued
	Sent     time.Time
	Answered time.Time
	// Exact: the store's time and our own clock agree about these moments, so
	// they may be held against those of others.
	Exact bool
}

// result is what an issue came to, for counters and the log.
type result int

const (
	issued result = iota
	repeated
	refused
	unsent
	ambiguous
	orphaned // too late, and not needed any more
	results
)

func (r result) String() string {
	return [...]string{"issued", "repeated", "refused", "not_sent", "ambiguous", "orphaned"}[r]
}

// settle takes the outcome of an attempt into the record.
func (p policy) settle(r record, n plan, id string, o outcome, now time.Time) (record, result) {
	r.Format = format
	a, open := r.own(id)
	// A store whose clock was set back orders nothing by its times.
	setBack := r.Answered.After(now.Add(p.term))
	o.Exact = o.Exact && !setBack
	switch {
	case a.Over:
		return r, orphaned // it stands there already: our write was unsure
	case !open:
		return p.late(r, n, id, o)
	case o.Err != nil:
		r, res := p.fail(r, n, a, o.Err, now)
		if res == ambiguous && !a.Mild && o.Answered.Sub(a.At) >= p.term {
			// Our lease was over, so another one may have issued before us.
			r.Attempts = append(r.Attempts, attempt{ID: id + "+", Node: p.node, At: o.Answered, Over: true})
		}
		return r, res
	case o.Sent.Before(r.Answered) && !setBack:
		// Another one has issued meanwhile: a holder that was stopped past its lease.
		return p.late(r.without(id), n, id, o)
	}
	return p.commit(r, n, o, a.At)
}

// commit takes a value that was issued by an attempt of that moment. It
// answers for all older attempts; a younger one may still bring a newer value.
func (p policy) commit(r record, n plan, o outcome, at time.Time) (record, result) {
	life := o.Issued.Life
	if life == 0 {
		life = p.overlap
	}
	value, end := o.Issued.Value.Reveal(), o.Sent.Add(life)
	r.NotBefore, r.Failure, r.Suspect = time.Time{}, nil, false
	r.Attempts = slices.DeleteFunc(slices.Clone(r.Attempts), func(a attempt) bool { return !a.At.After(at) })
	if value == r.Value {
		r.Orders = 0
		r.Checked = o.Sent
		if r.Dead {
			r.Same = true
			return r, repeated
		}
		until := end.Add(-p.cut(r.Life))
		if !n.Line.Repeats {
			// Were a line that never repeats to do it, nothing says that the
			// value lives longer than was first said.
			until = earliest(until, r.Expires)
		}
		r.Expires = until
		return r, repeated
	}
	r.Source, r.Value = n.Line.Source, value
	r.Generation++
	r.Asked, r.Answered, r.Life = o.Sent, o.Answered, life
	r.Expires = end.Add(-p.cut(life))
	r.Checked, r.Dead, r.Same = time.Time{}, false, false
	r.Orders = max(0, r.Orders-1)
	return r, issued
}

// late takes the outcome of an attempt that is not open any more: somebody
// healed it away while we were paused. Its value, known or not, may be the
// newest there is, or dead; only the order of the two issues tells.
func (p policy) late(r record, n plan, id string, o outcome) (record, result) {
	switch {
	case o.Err != nil && o.Err.Outcome != wechat.Ambiguous, o.Exact && o.Answered.Before(r.Asked),
		o.Err == nil && o.Issued.Value.Reveal() == r.Value:
		return r, orphaned
	case o.Err == nil && o.Exact && o.Sent.After(r.Answered):
		return p.commit(r, n, o, o.Sent)
	case !n.Line.Ends && !n.Force:
		return r, orphaned
	}
	// Nobody knows. That is what an unresolved attempt means, so it is one: not
	// older than the value that it may have ended, and, as to when the next may
	// be made, as young as can be.
	r.Attempts = append(slices.Clone(r.Attempts),
		attempt{ID: id, Node: p.node, At: latest(o.Sent, r.Asked), Over: true},
		attempt{ID: id + "+", Node: p.node, At: latest(o.Answered, r.Asked), Over: true})
	return r, ambiguous
}

// fail takes an attempt that brought no value.
func (p policy) fail(r record, n plan, a attempt, e *wechat.Error, now time.Time) (record, result) {
	f := &failure{Class: n.Line.Class(e.Code), Code: e.Code, Text: e.Message, IP: e.IP, At: now, Count: 1}
	res := refused
	switch e.Outcome {
	case wechat.NotSent:
		f.Class, res = errcode.Wait, unsent
	case wechat.Ambiguous:
		f.Class, res = errcode.Unclear, ambiguous
	}
	if last := r.Failure; last != nil && last.Class == f.Class {
		f.Count = last.Count + 1
		f.Secrets = slices.Clone(last.Secrets)
	}
	if res == ambiguous && !a.Mild {
		r.Attempts = slices.Clone(r.Attempts)
		for i := range r.Attempts {
			r.Attempts[i].Over = r.Attempts[i].Over || r.Attempts[i].ID == a.ID
		}
		// The oldest says since when the value is in doubt, the youngest when the
		// last was made; those in between say nothing more.
		oldest, _ := r.intent()
		youngest := oldest
		for _, b := range r.Attempts {
			if !b.Mild && b.At.After(youngest.At) {
				youngest = b
			}
		}
		r.Attempts = slices.DeleteFunc(r.Attempts, func(b attempt) bool { return b.Over && b.ID != oldest.ID && b.ID != youngest.ID })
	} else {
		r = r.without(a.ID)
	}
	if res == unsent {
		r = p.undo(r, n, now)
	}
	r.Orders, r.Suspect = 0, false
	r.Failure = f
	r.NotBefore = now.Add(p.pause(f, r.live(now)))
	switch {
	case f.Class == errcode.Quota:
		// A little after midnight, each app at its own moment.
		until := p.midnight(now).Add(time.Duration(p.jitter * float64(p.life/60)))
		r.NotBefore = time.Time{}
		if n.Force {
			// The quota of forced issues is one of its own.
			r.Forced = slices.Repeat([]time.Time{now}, maxForced)
		} else {
			dry := map[string]time.Time{n.Line.Source: until}
			for source := range r.Dry {
				if later := r.dry(source, now); !later.IsZero() && source != n.Line.Source {
					dry[source] = later
				}
			}
			r.Dry = dry
		}
	case p.wrongSecret(e.Code) && n.Line.With != "":
		f.Secrets = []string{n.Secret} // older tokens do not come back
	case p.wrongSecret(e.Code) && !slices.Contains(f.Secrets, n.Secret):
		// Another secret of the app's may be right; see newSecret.
		f.Secrets = append(f.Secrets, n.Secret)
	}
	return r, res
}

// undo gives back what an attempt was charged that surely did nothing.
func (p policy) undo(r record, n plan, now time.Time) record {
	if n.Free {
		r.Renewed = time.Time{}
	} else {
		r.Bucket = p.giveBack(r.Bucket, now)
	}
	if n.Force && len(r.Forced) > 0 {
		r.Forced = r.Forced[:len(r.Forced)-1]
	}
	return r
}

// withdraw removes an attempt of ours that was written and never sent.
func (p policy) withdraw(r record, n plan, id string, now time.Time) record {
	if _, open := r.own(id); !open {
		return r
	}
	return p.undo(r.without(id), n, now)
}

// refuse notes that WeChat refused the value.
func (r record) refuse(value string) record {
	if r.Value == value {
		r.Dead = true
	}
	return r
}

// regain is the record with what the store has forgotten of it. A store that
// lost its last writes, or was put back to an older copy, holds an older value
// than this node knows to be live, or does not know that the value is dead. What
// was written since then stays.
func (r record) regain(known record, now time.Time) (record, bool) {
	switch {
	case r.Format > format:
	case known.Generation > r.Generation && known.Asked.After(r.Asked) && known.live(now):
		known.Attempts = slices.Clone(known.Attempts)
		for _, a := range r.Attempts {
			// The value answers for what was begun before it.
			if _, both := known.own(a.ID); !both && a.At.After(known.Asked) {
				known.Attempts = append(known.Attempts, a)
			}
		}
		known.Orders = r.Orders
		return known, true
	case known.Value != "" && known.Value == r.Value && known.Dead && !r.Dead:
		r.Dead, r.Same = true, known.Same
		return r, true
	}
	return r, false
}

// order notes that an operator wants so many new values.
func (r record) order(n int) record {
	r.Format, r.Orders = format, n
	return r
}

// wechatError is the error of an issue as what it is.
func wechatError(err error) *wechat.Error {
	var e *wechat.Error
	if errors.As(err, &e) {
		return e
	}
	return &wechat.Error{Op: "issue", Outcome: wechat.Ambiguous, Message: "an error without a name"}
}
