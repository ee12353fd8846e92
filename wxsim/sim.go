package wxsim

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what sort of platform to simulate. The zero value is a platform in real time with
// the default quirks.
type Options struct {
	// Speed is how much faster the platform's clock runs than the caller's; 0 means 1. At 60 two
	// hours pass in two minutes, and a life of 7200 s is told as 120, since expires_in is always
	// in the caller's seconds.
	Speed float64

	// Life is how long a token lives, on the platform's clock; 0 means 2 h.
	Life time.Duration

	// Overlap is how long a replaced token still works; 0 means a 24th of Life, which is the
	// documented five minutes of two hours. Negative means not at all.
	Overlap time.Duration

	// Seed makes token values, quirks and faults repeatable, as far as requests come in the same
	// order; 0 means a random seed. Sim.Seed tells which.
	Seed uint64

	// Quirks is the lawful misbehaviour; 0 means DefaultQuirks. NoQuirks turns everything off.
	Quirks Quirk

	// MinuteLimit is how many tokens an app may ask for in a minute (a 120th of Life) before 45011;
	// 0 means no limit. WeChat publishes no figure.
	MinuteLimit int

	// TokenLength overrides the length of a token: 157 characters on the classic line, 136 on the
	// stable one. At least 32.
	TokenLength int

	// History is how many requests are remembered; 0 means 10,000.
	History int

	// Hosts may be asked for besides WeChat's own names, loopback and private addresses without
	// the judge minding.
	Hosts []string

	// Verify fetches the MP_verify_….txt of each host that CallbackDomains is given, as
	// the console does; nil: hosts are taken as they are. Give it a Timeout.
	Verify *http.Client

	// AllowNonLoopback lets Listen and Serve take addresses of private ranges, too.
	AllowNonLoopback bool
}

// Sim is one simulated platform. All methods are safe for concurrent use, and none blocks but
// those that answer requests. It starts no goroutine (Serve aside), keeps nothing on disk, and uses time.Now,
// so that it works inside a testing/synctest bubble.
type Sim struct {
	opts   Options
	start  time.Time
	dice   dice
	routes map[string]*route
	hosts  map[string]bool

	mu     sync.RWMutex
	apps   map[string]*app
	order  []string          // of apps, as added
	tokens map[string]*token // every token that is alive, and the last dead ones

	rids    atomic.Uint32
	people  people
	faults  faults
	history history
	brought brought
	media   media
	judge   judge
}

// New returns a platform without apps. It panics if the options make no sense, since they are
// written by programmers.
func New(o Options) *Sim {
	o.Speed = cmp.Or(o.Speed, 1)
	o.Life = cmp.Or(o.Life, 2*time.Hour)
	o.Overlap = cmp.Or(o.Overlap, o.Life/24)
	o.Seed = cmp.Or(o.Seed, rand.Uint64())
	o.Quirks = cmp.Or(o.Quirks, DefaultQuirks)
	o.History = cmp.Or(o.History, 10_000)
	switch {
	case o.Speed < 0:
		panic("wxsim: negative Speed")
	case o.Life < 0 || o.Life/24 < time.Millisecond:
		panic("wxsim: Life is too short")
	case o.Overlap >= o.Life/2:
		panic("wxsim: Overlap must be shorter than half of Life")
	case o.TokenLength != 0 && o.TokenLength < 32:
		panic("wxsim: TokenLength is too short")
	case o.History < 0 || o.MinuteLimit < 0:
		panic("wxsim: negative History or MinuteLimit")
	}
	o.Overlap = max(o.Overlap, 0)

	s := &Sim{
		opts:   o,
		start:  time.Now(),
		routes: make(map[string]*route),
		hosts:  make(map[string]bool),
		apps:   make(map[string]*app),
		tokens: make(map[string]*token),
	}
	s.dice.init(o.Seed)
	s.people.init()
	s.faults.changed = make(chan struct{})
	s.history.size = o.History
	for _, subject := range [][]route{tokenRoutes(), quotaRoutes(), addressRoutes(), userRoutes(), messageRoutes(), mediaRoutes(), webRoutes(), snsRoutes(), ticketRoutes()} {
		for _, r := range subject {
			s.routes[r.path] = &r
		}
	}
	for _, h := range append(wechatHosts(), o.Hosts...) {
		s.hosts[h] = true
	}
	return s
}

