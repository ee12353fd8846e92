package wxsim

import (
	"net/http"
	"slices"
	"time"
)

const pathTicket = "/cgi-bin/ticket/getticket"

// ticketDaily is how often a day an app may ask for tickets. WeChat publishes no figure, only that
// there are very few; a vendor's page says this one.
const ticketDaily = 2000

func ticketRoutes() []route {
	return []route{{path: pathTicket, method: http.MethodGet, keyed: true, daily: ticketDaily, serve: (*Sim).getTicket}}
}

// TicketType is what getticket takes as type=.
type TicketType string

// ticketTypes is all of them; each has a file of its own.
var ticketTypes = []TicketType{JSAPI, WXCard}

// ticket is one value. Its app's lock guards it.
type ticket struct {
	value  string
	period int64 // of the platform's own clock
	issued time.Time
	ends   time.Time
}

// ticketLine is the tickets of one type of one app, and what the judge knows of its caller.
type ticketLine struct {
	offset time.Duration // of the platform's clock for this line
	kept   []*ticket     // oldest first, the last one is current
	issued int
	asked  int

	caller struct {
		given   time.Time // a ticket arrived for certain; zero: something was wrong since
		refused time.Time // not to be asked again before
		quota   time.Time // likewise
		dead    *token    // was refused
	}
}

// tickets is the line of a type; the app's lock is held.
func (s *Sim) tickets(a *app, t TicketType) *ticketLine {
	if a.tickets == nil {
		a.tickets = make(map[TicketType]*ticketLine)
	}
	if a.tickets[t] == nil {
		a.tickets[t] = &ticketLine{offset: time.Duration(s.dice.below(int(s.opts.Life)))}
	}
	return a.tickets[t]
}

func (l *ticketLine) current() *ticket {
	if len(l.kept) == 0 {
		return nil
	}
	return l.kept[len(l.kept)-1]
}

// period is which life of the platform's own clock it is, and when it ends.
func (s *Sim) period(l *ticketLine, now time.Time) (n int64, end time.Time) {
	life := s.opts.Life
	n = int64((now.Sub(s.start) + l.offset) / life)
	return n, s.start.Add(time.Duration(n+1)*life - l.offset)
}

// getTicket gives the same ticket to everybody until the platform's own clock begins another life,
// wherever the asker's began, and says each time that it lives a whole one. The old one works on
// for half a life. So it was observed between 2020 and 2025. The page promises none of it; see
// NewTickets.
// Page JS-SDK, appendix 1, of developers.weixin.qq.com.
func (s *Sim) getTicket(c *call) answer {
	t := TicketType(c.query.Get("type"))
	if !slices.Contains(ticketTypes, t) {
		return s.refuse(c, 40097)
	}
	a := c.token.app
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle(c.arrived)
	switch {
	case a.punished != 0:
		return s.refuse(c, a.punished)
	case a.cfg.NoTickets, a.cfg.Type == MiniProgram, a.cfg.Type == Website:
		return s.refuse(c, 48001)
	}
	busy := s.has(Busy) && s.dice.one(rateBusy)
	if busy && s.dice.one(2) {
		return s.refuse(c, -1)
	}
	now := s.Now()
	l := s.tickets(a, t)
	k, issued := s.newTicket(l, now)
	if busy {
		return s.refuse(c, -1)
	}
	ans := success(field{"ticket", k.value}, field{"expires_in", s.told(s.opts.Life)})
	ans.issued = issued
	return ans
}

// newTicket is the ticket to give out now, and whether it is new.
func (s *Sim) newTicket(l *ticketLine, now time.Time) (*ticket, bool) {
	n, end := s.period(l, now)
	end = end.Add(s.opts.Life / 2)
	cur := l.current()
	if s.has(NewTickets) {
		end = now.Add(s.opts.Life)
		if cur != nil {
			cur.end(now.Add(s.opts.Overlap))
		}
	} else if cur != nil && cur.period == n {
		return cur, false
	}
	b := make([]byte, 86)
	s.dice.letters(b, urlLetters)
	k := &ticket{value: string(b), period: n, issued: now, ends: end}
	l.kept = append(l.kept, k)
	if len(l.kept) > keep {
		l.kept = l.kept[1:]
	}
	l.issued++
	return k, true
}

