package keeper

import (
	"fmt"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/wxsim"
)

// G5: issues in any 24 hours never pass the budget, whatever clients report
// and whatever upstream answers. Every request for a token counts here, not
// only those that brought one.
func TestG5BudgetHoldsWhateverHappens(t *testing.T) {
	t.Parallel()
	for _, source := range everyLine {
		for _, quota := range []int{200, 2000} {
			if source == sameTicket || source == newTicket {
				quota = 500 // the line's own
			}
			for seed := uint64(1); seed <= 3; seed++ {
				t.Run(fmt.Sprintf("%s/%d/seed=%d", source, quota, seed), func(t *testing.T) {
					t.Parallel()
					bubble(t, func(t *testing.T) {
						w := newWorld(t, worldOptions{source: source, seed: seed, app: func(a *config.App) { a.DailyQuota = quota }})
						hostile(t, w, seed, quota)
					})
				})
			}
		}
	}
}

func hostile(t *testing.T, w *world, seed uint64, quota int) {
	rnd := dice(seed)
	n := w.node()
	modes := []wxsim.Mode{
		wxsim.Outage, wxsim.Reset, wxsim.LostAnswer, wxsim.Status5xx, wxsim.HTML, wxsim.Empty, wxsim.Truncated,
		wxsim.Garbage, wxsim.SystemBusy, wxsim.OddExpiresIn, wxsim.WrongTypes, wxsim.ExtraToken, wxsim.Errcode,
	}
	codes := []int{40001, 40013, 40125, 40164, 45011, 48004, 89503}
	type moment struct {
		at    time.Time
		asked int
	}
	var log []moment
	for end := time.Now().Add(3 * 24 * time.Hour); time.Now().Before(end); {
		switch rnd.IntN(12) {
		case 0:
			w.sim.ClearFaults()
		case 1, 2:
			f := wxsim.Fault{Path: "/cgi-bin/", Mode: modes[rnd.IntN(len(modes))], Probability: 0.5 + rnd.Float64()/2, After: rnd.IntN(2) == 0}
			if f.Mode == wxsim.Errcode {
				f.Errcode = codes[rnd.IntN(len(codes))]
			}
			w.sim.Fail(f)
		case 3:
			_ = w.sim.Outsider(testApp)
		case 4:
			_ = w.sim.Revoke(testApp)
			if rnd.IntN(2) == 0 {
				_ = w.sim.EndTickets(testApp)
			}
		case 5:
			// A client whose key can renew, and does, like mad.
			go func() { _, _ = n.Renew(t.Context(), w.key, true) }()
		default:
			if c, err := n.Get(t.Context(), w.key); err == nil {
				for range 5 {
					go func() {
						_, _ = n.Report(t.Context(), w.key, Claim{Value: c.Value, Errcode: 40001})
					}()
				}
			}
		}
		time.Sleep(time.Duration(rnd.Int64N(int64(10 * time.Minute))))
		log = append(log, moment{time.Now(), w.asked()})
	}
	// What Hufu itself could not send is not asked; an outage sends nothing.
	for i, from := range log {
		for _, to := range log[i:] {
			if to.at.Sub(from.at) > 24*time.Hour {
				break
			}
			if asked := to.asked - from.asked; asked > quota/5 {
				t.Fatalf("%d requests for a token between %v and %v, budget %d", asked, from.at, to.at, quota/5)
			}
		}
	}
	if got := w.asked(); got < 20 {
		t.Errorf("only %d requests in three days: the test tests nothing", got)
	}
	t.Logf("%d requests in three days", w.asked())
}

func TestReportsOfAnAliveValueIssueNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node()
		c := w.get(n)
		time.Sleep(10 * time.Minute)
		for range 1000 {
			got, err := n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
			if err != nil || got.Generation != c.Generation {
				t.Fatal(got.Generation, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if w.sim.Issues(testApp) != 1 {
			t.Errorf("%d issues", w.sim.Issues(testApp))
		}
		probes := len(w.sim.History()) - 1
		if probes < 1 || probes > 2 {
			t.Errorf("%d probes in ten seconds", probes)
		}
	})
}

func TestReportsThatCostNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node()
		c := w.get(n)
		for name, claim := range map[string]Claim{
			"another value":         {Value: credential.NewSecret("never-issued"), Errcode: 40001},
			"an older generation":   {Generation: 0, Value: credential.Secret{}, Errcode: 40001},
			"not a token error":     {Value: c.Value, Errcode: 48001},
			"a later generation":    {Generation: 99, Errcode: 42001},
			"not about the address": {Generation: c.Generation, Errcode: 40164},
		} {
			got, err := n.Report(t.Context(), testKey, claim)
			if err != nil || got.Value != c.Value {
				t.Errorf("%s: %v", name, err)
			}
		}
		if asked := len(w.sim.History()); asked != 1 {
			t.Errorf("%d requests reached WeChat, want the issue alone", asked)
		}
	})
}

// A real death reported by everyone at every node costs one probe each and one
// issue in all; everybody gets the new value.
func TestADeadValueIsReplacedOnceForAllWhoReportIt(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{source: source})
				nodes := []*node{w.node(), w.node(), w.node()}
				c := w.get(nodes[0])
				time.Sleep(40 * time.Minute)
				if err := w.sim.Revoke(testApp); err != nil {
					t.Fatal(err)
				}
				issues := w.sim.Issues(testApp)
				type answer struct {
					c   credential.Credential
					err error
				}
				answers := make(chan answer)
				for i := range 150 {
					go func() {
						got, err := nodes[i%3].Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
						answers <- answer{got, err}
					}()
				}
				for range 150 {
					a := <-answers
					if a.err != nil || !w.sim.Valid(testApp, a.c.Value.Reveal()) {
						t.Fatalf("a reporter got generation %d, %v", a.c.Generation, a.err)
					}
				}
				if n := w.sim.Issues(testApp) - issues; n != 1 {
					t.Errorf("%d issues", n)
				}
				w.quiet()
			})
		})
	}
}

// New tokens lag at WeChat: a refusal in the first moments is not a death.
func TestAYoungValueIsDeadOnlyAfterTwoRefusals(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node()
		c := w.get(n)
		w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/get_api_domain_ip", Mode: wxsim.Errcode, Errcode: 40001, Count: 1})
		got, err := n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
		if err != nil || got.Generation != c.Generation || w.sim.Issues(testApp) != 1 {
			t.Errorf("generation %d, %v, %d issues", got.Generation, err, w.sim.Issues(testApp))
		}
	})
}

func TestAProbeThatFindsNothingOutIssuesNothing(t *testing.T) {
	t.Parallel()
	for _, f := range []wxsim.Fault{{Mode: wxsim.Outage}, {Mode: wxsim.HTML}, {Mode: wxsim.Hang}, {Mode: wxsim.Status5xx}, {Mode: wxsim.Errcode, Errcode: 40164}, {Mode: wxsim.SystemBusy}} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: "classic"})
			n := w.node()
			c := w.get(n)
			time.Sleep(5 * time.Minute)
			f.Path = "/cgi-bin/get_api_domain_ip"
			w.sim.Fail(f)
			got, err := n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
			if err != nil || got.Generation != 1 || w.sim.Issues(testApp) != 1 {
				t.Errorf("%v: generation %d, %v, %d issues", f.Mode, got.Generation, err, w.sim.Issues(testApp))
			}
		})
	}
}
