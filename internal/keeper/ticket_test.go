package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

const ticketPath = "/cgi-bin/ticket/getticket"

// G8, of a ticket: WeChat has no call that tells whether it works, so the first
// report has WeChat asked again, and is answered with what comes.
func TestG8AReportedTicketIsAskedForAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: sameTicket})
		nodes := []*node{w.node(), w.node()}
		c := w.get(nodes[0])
		w.get(nodes[1])
		time.Sleep(20 * time.Minute)
		if err := w.sim.EndTickets(testApp); err != nil {
			t.Fatal(err)
		}
		answers := make(chan string)
		for i := range 50 {
			go func() {
				got, err := nodes[i%2].Report(t.Context(), w.key, Claim{Value: c.Value})
				if err != nil {
					t.Error(err)
				}
				answers <- got.Value.Reveal()
			}()
		}
		for range 50 {
			if v := <-answers; !w.valid(v) {
				t.Error("a reporter was answered with a dead ticket")
			}
		}
		if got := w.asked(); got != 2 {
			t.Errorf("asked %d times, want once more for all who report", got)
		}
		w.quiet()
	})
}

// Whoever reports a ticket that works, and goes on doing so, costs no more than
// the budget, keeps nobody waiting and changes nothing.
func TestReportsOfAWorkingTicketAreBounded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: sameTicket})
		n := w.node()
		c := w.get(n)
		began := time.Now()
		for time.Since(began) < 24*time.Hour {
			before := time.Now()
			got, err := n.Report(t.Context(), w.key, Claim{Value: w.get(n).Value, Errcode: 40001})
			if err != nil || !w.valid(got.Value.Reveal()) {
				t.Fatal(err)
			}
			if waited := time.Since(before); waited > reportWait {
				t.Fatalf("a report waited %v", waited)
			}
			time.Sleep(17 * time.Second)
		}
		if got := w.asked(); got > 500/5 || got < 32 {
			t.Errorf("asked %d times in a day", got)
		}
		s, _ := n.Status(w.key)
		if s.Reports["alive"] == 0 || s.Reports["unknown"] == 0 || c.Generation != 1 {
			t.Errorf("reports counted: %v", s.Reports)
		}
		w.quiet()
	})
}

// A token that dies before its time is found dead by the ticket's issue: that is
// a report of the token, and the ticket comes with the next one.
func TestARefusedTokenAtATicketsIssueIsReported(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: sameTicket, app: func(a *config.App) { a.Source = source }})
			n := w.node()
			first, _ := n.Get(t.Context(), testKey)
			time.Sleep(20 * time.Minute)
			if err := w.sim.Revoke(testApp); err != nil {
				t.Fatal(err)
			}
			w.get(n) // the first read of a ticket, with a dead token in hand
			next, err := n.Get(t.Context(), testKey)
			if err != nil || next.Value == first.Value || !w.sim.Valid(testApp, next.Value.Reveal()) {
				t.Errorf("%s: the token was not replaced: generation %d, %v", source, next.Generation, err)
			}
			if got := w.asked(); got != 2 {
				t.Errorf("%s: asked for the ticket %d times, want 2", source, got)
			}
			if s, _ := n.Status(testKey); s.Reports["dead"] != 1 {
				t.Errorf("%s: reports of the token: %v", source, s.Reports)
			}
			w.quiet()
		})
	}
}

// WeChat refuses every token at getticket, though each of them works: the token
// is left alone, and the ticket is asked for within its budget.
func TestATicketThatRefusesEveryTokenNeverLoops(t *testing.T) {
	t.Parallel()
	for _, code := range []int{40001, 42001} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: sameTicket, app: func(a *config.App) { a.Source = config.Classic }})
			n := w.node()
			w.sim.Fail(wxsim.Fault{Path: ticketPath, Mode: wxsim.Errcode, Errcode: code})
			for begin := time.Now(); time.Since(begin) < 24*time.Hour; time.Sleep(time.Minute) {
				if _, err := n.Get(t.Context(), w.key); !errors.Is(err, credential.ErrUnavailable) {
					t.Fatal(err)
				}
			}
			if got := w.asked(); got > 500/5 || got < 20 {
				t.Errorf("%d: asked for the ticket %d times in a day", code, got)
			}
			if got := w.sim.Issues(testApp); got > 18 {
				t.Errorf("%d: %d tokens were issued in a day", code, got)
			}
			w.sim.ClearFaults()
			time.Sleep(30 * time.Minute)
			w.get(n)
		})
	}
}

