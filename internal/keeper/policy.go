package keeper

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/wechat"
)

// policy is what is known about one credential besides its record: the lines
// of its app, the times, the allowance. Everything here is a pure function of
// the record and the store's time; the goroutines are in renew.go.
type policy struct {
	times
	allowance
	line     wechat.Line  // the app's own source
	fallback *wechat.Line // where the app may cross over to when that is dry
	jitter   float64      // 0 up to 1, the same for an app always
	secrets  []string     // tags of what an issue may show, in the order to try: see Keeper.shown
	node     string       // this node
	alone    bool         // no other node lives: the store proves it
}

// reason is why an issue is made.
type reason string

const (
	first    reason = "first"    // nothing was ever in hand
	expired  reason = "expired"  // nothing live is in hand
	dead     reason = "dead"     // WeChat refused the value
	renew    reason = "renew"    // it is time
	heal     reason = "heal"     // an attempt stayed unresolved
	switched reason = "switched" // the app has another source now
	ordered  reason = "ordered"  // an operator wants it
	doubted  reason = "doubted"  // a client says that it does not work
)

// plan is the next thing to do. A zero At: nothing, until something changes.
type plan struct {
	At     time.Time
	Reason reason
	Line   wechat.Line
	Force  bool
	Free   bool   // the scheduled renewal
	Secret string // tag of what to show
}

// jitterOf spreads apps evenly, and gives an app the same place on every node.
func jitterOf(k credential.Key) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(k.String()))
	return float64(h.Sum64()>>11) / (1 << 53)
}

// plan says what to do next and when.
func (p policy) plan(r record, now time.Time) plan {
	if r.Format > format || p.idle(r, now) || p.lacks() {
		return plan{}
	}
	n := p.need(r, now)
	n.Secret = p.secret(r)
	n.At = latest(n.At, p.leaseEnd(r, now))
	n.At = latest(n.At, p.spaced(r, n, now))
	// An operator's order passes over quota and pauses, a new AppSecret over
	// pauses; nothing passes over spacing and the bucket.
	if n.Reason != ordered {
		n.At = latest(n.At, r.dry(n.Line.Source, now))
	}
	if n.Reason != ordered && !p.newSecret(r) {
		n.At = latest(n.At, p.paused(r, now))
	}
	return p.charge(r, n, now)
}

// idle reports whether nobody has asked for a credential that is kept on demand
// within the last life.
func (p policy) idle(r record, now time.Time) bool {
	return p.line.OnDemand && now.Sub(r.Wanted) >= p.life
}

// lacks reports whether the credential that this one is issued with is not in
// hand.
func (p policy) lacks() bool { return p.line.With != "" && len(p.secrets) == 0 }

// need is what to do and when, were there nothing in the way.
func (p policy) need(r record, now time.Time) plan {
	n := plan{Line: p.line}
	live := r.live(now)
	dry := r.dry(p.line.Source, now)
	if p.fallback != nil && !dry.IsZero() && (!live || r.Expires.Sub(now) < p.overlap/2 || r.Source == p.fallback.Source) {
		n.Line = *p.fallback
	}
	switch {
	case r.Orders > 0:
		n.At, n.Reason, n.Force = now, ordered, n.Line.Forces
	case r.Value == "":
		n.At, n.Reason = now, first
	case r.Dead:
		n.At, n.Reason = now, dead
		if n.Line.Forces && r.Same && n.Line.Source == r.Source && now.Before(r.Expires) {
			// Once the value has come to its own end, asking normally helps
			// again; so it does if that is sooner than the next forced issue.
			n.Force = true
			if p.spaced(r, n, now).After(r.Expires) {
				n.At, n.Force = r.Expires, false
			}
		}
	case !live:
		n.At, n.Reason = now, expired
	case r.Source != p.line.Source && (p.fallback == nil || r.Source != p.fallback.Source):
		n.At, n.Reason = now, switched
	case r.Suspect:
		n.At, n.Reason = now, doubted
	default:
		n.At, n.Reason = p.due(r), renew
		if p.fallback != nil && !dry.IsZero() && n.Line.Source == p.line.Source {
			// Dry: cross over while a little of the old value is left.
			if cross := r.Expires.Add(-p.overlap / 2); cross.Before(dry) {
				n.At, n.Line = latest(n.At, cross), *p.fallback
			}
		}
		if a, ok := r.intent(); ok {
			n.At, n.Reason = earliest(n.At, a.At.Add(p.spacing)), heal
		}
	}
	return n
}

