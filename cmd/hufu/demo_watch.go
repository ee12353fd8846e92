package main

import (
	"context"
	"sync"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// event is something that happened in the demo, and one line of --json.
type event struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event"`
	App   string    `json:"app,omitempty"`
	Line  string    `json:"source,omitempty"`
	// From and To are generations.
	From uint64 `json:"from,omitempty"`
	To   uint64 `json:"to,omitempty"`
	// OldWorksFor is for how many seconds the replaced token still works.
	OldWorksFor float64 `json:"old_works_for,omitempty"`
	ExpiresIn   int     `json:"expires_in,omitempty"`
	// Rule is what the simulator's judge calls it.
	Rule   wxsim.Rule `json:"rule,omitempty"`
	Text   string     `json:"text,omitempty"`
	Totals *totals    `json:"totals,omitempty"`
}

// The events.
const (
	tokenIssued  = "issued"    // the first token of an app
	tokenRenewed = "renewed"   // a new one in place of the old
	oldEnded     = "old_ended" // the replaced token works no longer
	violated     = "violation" // the simulator minds something that Hufu did
	demoTotals   = "totals"    // every ten seconds
	demoReady    = "ready"
	demoStopped  = "stopped"
)

// totals are the demo's counters.
type totals struct {
	Calls      int `json:"calls"`   // of the sample program to WeChat's API
	Refused    int `json:"refused"` // of these, because of the token
	Reads      int `json:"reads"`   // of a token from Hufu
	Issues     int `json:"issues"`  // by WeChat to Hufu
	Violations int `json:"violations"`
}

// screen shows the demo. Its methods are called one at a time.
type screen interface {
	begin(*demonstration)
	happened(event)
	draw([]appState, totals) // a few times a second
	end(totals)
}

// watch sees what happens and tells the screen.
type watch struct {
	*demonstration
	screen screen

	mu   sync.Mutex
	sums totals
}

func newWatch(d *demonstration, s screen) *watch { return &watch{demonstration: d, screen: s} }

const (
	drawEvery   = 250 * time.Millisecond
	totalsEvery = 10 * time.Second
)

// run watches until ctx ends.
func (w *watch) run(ctx context.Context) {
	events := make(chan event, 64)
	var wg sync.WaitGroup
	for _, a := range demoApps {
		wg.Go(func() { w.follow(ctx, a.id, a.source, events) })
		wg.Go(func() { w.caller(ctx, a.id) })
	}
	draw, tick := time.NewTicker(drawEvery), time.NewTicker(totalsEvery)
	defer draw.Stop()
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case e := <-events:
			w.screen.happened(e)
		case <-tick.C:
			t := w.totals()
			w.screen.happened(event{Time: time.Now(), Event: demoTotals, Totals: &t})
		case <-draw.C:
			if apps, err := w.remote.apps(ctx); err == nil {
				w.screen.draw(apps, w.totals())
			}
		}
	}
	wg.Wait()
	w.screen.end(w.totals())
}

func (w *watch) totals() totals {
	w.mu.Lock()
	t := w.sums
	w.mu.Unlock()
	for _, a := range demoApps {
		t.Issues += w.sim.Issues(a.id)
	}
	t.Violations = len(w.sim.Violations())
	return t
}

// follow waits for each new generation of an app's token, as a client would.
func (w *watch) follow(ctx context.Context, app, source string, out chan<- event) {
	send := func(e event) {
		e.Time, e.App, e.Line = time.Now(), app, source
		select {
		case out <- e:
		case <-ctx.Done():
		}
	}
	var hand handout
	minded := 0
	for ctx.Err() == nil {
		next, err := w.remote.later(ctx, app, hand.Generation)
		for _, v := range w.violations(app)[minded:] {
			minded++
			send(event{Event: violated, Rule: v.Rule, Text: v.Text})
		}
		if err != nil {
			pause(ctx, drawEvery)
			continue
		}
		e := event{Event: tokenIssued, To: next.Generation, ExpiresIn: next.ExpiresIn}
		if hand.Value != "" {
			left := w.worksFor(app, hand.Value)
			e.Event, e.From, e.OldWorksFor = tokenRenewed, hand.Generation, left.Seconds()
			go func(old handout) {
				if pause(ctx, left) {
					send(event{Event: oldEnded, From: old.Generation})
				}
			}(hand)
		}
		send(e)
		hand = next
	}
}

// later asks for a later generation than one, for ten seconds.
func (r *remote) later(ctx context.Context, app string, after uint64) (c handout, err error) {
	path := credentialPath(app, "access_token")
	if after > 0 {
		path += "?wait=10s&after=" + number(after)
	}
	return c, r.do(ctx, "GET", path, nil, &c)
}

func (w *watch) violations(app string) (all []wxsim.Violation) {
	for _, v := range w.sim.Violations() {
		if v.App == app {
			all = append(all, v)
		}
	}
	return all
}

// worksFor is for how long the simulator will still accept a token.
func (w *watch) worksFor(app, token string) time.Duration {
	info, ok := w.sim.TokenInfo(app, token)
	if !ok || !info.Alive {
		return 0
	}
	return time.Duration(float64(info.Ends.Sub(w.sim.Now())) / demoSpeed)
}

// pause reports whether the time went by before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
