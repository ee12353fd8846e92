package keeper

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// A failover forgets the last writes, so an older record comes back under nodes
// that know a later one. It is noticed by the generation: readers go on with the
// value that lives, the store is told it again, and nothing is issued.
func TestAStoreThatForgetsIsToldAgain(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: source})
			a, b := w.node(), w.node()
			w.get(a)
			synctest.Wait()
			old := w.stored()
			time.Sleep(20 * time.Minute)
			if err := w.sim.Excuse(testApp); err != nil {
				t.Fatal(err)
			}
			c, err := a.Renew(t.Context(), testKey, false)
			if err != nil || c.Generation < 2 {
				t.Fatalf("generation %d, %v", c.Generation, err)
			}
			time.Sleep(10 * time.Minute) // the old value is dead by now
			issues := w.issues()
			now := w.stored()
			now.Value = old.Value
			if _, err := w.st.Put(t.Context(), now); err != nil {
				t.Fatal(err)
			}
			for range 100 {
				for _, n := range []*node{a, b} {
					if got := w.get(n); got.Value != c.Value || got.Generation != c.Generation {
						t.Fatalf("%s: generation %d is handed out, known was %d", source, got.Generation, c.Generation)
					}
				}
				time.Sleep(20 * time.Millisecond)
			}
			if r, err := decode(w.stored().Value); err != nil || r.Generation != c.Generation || r.Value != c.Value.Reveal() {
				t.Errorf("%s: two seconds later the store has generation %d, %v", source, r.Generation, err)
			}
			if got := w.get(w.node()); got.Value != c.Value {
				t.Errorf("%s: a node that begins now has generation %d", source, got.Generation)
			}
			if w.issues() != issues {
				t.Errorf("%s: %d issues because the store forgot", source, w.issues()-issues)
			}
			w.quiet()
		})
	}
}

// Nobody is left who knows more: what the store has is served, and the first
// report heals it.
func TestAStoreThatForgetsUnderNobodyIsHealedByAReport(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		a := w.node()
		w.get(a)
		synctest.Wait()
		old := w.stored()
		time.Sleep(20 * time.Minute)
		if _, err := a.Renew(t.Context(), testKey, false); err != nil {
			t.Fatal(err)
		}
		a.stop()
		time.Sleep(10 * time.Minute)
		now := w.stored()
		now.Value = old.Value
		if _, err := w.st.Put(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		b := w.node()
		synctest.Wait()
		c, err := b.Get(t.Context(), testKey)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001}); err != nil {
			t.Fatal(err)
		}
		w.get(b)
	})
}

// stored is the record as the store has it.
func (w *world) stored() store.Record {
	w.t.Helper()
	r, err := w.st.Get(w.t.Context(), storeKey(testKey))
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestRegainTakesOnlyWhatWasForgotten(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Unix(0, 0).Add(time.Duration(minute) * time.Minute) }
	five := record{Format: format, Generation: 5, Value: "five", Asked: at(50), Expires: at(100), Bucket: bucket{Left: 1, At: at(50)}}
	four := record{Format: format, Generation: 4, Value: "four", Asked: at(10), Expires: at(60)}
	with := func(r record, change func(*record)) record { change(&r); return r }
	begun := func(id string, minute int) func(*record) {
		return func(r *record) { r.Attempts = append(r.Attempts, attempt{ID: id, At: at(minute)}) }
	}
	for name, c := range map[string]struct {
		store, known record
		back         bool
		want         record
	}{
		"an older value":             {four, five, true, five},
		"the same":                   {five, five, false, five},
		"a later value":              {five, four, false, five},
		"a later one, asked earlier": {with(five, func(r *record) { r.Generation, r.Asked = 6, at(40) }), five, false, with(five, func(r *record) { r.Generation = 6 })},
		"nothing is known":           {four, record{}, false, four},
		"what is known has ended":    {four, with(five, func(r *record) { r.Expires = at(55) }), false, four},
		"what is known is dead":      {four, with(five, func(r *record) { r.Dead = true }), false, four},
		"another history, and later": {with(four, func(r *record) { r.Asked = at(55) }), five, false, with(four, func(r *record) { r.Asked = at(55) })},
		"of a later form":            {with(four, func(r *record) { r.Format = format + 1 }), five, false, with(four, func(r *record) { r.Format = format + 1 })},
		"an order came since":        {with(four, func(r *record) { r.Orders = 1 }), five, true, with(five, func(r *record) { r.Orders = 1 })},
		"an attempt came since":      {with(four, begun("new", 56)), five, true, with(five, begun("new", 56))},
		"the attempt of that value":  {with(four, begun("its", 49)), five, true, five},
		"an attempt that both know":  {with(four, begun("a", 56)), with(five, begun("a", 56)), true, with(five, begun("a", 56))},
		"that the value is dead":     {five, with(five, func(r *record) { r.Dead, r.Same = true, true }), true, with(five, func(r *record) { r.Dead, r.Same = true, true })},
		"that an older one was dead": {five, with(four, func(r *record) { r.Dead = true }), false, five},
	} {
		got, back := c.store.regain(c.known, at(57))
		if back != c.back || got.Generation != c.want.Generation || got.Value != c.want.Value || got.Dead != c.want.Dead || got.Same != c.want.Same ||
			got.Orders != c.want.Orders || got.Bucket != c.want.Bucket || !slices.Equal(got.Attempts, c.want.Attempts) {
			t.Errorf("%s: %v, %+v; want %v, %+v", name, back, got, c.back, c.want)
		}
	}
}