func (k *ticket) end(at time.Time) {
	if at.Before(k.ends) {
		k.ends = at
	}
}

// Ticket is the newest ticket of a type, dead or alive; "" before the first.
func (s *Sim) Ticket(appid string, t TicketType) (value string) {
	s.look(appid, func(a *app) {
		if k := s.tickets(a, t).current(); k != nil {
			value = k.value
		}
	})
	return value
}

// ValidTicket reports whether a signature with this ticket would be taken now.
func (s *Sim) ValidTicket(appid string, t TicketType, value string) (valid bool) {
	now := s.Now()
	s.look(appid, func(a *app) {
		valid = slices.ContainsFunc(s.tickets(a, t).kept, func(k *ticket) bool { return k.value == value && now.Before(k.ends) })
	})
	return valid
}

// TicketsIssued counts the tickets of a type that were made, TicketsAsked the requests for one,
// whatever came of them.
func (s *Sim) TicketsIssued(appid string, t TicketType) (n int) {
	s.look(appid, func(a *app) { n = s.tickets(a, t).issued })
	return n
}

// TicketsAsked is described beside TicketsIssued.
func (s *Sim) TicketsAsked(appid string, t TicketType) (n int) {
	s.look(appid, func(a *app) { n = s.tickets(a, t).asked })
	return n
}

// EndTickets ends every ticket of the app, as if the platform had lost them: whoever asks is given
// another.
func (s *Sim) EndTickets(appid string) error {
	return s.meddle(appid, "end tickets", func(a *app, now time.Time) {
		for _, t := range ticketTypes {
			for _, k := range s.tickets(a, t).kept {
				k.end(now)
				k.period = -1
			}
		}
	})
}

// AllowTickets gives the app the right to tickets, or takes it: 48001.
func (s *Sim) AllowTickets(appid string, on bool) error {
	return s.act(appid, "allow tickets", func(a *app, _ time.Time) { a.cfg.NoTickets = !on })
}

// excuseTickets lets the next request for each ticket pass; the app's lock is held.
func (a *app) excuseTickets() {
	for _, l := range a.tickets {
		l.caller.given, l.caller.refused = time.Time{}, time.Time{}
	}
}

// ticketArrived judges a request for a ticket.
func (j *judge) ticketArrived(s *Sim, c *call) {
	t := TicketType(c.query.Get("type"))
	if c.path != pathTicket || c.token == nil || !slices.Contains(ticketTypes, t) {
		return
	}
	a, now := c.token.app, c.arrived
	a.mu.Lock()
	defer a.mu.Unlock()
	l := s.tickets(a, t)
	l.asked++
	k := &l.caller
	alive := slices.ContainsFunc(l.kept, func(k *ticket) bool { return now.Before(k.ends) })
	switch {
	case now.Before(k.quota):
		j.find(c, IgnoredQuota, "45009 was answered; a %s ticket was asked for again %v before midnight in Beijing", t, k.quota.Sub(now).Round(time.Second))
	case now.Before(k.refused):
		j.find(c, IgnoredRefusal, "a %s ticket was refused; asked again %v too soon", t, k.refused.Sub(now))
	case k.dead == c.token && !c.token.alive(now):
		j.find(c, DeadTokenShown, "a %s ticket was asked for with a token that was refused before", t)
	case alive && !k.given.IsZero() && now.Sub(k.given) < patience(s.opts.Life/30):
		j.find(c, TicketTooSoon, "a %s ticket was given %v ago and lives", t, now.Sub(k.given))
	}
}

// ticketAnswered learns what the caller knows now.
func (j *judge) ticketAnswered(s *Sim, c *call, said said) {
	t := TicketType(c.query.Get("type"))
	if c.path != pathTicket || c.token == nil || !slices.Contains(ticketTypes, t) {
		return
	}
	a, now := c.token.app, s.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	k := &s.tickets(a, t).caller
	switch {
	case said.unclear, said.errcode == 0 && c.fault != nil:
		k.given = time.Time{}
	case said.errcode == 0:
		k.given, k.refused, k.dead = now, time.Time{}, nil
	case tokenCode(said.errcode):
		k.given, k.dead = time.Time{}, c.token
	case said.errcode == 45009:
		k.quota = midnight(now)
	default:
		k.refused = now.Add(patience(s.opts.Life / 120))
	}
}