// Now is the platform's clock: it began with the caller's and runs Speed times as fast.
func (s *Sim) Now() time.Time {
	d := time.Since(s.start)
	if s.opts.Speed != 1 {
		d = time.Duration(float64(d) * s.opts.Speed)
	}
	return s.start.Add(d).Round(0).UTC()
}

// Seed is what makes this run repeatable: print it when a test fails.
func (s *Sim) Seed() uint64 { return s.opts.Seed }

// told turns a time of the platform into whole seconds of the caller, rounded down: a token may
// live longer than was told, never shorter. A life of less than a second is told as 1.
func (s *Sim) told(d time.Duration) int {
	return max(1, int(float64(d)/s.opts.Speed/float64(time.Second)))
}

// has reports whether a quirk is on.
func (s *Sim) has(q Quirk) bool { return s.opts.Quirks&q != 0 }

// App is what somebody registered at the platform.
type App struct {
	ID     string `json:"appid"`
	Secret string `json:"secret,omitempty"`

	// Sandbox is a test account (测试号): 200 classic tokens a day.
	Sandbox bool `json:"sandbox,omitempty"`
	// DailyQuota is how many classic tokens a day; 0 means 2000, or 200 for a sandbox.
	DailyQuota int `json:"daily_quota,omitempty"`

	// AllowIPs are the addresses that may call: 203.0.113.9, 203.0.113.0/24 or 203.0.113.*.
	// Empty means any.
	AllowIPs []string `json:"allow_ips,omitempty"`
	// ConfirmIPs makes a call from a new address wait for ConfirmIP: 89503.
	ConfirmIPs bool `json:"confirm_ips,omitempty"`

	// Followers are the openids that user/info knows as subscribed.
	Followers []string `json:"followers,omitempty"`

	// NoTickets: the app has no right to tickets (48001), as if it were not verified.
	NoTickets bool `json:"no_tickets,omitempty"`
	// JSDomains are the hosts whose pages may call the JS-SDK (JS接口安全域名). Empty means any.
	JSDomains []string `json:"js_domains,omitempty"`

	// Type is what was registered; "" is a service account.
	Type AppType `json:"type,omitempty"`
	// CallbackDomains are the hosts that web authorization sends browsers back to; see
	// Sim.CallbackDomains.
	CallbackDomains []string `json:"callback_domains,omitempty"`
	// OpenPlatform names the account of the open platform that the app is bound to: apps bound to
	// the same one see the same unionid. "" is none.
	OpenPlatform string `json:"open_platform,omitempty"`
	// Denial is how a user's no comes back; "" leaves it to MixedDenials.
	Denial Denial `json:"denial,omitempty"`
}

// AppType is what sort of app was registered.
type AppType string

// The types. Each has its own way of web authorization.
const (
	ServiceAccount AppType = "service"      // 服务号: /connect/oauth2/authorize
	Subscription   AppType = "subscription" // 订阅号: none
	Website        AppType = "website"      // 网站应用: /connect/qrconnect
	MiniProgram    AppType = "mini_program" // 小程序: /sns/jscode2session
)

// Denial is how a user's no comes back to the site.
type Denial string

// The forms. The first is documented for websites and third parties, the second was seen in access
// logs, the third is what the newer page on website login says.
const (
	DenialState  Denial = "state"    // with the state, and no code
	DenialCode   Denial = "authdeny" // with code=authdeny&reason=
	DenialSilent Denial = "none"     // not at all
)

// AddApp registers an app. It fails if the app has no id or secret, is already there, has an
// entry in AllowIPs that is no address, or one of the other fields makes no sense. Its callback
// domains are not verified.
func (s *Sim) AddApp(cfg App) error {
	if cfg.ID == "" || cfg.Secret == "" {
		return errors.New("wxsim: add app: an id and a secret are needed")
	}
	a, err := s.newApp(cfg)
	if err != nil {
		return fmt.Errorf("wxsim: add app %s: %w", cfg.ID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.apps[cfg.ID] != nil {
		return fmt.Errorf("wxsim: add app %s: already there", cfg.ID)
	}
	s.apps[cfg.ID] = a
	s.order = append(s.order, cfg.ID)
	return nil
}

// app returns nil if there is no such app.
func (s *Sim) app(id string) *app {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.apps[id]
}

// token returns nil for a string that is no token, or one long dead.
func (s *Sim) token(value string) *token {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tokens[value]
}

var _ http.Handler = (*Sim)(nil)
