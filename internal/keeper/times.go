package keeper

import "time"

// fullLife is the life that the platform's own times are told in.
const fullLife = 2 * time.Hour

// times is every duration of the renewal protocol, out of the life L that
// WeChat promises. What belongs to the platform scales with L, so that the
// same code runs against a simulator at sixty times the speed; what belongs to
// machines is clamped.
type times struct {
	life    time.Duration
	overlap time.Duration // how long a superseded value still works, at least
	lead    time.Duration // classic: renewed this long before the end
	drain   time.Duration // what caches and clocks need to be done with a value
	maxAge  time.Duration // how long a caller may keep a value
	inDoubt time.Duration // the same while it is in doubt
	margin  time.Duration // taken off the end of every life
	spacing time.Duration // between two issues that end each other
	force   time.Duration // between two forced issues
	slack   time.Duration // lateness that makes up for rounded seconds
	believe time.Duration // how long a probe that found a value alive is believed
	spread  time.Duration // refusals of a young value must be this far apart
	day     time.Duration // of the budget

	timeout time.Duration // of one issue
	term    time.Duration // of an attempt as a lease
	guard   time.Duration // from the begin of the write to the first byte sent
	beat    time.Duration // how often a node that is cut off looks again
}

func timesOf(life time.Duration) times {
	t := times{
		life:    life,
		overlap: life / 24,
		lead:    life / 4,
		drain:   life / 96,
		maxAge:  life / 120,
		inDoubt: life / 1440,
		margin:  life / 1440,
		spacing: life / 30,
		force:   life / 240,
		slack:   life / 3600,
		believe: life / 720,
		spread:  life / 2400,
		day:     12 * life,
		timeout: min(max(life/900, 2*time.Second), 8*time.Second),
		term:    min(max(life/240, 3*time.Second), 30*time.Second),
		beat:    2 * time.Second,
	}
	t.guard = t.term / 3
	return t
}

// scale turns a pause that is told for a life of two hours into ours.
func (t times) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * float64(t.life) / float64(fullLife))
}

// ladder is how long to wait after the nth failure in a row that goes away by
// itself. What comes after its end is paced by the bucket.
var ladder = [...]time.Duration{3 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute}

// step is the nth rung, from 1. With nothing live in hand there is a hurry,
// and no rung above the second is used.
func (t times) step(n int, live bool) time.Duration {
	i := min(max(n, 1), len(ladder)) - 1
	if !live {
		i = min(i, 1)
	}
	return max(t.scale(ladder[i]), 200*time.Millisecond)
}

// beijing is where WeChat's day begins. It has had no summer time since 1991,
// so no time zone file is needed.
var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// midnight is when the day's quota comes back: the next midnight in Beijing,
// or a day of the budget from now if that is sooner (in a scaled simulation).
func (t times) midnight(now time.Time) time.Time {
	y, m, d := now.In(beijing).Date()
	next := time.Date(y, m, d+1, 0, 0, 0, 0, beijing).UTC()
	if end := now.Add(t.day); end.Before(next) {
		return end
	}
	return next
}
