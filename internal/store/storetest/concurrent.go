package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hufu-project/hufu/internal/store"
)

func oneWins(t *testing.T, s store.Store) {
	version := ""
	for round := range 20 {
		var won, lost atomic.Int32
		var winner atomic.Value
		parallel(t, 32, func(i int) error {
			r, err := s.Put(t.Context(), store.Record{Key: "a", Version: version, Value: []byte(strconv.Itoa(i))})
			switch {
			case err == nil:
				won.Add(1)
				winner.Store(r)
			case errors.Is(err, store.ErrConflict):
				lost.Add(1)
			default:
				return err
			}
			return nil
		})
		if won.Load() != 1 || lost.Load() != 31 {
			t.Fatalf("round %d: %d writers won and %d lost, of 32", round, won.Load(), lost.Load())
		}
		r := winner.Load().(store.Record)
		want(t, s, r)
		version = r.Version
	}
}

func counter(t *testing.T, s store.Store) {
	const adders, each = 8, 25
	put(t, s, "n", "", "0")
	var all sync.WaitGroup
	for range adders {
		all.Go(func() {
			for done := 0; done < each; {
				r, err := s.Get(t.Context(), "n")
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				n, _ := strconv.Atoi(string(r.Value))
				r.Value = []byte(strconv.Itoa(n + 1))
				switch _, err := s.Put(t.Context(), r); {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("Put: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	r, err := s.Get(t.Context(), "n")
	if err != nil || string(r.Value) != strconv.Itoa(adders*each) {
		t.Errorf("%d increments give %s, %v", adders*each, r.Value, err)
	}
}

// op is one call of a history: Put of a new version in place of old, or, with
// old empty, a Get that saw version. A Put that met a conflict has no version.
// began and ended are ticks of one counter, so they order calls that did not
// overlap, whatever the clocks say.
type op struct {
	put          bool
	old, version string
	began, ended int64
}

func (o op) String() string {
	what := "get " + o.version
	if o.put {
		what = fmt.Sprintf("put %s in place of %s", cmp.Or(o.version, "(conflict)"), o.old)
	}
	return fmt.Sprintf("[%d,%d] %s", o.began, o.ended, what)
}

func linear(t *testing.T, s store.Store) {
	var tick atomic.Int64
	first := put(t, s, "a", "", "0")
	histories := make([][]op, 8)
	var all sync.WaitGroup
	for w := range histories {
		all.Go(func() {
			known := first.Version
			for range 60 {
				o := op{put: rand.IntN(2) == 0, began: tick.Add(1)}
				var r store.Record
				var err error
				if o.put {
					o.old = known
					r, err = s.Put(t.Context(), store.Record{Key: "a", Version: known})
				} else {
					r, err = s.Get(t.Context(), "a")
				}
				o.ended = tick.Add(1)
				switch {
				case err == nil:
					known, o.version = r.Version, r.Version
				case !o.put || !errors.Is(err, store.ErrConflict):
					t.Errorf("%v: %v", o, err)
					return
				}
				histories[w] = append(histories[w], o)
			}
		})
	}
	all.Wait()
	history := slices.Concat(histories...)
	if problem := judge(first.Version, history); problem != "" {
		t.Error(problem)
	}
}

// judge says why no order of the calls, each at one moment between its begin
// and its end, explains what they saw; "" if there is one. As each version
// names the one it replaced, the order of the writes is given, and what is left
// is to find a moment for each: as early as those before it allow.
func judge(first string, history []op) string {
	after := map[string]op{} // the write that replaced a version
	for _, o := range history {
		if !o.put || o.version == "" {
			continue
		}
		if other, twice := after[o.old]; twice {
			return fmt.Sprintf("one version was replaced twice:\n%v\n%v", other, o)
		}
		after[o.old] = o
	}
	position := map[string]int{first: 0}
	writes := []op{{put: true, version: first}}
	for o, more := after[first]; more; o, more = after[o.version] {
		position[o.version] = len(writes)
		writes = append(writes, o)
	}
	if len(writes) != len(after)+1 {
		return fmt.Sprintf("%d writes replaced a version that never was", len(after)+1-len(writes))
	}
	type span struct {
		op
		at int // number of writes that had happened
	}
	var spans []span
	for i, w := range writes {
		spans = append(spans, span{w, i})
	}
	for _, o := range history {
		at, known := position[o.version]
		switch {
		case o.put && o.version == "":
			// The old version must not have been current all through the call.
			i := position[o.old]
			if writes[i].ended < o.began && (i+1 == len(writes) || writes[i+1].began > o.ended) {
				return fmt.Sprintf("a conflict without a cause: %v", o)
			}
		case !o.put && !known:
			return fmt.Sprintf("a version that nobody wrote: %v", o)
		case !o.put:
			spans = append(spans, span{o, at})
		}
	}
	// Nothing that begins after another call has ended may lie before it, and a
	// write not where that one was already. furthest is where the calls that
	// have ended had got to.
	byEnd := slices.SortedFunc(slices.Values(spans), func(a, b span) int { return cmp.Compare(a.ended, b.ended) })
	byBegin := slices.SortedFunc(slices.Values(spans), func(a, b span) int { return cmp.Compare(a.began, b.began) })
	furthest := span{at: -1}
	for _, s := range byBegin {
		for len(byEnd) > 0 && byEnd[0].ended < s.began {
			if byEnd[0].at > furthest.at {
				furthest = byEnd[0]
			}
			byEnd = byEnd[1:]
		}
		if s.at < furthest.at || s.put && s.at == furthest.at {
			return fmt.Sprintf("a step back:\n%v, and after it\n%v", furthest.op, s.op)
		}
	}
	return ""
}