// due is when a live value is to be renewed.
func (p policy) due(r record) time.Time {
	end := r.Asked.Add(r.Life)
	switch l, ok := p.source(r.Source); {
	case ok && l.Repeats && l.Ends:
		// It may have been old when it was given. WeChat lets the old one work
		// for half a life beside the next, as far as is known: asked for again
		// sooner than that, the next is in hand in time.
		asked := latest(r.Asked, r.Checked)
		life := r.Expires.Add(p.cut(r.Life)).Sub(asked)
		return asked.Add(life*3/8 - time.Duration(p.jitter*float64(life/16)))
	case ok && l.Repeats:
		// The platform gives a new one in its last overlap only.
		open := end.Add(-p.overlap)
		if !r.Checked.IsZero() {
			end = r.Expires.Add(p.cut(r.Life))
			open = end.Add(-p.overlap)
		}
		if asked := latest(r.Asked, r.Checked); !asked.Before(open) {
			return asked.Add(max(end.Sub(asked)/4, p.life/480))
		}
		return open.Add(p.slack + time.Duration(p.jitter*float64(p.overlap/8)))
	}
	// Three quarters of its own life, and up to a sixteenth earlier, so that
	// apps that began together do not stay together.
	return r.Asked.Add(r.Life*3/4 - time.Duration(p.jitter*float64(r.Life/16)))
}

// source finds the line that a value came from.
func (p policy) source(name string) (wechat.Line, bool) {
	if p.line.Source == name {
		return p.line, true
	}
	if p.fallback != nil && p.fallback.Source == name {
		return *p.fallback, true
	}
	return wechat.Find(p.line.Kind, name)
}

// cut is what is taken off the end of a life: nobody uses its last seconds.
func (p policy) cut(life time.Duration) time.Duration { return min(p.margin, life/8) }

// certain is until when the live value works for sure. An issue that is open
// may have ended it then; else the next one will, when it is needed, or from
// now on if it is needed already. steady is until when the latter holds at any
// later moment too, as long as no issue is begun; zero: it does not.
func (p policy) certain(r record, now time.Time) (until, steady time.Time) {
	l, _ := p.source(r.Source)
	end := r.Expires
	if l.Ends && l.Repeats {
		// See due: nobody knows how old it was.
		end = earliest(end, latest(r.Asked, r.Checked).Add(r.Life/2))
	}
	if a, ok := r.intent(); ok {
		return earliest(end, a.At.Add(p.overlap-p.drain)), time.Time{}
	}
	if !l.Ends {
		return end, time.Time{}
	}
	return earliest(end, latest(p.need(r, now).At, now).Add(p.overlap-p.drain)), end
}

// doubt is from when on the value is in doubt, because an attempt has stayed
// without an answer; zero if it is not.
func (p policy) doubt(r record) time.Time {
	a, ok := r.intent()
	switch {
	case !ok:
		return time.Time{}
	case a.Over, p.alone && a.Node != p.node:
		return a.At
	}
	return a.At.Add(p.timeout)
}

// leaseEnd is when the youngest attempt of another node stops being a lease.
// Our own never is one: who plans is not issuing.
func (p policy) leaseEnd(r record, now time.Time) time.Time {
	if p.alone {
		return time.Time{}
	}
	var end time.Time
	for _, a := range r.Attempts {
		if a.Node != p.node && !a.Over {
			// An attempt from the future is as old as now.
			end = latest(end, earliest(a.At, now).Add(p.term))
		}
	}
	if !end.After(now) {
		return time.Time{}
	}
	return end
}

