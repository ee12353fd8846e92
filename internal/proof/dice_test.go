package proof

import (
	"hash/fnv"
	"time"
)

// dice is chance without a state. What is thrown depends on the seed and on what
// it is thrown for, and not on who threw before: so goroutines that run at the
// same instant cannot take each other's numbers.
type dice uint64

// of is the dice for one thing: a node, an operation, its number.
func (d dice) of(things ...uint64) dice {
	for _, x := range things {
		d = dice(mix(uint64(d) ^ mix(x)))
	}
	return d
}

// mix is the finalizer of SplitMix64: each bit of x counts in each bit of it.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// word is a text as a thing.
func word(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

func (d dice) below(n int) int { return int(uint64(d.of(1)) % uint64(n)) }

// chance is true with that probability.
func (d dice) chance(p float64) bool { return float64(d.of(2)>>11)/(1<<53) < p }

// span is between lo and hi, to the nanosecond: no two events of a run fall on
// one instant but by a chance of one in millions.
func (d dice) span(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(uint64(d.of(3))%uint64(hi-lo))
}

// pick chooses one of them.
func pick[T any](d dice, of ...T) T { return of[d.of(4).below(len(of))] }
