package keeper

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// Three nodes, WeChat in each of its moods, nodes killed at any step, cut off,
// restarted, and operators who renew: what caches are promised holds at every
// step, and when the faults stop all is well within a 24th of a life.
// HUFU_TEST_SEEDS=50 tries more.
func TestThreeNodesKeepTheirPromisesUnderFaults(t *testing.T) {
	t.Parallel()
	to := uint64(3)
	if s := os.Getenv("HUFU_TEST_SEEDS"); s != "" {
		n, _ := strconv.Atoi(s)
		to = uint64(n)
	}
	for _, source := range everyLine {
		for _, q := range []wxsim.Quirk{wxsim.NoQuirks, wxsim.DefaultQuirks} {
			if os.Getenv("HUFU_TEST_SEEDS") == "" && (source == sameTicket || source == newTicket) {
				to = 1
			}
			for seed := uint64(1); seed <= to; seed++ {
				t.Run(fmt.Sprintf("%s/quirks=%d/seed=%d", source, q, seed), func(t *testing.T) {
					t.Parallel()
					bubble(t, func(t *testing.T) { soak(t, source, q, seed) })
				})
			}
		}
	}
}

func soak(t *testing.T, source string, q wxsim.Quirk, seed uint64) {
	const life = 2 * time.Hour
	w := newWorld(t, worldOptions{source: source, quirks: q, seed: seed})
	rnd := dice(seed)
	var kill atomic.Int64
	mk := func() *node {
		return w.node(func(_ *Options, l *link) {
			l.at = func(s string) bool {
				// one in a few calls, when armed: killed at that step
				if kill.Load() > 0 && kill.Add(-1) == 0 {
					return true
				}
				return false
			}
		})
	}
	nodes := []*node{mk(), mk(), mk()}
	time.Sleep(3 * time.Second)
	r := w.reader()
	r.caches = true
	mild := []wxsim.Mode{wxsim.Outage, wxsim.LostAnswer, wxsim.Status5xx, wxsim.HTML, wxsim.Truncated, wxsim.Hang, wxsim.SystemBusy, wxsim.Empty, wxsim.Garbage, wxsim.WrongTypes, wxsim.Reset}
	dead, unmended := 0, 0
	step := life / 60
	for begin := time.Now(); time.Since(begin) < 200*life; {
		switch rnd.IntN(300) {
		case 0:
			w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: mild[rnd.IntN(len(mild))], Count: 1, After: rnd.IntN(2) == 0})
		case 1, 2:
			n := nodes[rnd.IntN(3)]
			n.link.cut.Store(true)
			time.AfterFunc(life/480, func() { n.link.cut.Store(false) })
		case 5:
			nd, leak := nodes[rnd.IntN(3)], rnd.IntN(2) == 0
			go func() { _, _ = nd.Renew(context.Background(), w.key, leak) }()
			time.Sleep(6 * time.Second)
			r.promises = nil
		case 3:
			i := rnd.IntN(3)
			nodes[i].stop()
			nodes[i] = mk()
		case 4:
			kill.Store(1 + rnd.Int64N(8))
		}
		for i, n := range nodes {
			if n.link.dead.Load() {
				n.stop()
				_ = w.sim.Excuse(testApp)
				nodes[i] = mk()
				synctest.Wait()
			}
		}
		for _, n := range nodes {
			if n.link.dead.Load() {
				continue
			}
			if err := r.check(n); err != nil {
				t.Errorf("%v after the begin: %v", time.Since(begin), err)
				r.promises = nil
			}
			if n.link.dead.Load() {
				continue
			}
			if c, err := n.Get(t.Context(), w.key); err == nil && !w.valid(c.Value.Reveal()) {
				dead++
				if c.MaxAge > 0 {
					t.Errorf("%v after the begin: dead, and max_age is %v; %s", time.Since(begin), c.MaxAge, last(n))
				}
				got, err := n.Report(t.Context(), w.key, Claim{Value: c.Value, Errcode: 40001})
				if err != nil || !w.valid(got.Value.Reveal()) {
					unmended++
				}
			}
		}
		time.Sleep(step/2 + time.Duration(rnd.Int64N(int64(step))))
	}
	// Liveness: faults stop; everything is well within a 120th life plus.
	kill.Store(0)
	w.sim.ClearFaults()
	for _, n := range nodes {
		n.link.cut.Store(false)
	}
	time.Sleep(max(life/24, time.Minute))
	synctest.Wait()
	var gens []uint64
	for _, n := range nodes {
		if n.link.dead.Load() {
			continue
		}
		e, _ := n.entry(w.key)
		v := e.view.Load()
		if !v.live(time.Now()) {
			t.Errorf("not live at the end: %+v", n.record().Failure)
			continue
		}
		gens = append(gens, v.cred.Generation)
		if !w.valid(v.cred.Value.Reveal()) {
			t.Errorf("dead at the end, generation %d", v.cred.Generation)
		}
	}
	t.Logf("reads %d failed %d dead %d unmended %d issues %d gens %v", r.reads, r.failures, dead, unmended, w.asked(), gens)
	for _, v := range w.sim.Violations() {
		if v.Rule == wxsim.AskedAgain {
			continue
		}
		t.Errorf("violation %+v", v)
	}
}

func last(n *node) string {
	r := n.record()
	return fmt.Sprintf("asked %v attempts %+v failure %+v orders %d", r.Asked, r.Attempts, r.Failure, r.Orders)
}
