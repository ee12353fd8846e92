package wxsim

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// app is the state of one registered app. Whoever holds its lock may take Sim.mu, never the
// other way round.
type app struct {
	id string

	mu        sync.Mutex
	cfg       App
	allow     []netip.Prefix // empty: any
	frozen    bool
	punished  int // an errcode; 0 means not
	confirm   bool
	addresses map[netip.Addr]*standing // what the operator said about an address
	pending   []change                 // what the console was told and has not taken effect, in order

	lines   [2]line
	tickets map[TicketType]*ticketLine
	usage   usage
	issues  []time.Time // new tokens for callers, the last maxIssues of them
	issued  [2]int
	asked   [2]int
	caller  [2]caller // what the judge knows

	sent     int // messages to users
	messages []string
}

// maxIssues is more than a day's quota.
const maxIssues = 4096

type change struct {
	at    time.Time
	apply func(*app)
}

func (s *Sim) newApp(cfg App) (*app, error) {
	allow, err := parsePrefixes(cfg.AllowIPs)
	if err != nil {
		return nil, err
	}
	if err := s.checkCallbackDomains(cfg.CallbackDomains); err != nil {
		return nil, err
	}
	cfg.Type = cmp.Or(cfg.Type, ServiceAccount)
	switch cfg.Type {
	case ServiceAccount, Subscription, Website, MiniProgram:
	default:
		return nil, fmt.Errorf("no such type %q: service, subscription, website or mini_program", cfg.Type)
	}
	switch cfg.Denial {
	case "", DenialState, DenialCode, DenialSilent:
	default:
		return nil, fmt.Errorf("no such denial %q: state, authdeny or none", cfg.Denial)
	}
	if cfg.DailyQuota == 0 {
		cfg.DailyQuota = 2000
		if cfg.Sandbox {
			cfg.DailyQuota = 200
		}
	}
	cfg.AllowIPs = slices.Clone(cfg.AllowIPs)
	cfg.Followers = slices.Clone(cfg.Followers)
	cfg.CallbackDomains = slices.Clone(cfg.CallbackDomains)
	cfg.JSDomains = slices.Clone(cfg.JSDomains)
	return &app{id: cfg.ID, cfg: cfg, allow: allow, confirm: cfg.ConfirmIPs}, nil
}

// settle lets those changes take effect whose time has come.
func (a *app) settle(now time.Time) {
	for len(a.pending) > 0 && !now.Before(a.pending[0].at) {
		a.pending[0].apply(a)
		a.pending = a.pending[1:]
	}
}

// usage counts what an app used up today and this month, by the calendar of Beijing.
type usage struct {
	day     int
	used    map[string]int // by path
	forced  int
	month   int
	cleared int
	domains int // changes of the callback domains

	minute      int64
	minuteAsked [2]int
}

// beijing is fixed, so that no time zone database is needed; China has no summer time.
var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// midnight is when the daily counters go back to zero next.
func midnight(now time.Time) time.Time {
	y, m, d := now.In(beijing).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, beijing)
}

// roll starts a new day or month.
func (u *usage) roll(now time.Time) {
	y, m, d := now.In(beijing).Date()
	if month := y*12 + int(m); month != u.month {
		u.month, u.cleared, u.domains = month, 0, 0
	}
	if day := (y*12+int(m))*31 + d; day != u.day {
		u.day = day
		u.clear()
	}
}

func (u *usage) clear() {
	u.used, u.forced = nil, 0
}

// take counts a call of path, unless it would be one too many; 0 is no limit.
func (u *usage) take(path string, limit int) bool {
	if u.full(path, limit) {
		return false
	}
	if u.used == nil {
		u.used = make(map[string]int)
	}
	u.used[path]++
	return true
}

func (u *usage) full(path string, limit int) bool { return limit > 0 && u.used[path] >= limit }

// takeMinute does the same for the minute that is running.
func (u *usage) takeMinute(l Line, minute int64, limit int) bool {
	if minute != u.minute {
		u.minute, u.minuteAsked = minute, [2]int{}
	}
	if limit > 0 && u.minuteAsked[l] >= limit {
		return false
	}
	u.minuteAsked[l]++
	return true
}