// An app without the right to tickets is a person's matter: said with WeChat's
// number, asked again seldom, and never with each new token.
func TestNoRightToTicketsIsBlocked(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: sameTicket, app: func(a *config.App) { a.Source = config.Classic }})
		n := w.node()
		if err := w.sim.AllowTickets(testApp, false); err != nil {
			t.Fatal(err)
		}
		for begin := time.Now(); time.Since(begin) < 24*time.Hour; time.Sleep(5 * time.Minute) {
			_, err := n.Get(t.Context(), w.key)
			u, ok := errors.AsType[*credential.Unavailable](err)
			if !ok || !u.Blocked || u.Code != 48001 {
				t.Fatalf("got %v", err)
			}
		}
		if got := w.asked(); got > 49 {
			t.Errorf("asked %d times in a day", got)
		}
		if s, ok := n.Status(w.key); !ok || s.State != Blocked || s.Failure == nil || s.Failure.Code != 48001 {
			t.Errorf("status %+v", s)
		}
		if s, _ := n.Status(testKey); s.State != Fresh || s.Reports["dead"] != 0 {
			t.Errorf("the token is %s; reports %v", s.State, s.Reports)
		}
		if err := w.sim.AllowTickets(testApp, true); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Renew(t.Context(), w.key, false); err != nil {
			t.Error(err)
		}
		w.quiet()
	})
}

// While there is no token the reason is the token's, told without a wait once
// it is known, and WeChat is not asked for a ticket.
func TestWithoutATokenATicketSaysWhatKeepsTheToken(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: sameTicket})
		if err := w.sim.ResetSecret(testApp, "another"); err != nil {
			t.Fatal(err)
		}
		n := w.node()
		_, _ = n.Get(t.Context(), testKey)
		before := time.Now()
		_, err := n.Get(t.Context(), w.key)
		u, ok := errors.AsType[*credential.Unavailable](err)
		if !ok || u.Code != 40125 || !u.Blocked || u.Key != w.key {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("waited %v for what cannot come", waited)
		}
		if err := w.sim.ResetSecret(testApp, testSecret); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Renew(t.Context(), testKey, false); err != nil {
			t.Fatal(err)
		}
		w.get(n)
		if w.asked() != 1 {
			t.Errorf("asked %d times", w.asked())
		}
	})
}

// What nobody asks for is not issued, costs neither memory nor a look into the
// store, and is not listed.
func TestTicketsNobodyAsksForCostNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: sameTicket})
		for i := range 50 {
			w.apps = append(w.apps, config.App{AppID: appID(i), Secrets: w.apps[0].Secrets, Source: config.Stable, Type: config.OfficialAccount, DailyQuota: 2000})
		}
		looks := &ticketLooks{Store: w.st}
		n := w.node(func(_ *Options, l *link) { l.Store = looks })
		if _, err := n.Get(t.Context(), testKey); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, ok := n.Status(w.key); ok {
			t.Error("listed")
		}
		if all := slices.Collect(n.All()); len(all) != 51 {
			t.Errorf("%d credentials are kept for 51 apps", len(all))
		}
		time.Sleep(3 * time.Hour)
		if w.asked() != 0 || looks.n.Load() != 0 {
			t.Errorf("asked %d times, %d looks into the store", w.asked(), looks.n.Load())
		}
	})
}

// ticketLooks is a store that counts who asks it for tickets.
type ticketLooks struct {
	store.Store
	n atomic.Int64
}

func (s *ticketLooks) Get(ctx context.Context, key string) (store.Record, error) {
	if strings.HasSuffix(key, "_ticket") {
		s.n.Add(1)
	}
	return s.Store.Get(ctx, key)
}

