package main

import (
	"fmt"
	"strings"
	"time"
)

// liveScreen redraws a few lines of a terminal.
type liveScreen struct {
	*program
	shop   string   // where it is
	events []string // the last ones
	apps   []appState
	totals totals
	drawn  int // lines on the screen that are ours
}

const (
	shownEvents = 6
	barLength   = 12
)

func (s *liveScreen) begin(d *demonstration) {
	s.shop = d.shop.url
	fmt.Fprint(s.out, s.introduction(d))
}

func (s *liveScreen) happened(e event) {
	if e.Event == demoTotals {
		return // they are always to be seen
	}
	s.events = append(s.events, s.eventWords(e))
	s.events = s.events[max(0, len(s.events)-shownEvents):]
	s.redraw()
}

func (s *liveScreen) draw(apps []appState, t totals) {
	s.apps, s.totals = apps, t
	s.redraw()
}

func (s *liveScreen) end(t totals) {
	s.totals = t
	s.redraw()
	fmt.Fprintln(s.out, s.say("demo.end", ""))
}

// redraw goes back up to the first of our lines and writes them anew. A line
// that wrapped would count twice, so each is cut at the edge.
func (s *liveScreen) redraw() {
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	lines, edge := s.lines(), s.columns()
	for _, l := range lines {
		b.WriteString(cut("  "+l, edge) + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	s.drawn = len(lines)
	fmt.Fprint(s.out, b.String())
}

// lines fit a terminal of 80 columns.
func (s *liveScreen) lines() []string {
	lines := []string{s.say("demo.shop", s.shop), ""}
	now := time.Now()
	for _, a := range s.apps {
		for _, c := range a.Credentials {
			state := s.say("demo.age", ago(now, c.IssuedAt))
			if c.State != "fresh" || c.InDoubt {
				state = s.stateWords(c)
			}
			lines = append(lines, fmt.Sprintf("%s %-7s  %s  %s [%s] %s", a.App, c.Source, s.say("demo.token", c.Generation),
				state, bar(now, c), s.say("demo.next", until(now, c.NextAt))))
		}
	}
	lines = append(lines, "", s.totalWords(s.totals), "")
	return append(lines, s.events...)
}

// bar fills up to the next renewal.
func bar(now time.Time, c credentialState) string {
	whole, done := c.NextAt.Sub(c.IssuedAt), now.Sub(c.IssuedAt)
	n := 0
	if whole > 0 {
		n = min(max(int(barLength*done/whole), 0), barLength)
	}
	return strings.Repeat("█", n) + strings.Repeat("░", barLength-n)
}
