package keeper

import (
	"slices"
	"time"
)

// maxForced is how many forced issues WeChat allows a day.
// https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html
const maxForced = 20

// allowance is what one app may spend in a day: the scheduled renewals, which
// are free and at most scheduled in number, and a bucket for all else.
type allowance struct {
	burst float64
	every time.Duration // one more, up to the burst
}

// maxScheduled is how many free renewals fit into a day: two of them are never
// closer than five eighths of a life.
const maxScheduled = 20

// allowanceOf keeps the sum of both below a fifth of WeChat's daily quota.
func allowanceOf(quota int, t times) allowance {
	budget := float64(quota) / 5
	a := allowance{burst: min(10, max(1, float64(int(budget/8))))}
	perDay := max(1, budget-maxScheduled-a.burst)
	a.every = max(t.overlap, time.Duration(float64(t.day)/perDay))
	return a
}

// bucket is how much was left at a moment. The zero bucket is full.
type bucket struct {
	Left float64   `json:"left"`
	At   time.Time `json:"at,omitzero"`
}

// left is how much there is now.
func (a allowance) left(b bucket, now time.Time) float64 {
	if b.At.IsZero() {
		return a.burst
	}
	// A clock that went back gives nothing.
	gone := max(0, now.Sub(b.At))
	return min(a.burst, b.Left+float64(gone)/float64(a.every))
}

// next is when there is one to take.
func (a allowance) next(b bucket, now time.Time) time.Time {
	left := a.left(b, now)
	if left >= 1 {
		return now
	}
	// A nanosecond more, so that rounding never wakes us too early.
	return now.Add(time.Duration((1-left)*float64(a.every)) + 1)
}

func (a allowance) take(b bucket, now time.Time) bucket {
	return bucket{Left: a.left(b, now) - 1, At: now}
}

func (a allowance) giveBack(b bucket, now time.Time) bucket {
	return bucket{Left: min(a.burst, a.left(b, now)+1), At: now}
}

// lastDay drops what is older than a day.
func lastDay(forced []time.Time, now time.Time, t times) []time.Time {
	return slices.DeleteFunc(slices.Clone(forced), func(f time.Time) bool { return now.Sub(f) >= t.day })
}