// A ticket is kept for a life after somebody last asked; then it is let go, here
// and in the store, and comes back when it is asked for.
func TestAnAbandonedTicketIsLetGo(t *testing.T) {
	t.Parallel()
	for _, source := range []string{sameTicket, newTicket} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: source})
			a, b := w.node(), w.node()
			first := w.get(a)
			time.Sleep(119*time.Minute + 59*time.Second)
			asked := w.asked()
			if asked < 3 || asked > 4 {
				t.Errorf("%s: asked %d times in the life after the only read", source, asked)
			}
			if s, ok := b.Status(w.key); !ok || s.State != Fresh {
				t.Errorf("%s: at the other node it is %+v", source, s)
			}
			time.Sleep(3 * time.Hour)
			if got := w.asked(); got != asked {
				t.Errorf("%s: asked %d times more for nobody", source, got-asked)
			}
			for _, n := range []*node{a, b} {
				if _, ok := n.Status(w.key); ok {
					t.Errorf("%s: still listed", source)
				}
				if _, ok := n.find(w.key); ok {
					t.Errorf("%s: still in memory", source)
				}
			}
			time.Sleep(3 * 24 * time.Hour)
			if got, err := w.st.Get(t.Context(), storeKey(w.key)); err == nil {
				t.Errorf("%s: the record is there still, until %v", source, got.Expires)
			}
			if again := w.get(b); again.Value == first.Value {
				t.Errorf("%s: the old one again", source)
			}
			w.quiet()
		})
	}
}

// Demand outlives a restart without a write for every read: a program that asks
// once an hour never waits, however often its node is restarted.
func TestDemandIsRememberedOverRestarts(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: sameTicket})
		var puts atomic.Int64
		mk := func() *node {
			return w.node(func(o *Options, l *link) {
				o.Alone = true
				l.at = func(step string) bool {
					if step == "after put" {
						puts.Add(1)
					}
					return false
				}
			})
		}
		n := mk()
		w.get(n)
		for range 24 {
			time.Sleep(20 * time.Minute)
			n.stop()
			n = mk()
			synctest.Wait()
			time.Sleep(40 * time.Minute)
			before := time.Now()
			w.get(n)
			if waited := time.Since(before); waited != 0 {
				t.Errorf("waited %v", waited)
			}
		}
		puts.Store(0)
		for range 1000 {
			w.get(n)
			time.Sleep(time.Second)
		}
		if n := puts.Load(); n > 4 {
			t.Errorf("%d writes for a thousand reads", n)
		}
	})
}

// Somebody asks in the moment in which the ticket is let go: nobody waits for
// an entry that is gone.
func TestAReadThatMeetsTheEndIsServed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: sameTicket})
		n := w.node()
		for round := range 50 {
			w.get(n)
			e, _ := n.find(w.key)
			e.mu.Lock()
			end := e.clock.local(e.rec.Wanted.Add(w.life))
			e.mu.Unlock()
			time.Sleep(time.Until(end) + time.Duration(round-25)*time.Millisecond)
			for range 300 {
				w.get(n)
				time.Sleep(time.Minute)
				if _, ok := n.find(w.key); !ok {
					break
				}
				e, _ := n.find(w.key)
				e.wanted.Store(nil) // as if nobody had
			}
			time.Sleep(5 * time.Hour)
			if _, ok := n.find(w.key); ok {
				t.Fatal("never let go")
			}
		}
	})
}

func TestWhichAppsHaveTickets(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		for typ, want := range map[string]int{config.OfficialAccount: 3, config.MiniProgram: 1, config.Website: 0} {
			w := newWorld(t, worldOptions{app: func(a *config.App) { a.Type = typ }})
			n := w.node()
			have := 0
			for _, kind := range wechat.Kinds() {
				if _, _, ok := n.policyOf(credential.Key{App: testApp, Kind: kind}); ok {
					have++
				}
			}
			if have != want {
				t.Errorf("%s has %d kinds, want %d", typ, have, want)
			}
		}
	})
}

// The two kinds are two tickets, each asked for once.
func TestEachKindOfTicketIsItsOwn(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: sameTicket})
		n := w.node()
		js := w.get(n)
		card, err := n.Get(t.Context(), credential.Key{App: testApp, Kind: "wx_card_ticket"})
		if err != nil || card.Value == js.Value || !w.sim.ValidTicket(testApp, wxsim.WXCard, card.Value.Reveal()) {
			t.Errorf("%v, %v", card.Generation, err)
		}
		if got := fmt.Sprint(w.sim.TicketsAsked(testApp, wxsim.JSAPI), w.sim.TicketsAsked(testApp, wxsim.WXCard)); got != "1 1" {
			t.Errorf("asked %s", got)
		}
	})
}