// paused is until when the last failure keeps us from asking.
func (p policy) paused(r record, now time.Time) time.Time {
	if r.Failure == nil || r.NotBefore.IsZero() {
		return time.Time{}
	}
	if f := r.Failure; f.Class != errcode.Block && f.Class != errcode.Quota && !r.live(now) {
		return earliest(r.NotBefore, f.At.Add(p.pause(f, false)))
	}
	return r.NotBefore
}

// pause is how long to wait after a failure.
func (p policy) pause(f *failure, live bool) time.Duration {
	var least time.Duration
	if f.Class == errcode.Wait || f.Class == errcode.Block {
		e, _ := errcode.Lookup(f.Code)
		least = p.scale(e.Pause)
	}
	if f.Class != errcode.Block {
		return max(p.step(f.Count, live), least)
	}
	grown := max(least, p.maxAge) << min(max(f.Count, 1)-1, 10)
	return min(grown, max(least, p.overlap))
}

// newSecret reports whether there is something to show, an AppSecret or a
// token, that WeChat has not yet refused: then an older refusal of another one
// says nothing.
func (p policy) newSecret(r record) bool {
	return r.Failure != nil && p.wrongSecret(r.Failure.Code) &&
		slices.ContainsFunc(p.secrets, func(s string) bool { return !slices.Contains(r.Failure.Secrets, s) })
}

// wrongSecret reports whether an issue was refused because of what it showed.
// WeChat answered 40001 to a wrong AppSecret once, and 40125 today.
func (p policy) wrongSecret(code int) bool {
	if p.line.With != "" {
		return errcode.DeadToken(code)
	}
	return code == 40001 || code == 40125
}

// secret is the tag of the first that was not refused, or of the
// first.
func (p policy) secret(r record) string {
	for _, s := range p.secrets {
		if r.Failure == nil || !slices.Contains(r.Failure.Secrets, s) {
			return s
		}
	}
	if len(p.secrets) > 0 {
		return p.secrets[0]
	}
	return ""
}

// spaced keeps apart issues that end each other, and forced ones.
func (p policy) spaced(r record, n plan, now time.Time) time.Time {
	var at, last time.Time
	if n.Force {
		at = p.spacedForced(r, n, now)
	}
	if !n.Line.Ends && !n.Force || !r.live(now) {
		return at
	}
	if l, ok := p.source(r.Source); ok && l.Ends && n.Line.Ends {
		last = latest(r.Asked, r.Checked)
	}
	for _, a := range r.Attempts {
		if !a.Mild {
			last = latest(last, a.At)
		}
	}
	if last.IsZero() {
		return at
	}
	return latest(at, last.Add(p.spacing))
}

// spacedForced keeps forced issues as far apart as WeChat wants them, and an
// operator's from a new value that was not forced: callers may keep the one before
// for a max_age yet, and a forced issue ends it.
func (p policy) spacedForced(r record, n plan, now time.Time) (at time.Time) {
	var last time.Time
	if forced := lastDay(r.Forced, now, p.times); len(forced) > 0 {
		last = forced[len(forced)-1]
		at = last.Add(p.force + p.slack)
		if len(forced) >= maxForced {
			at = latest(at, forced[len(forced)-maxForced].Add(p.day))
		}
	}
	if n.Reason == ordered && r.Generation > 1 && r.live(now) && r.Asked.Sub(last) > p.term {
		at = latest(at, r.Asked.Add(p.maxAge+p.slack))
	}
	return at
}

// charge makes the scheduled renewal free, and everything else wait for the
// bucket.
func (p policy) charge(r record, n plan, now time.Time) plan {
	at := latest(n.At, now)
	if n.Reason == renew && (r.Renewed.IsZero() || at.Sub(r.Renewed) >= p.life*5/8) {
		n.Free = true
		return n
	}
	if ready := p.next(r.Bucket, at); ready.After(at) {
		n.At = ready
	}
	return n
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
