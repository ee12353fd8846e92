package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/wxsim"
)

// The times of the protocol for a life of two hours, as docs and WeChat's pages
// tell them; not taken from the keeper, which is to be judged by them.
const (
	life         = 2 * time.Hour
	overlap      = 5 * time.Minute // a replaced value works on for so long
	spacing      = 4 * time.Minute // between two issues that end each other
	maxAge       = time.Minute
	inDoubt      = 5 * time.Second // max_age then
	issueTimeout = 8 * time.Second
	term         = 30 * time.Second // of an attempt as a lease
	guard        = 10 * time.Second // from its write to the first byte
	forceSpacing = 30 * time.Second
	maxForced    = 20
	staleness    = 2 * time.Second // and what a read of the store takes
	reading      = 300 * time.Millisecond
)

// record is what the keeper stores, as far as it is judged; see
// internal/keeper/record.go.
type record struct {
	Source     string
	Value      string
	Generation uint64
	Asked      time.Time
	Checked    time.Time
	Life       time.Duration
	Expires    time.Time
	Dead       bool
	Suspect    bool
	Orders     int
	Bucket     struct {
		Left float64
		At   time.Time
	}
	Attempts []attempt
}

type attempt struct {
	ID, Node   string
	At         time.Time
	Over, Mild bool
}

func (r record) attempt(id string) (attempt, bool) {
	for _, a := range r.Attempts {
		if a.ID == id {
			return a, true
		}
	}
	return attempt{}, false
}

// intent is the oldest open attempt that may have ended the value.
func (r record) intent() (attempt, bool) {
	for _, a := range r.Attempts {
		if !a.Mild {
			return a, true
		}
	}
	return attempt{}, false
}

// judge sees everything: what is written, what is asked of WeChat, what WeChat
// really did, and what is handed out. It knows what no node can know.
type judge struct {
	w  *world
	mu sync.Mutex

	accounts map[string]*account // by key in the store
	owners   map[string]string   // app of a value
	puts     map[string]time.Time
	knows    map[string]uint64 // generation that a process knows, by name and key
}

// account is one credential.
type account struct {
	key     credential.Key
	source  string // of its app
	rec     record // as the store has it
	version string
	values  map[string]*value
	tries   map[string]*try
	since   map[string]time.Time // when an attempt last became open
	byGen   map[uint64]string
	mints   int

	committed  time.Time // when the generation in the store was written
	marked     time.Time // when it was marked dead there
	sent       []*sending
	forced     []time.Time
	dry        map[string]time.Time // by path: spent until then
	lost       time.Time            // when the store last forgot something of it
	meddled    time.Time            // when somebody else last had a hand in it
	reads      int
	failures   int
	generation uint64 // the latest that ever was
}

// value is one token or ticket that WeChat made.
type value struct {
	text    string
	path    string // of the request that brought it
	mint    int    // counts them
	at      time.Time
	until   time.Time // what max_age promised
	surely  time.Time // what expires_in promised
	excused bool      // somebody else ended it, or the store forgot
	refused map[*process][]time.Time
	by      *sending // a request that was held up past its lease has ended it
}

// secret reports whether nobody who runs can know that the value has ended: its
// end came from a process that was stopped between its last look at the clock
// and the write, for longer than its lease, and that has not told since.
func (v *value) secret() bool {
	return v.by != nil && (!v.by.p.up() || v.by.p.wasPaused(time.Now().Add(-15*time.Second)))
}

// try is an attempt that is durable.
type try struct {
	attempt
	began   time.Time // its write
	written time.Time
	request *sending
}

// sending is one request for a value.
type sending struct {
	p      *process
	q      request
	a      *account
	try    *try
	at     time.Time
	acted  bool // WeChat has seen it
	gone   bool // it will never arrive
	heard  bool
	plain  bool // WeChat's answer is as it should be
	code   int
	minted *value
}

func (s *sending) lost() { s.gone = true }

func newJudge(w *world) *judge {
	return &judge{w: w, accounts: map[string]*account{}, owners: map[string]string{}, puts: map[string]time.Time{}, knows: map[string]uint64{}}
}

func storeKey(app, kind string) string { return "cred/" + app + "/" + kind }

// account finds the credential. The caller holds j.mu.
func (j *judge) account(key string) *account {
	a := j.accounts[key]
	if a == nil {
		parts := strings.Split(key, "/")
		a = &account{
			key: credential.Key{App: credential.App(parts[1]), Kind: credential.Kind(parts[2])}, source: j.w.shape.source,
			values: map[string]*value{}, tries: map[string]*try{}, since: map[string]time.Time{}, byGen: map[uint64]string{}, dry: map[string]time.Time{},
		}
		j.accounts[key] = a
	}
	return a
}

func (j *judge) ownerOf(value string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.owners[value]
}

// ends reports whether a new value on this path ends the one before.
func ends(path string) bool { return path != pathStable }

func pathOf(a *account, source string) string {
	switch {
	case a.key.Kind != credential.AccessToken:
		return pathTicket
	case source == "classic":
		return pathClassic
	}
	return pathStable
}

func lineOf(path string) wxsim.Line {
	if path == pathClassic {
		return wxsim.Classic
	}
	return wxsim.Stable
}

// fail ends the run with the breach of a rule.
func (j *judge) fail(rule, format string, args ...any) { j.w.fail(rule, fmt.Sprintf(format, args...)) }

// clockQuiet reports whether the store's clock was left alone since then.
func (j *judge) clockQuiet(since time.Time) bool {
	r := j.w.store
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stepped.IsZero() || r.stepped.Before(since)
}

func (j *judge) truth(at time.Time) time.Time {
	r := j.w.store
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.truth(at)
}

// writing notes that a process begins to write.
func (j *judge) writing(p *process, key string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.puts[p.name+key] = time.Now()
}

// known notes what a process has heard from the store.
func (j *judge) known(p *process, rec store.Record, err error) {
	if err != nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	a := j.account(rec.Key)
	r := a.rec
	if a.version != rec.Version {
		r = record{}
		_ = json.Unmarshal(rec.Value, &r)
	}
	if id := p.name + rec.Key; j.knows[id] < r.Generation {
		j.knows[id] = r.Generation
	}
}

// written judges a write at the moment at which it happens.
func (j *judge) written(p *process, key string, old, out store.Record) {
	var prev, next record
	if len(old.Value) > 0 {
		_ = json.Unmarshal(old.Value, &prev)
	}
	if err := json.Unmarshal(out.Value, &next); err != nil {
		j.fail("W0 a record can be read", "%s wrote %s: %v", p.name, key, err)
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	a := j.account(key)
	now := time.Now()
	who := fmt.Sprintf("%s wrote %s", p.name, key)
	a.rec, a.version = next, out.Version
	j.w.note("%s generation %d, %d attempts, dead %v, orders %d", who, next.Generation, len(next.Attempts), next.Dead, next.Orders)

	for _, n := range next.Attempts {
		_, was := prev.attempt(n.ID)
		if !was {
			a.since[n.ID] = now
		}
		if !was && a.tries[n.ID] == nil {
			j.opened(p, a, prev, n, who)
			a.tries[n.ID] = &try{attempt: n, began: j.puts[p.name+key], written: now}
		}
	}
	if len(old.Value) > 0 {
		j.forgottenAttempts(p, a, prev, next, who)
	}

	// Generations only grow, and each has one value.
	lost := now.Sub(a.lost) < time.Hour && !a.lost.IsZero()
	switch same := next.Value == prev.Value; {
	case next.Generation < prev.Generation && !lost:
		j.fail("W4 generations grow", "%s: %d over %d", who, next.Generation, prev.Generation)
	case same && next.Generation != prev.Generation && len(old.Value) > 0 && !lost,
		!same && next.Generation == prev.Generation && len(old.Value) > 0,
		!same && next.Generation != prev.Generation+1 && !lost && prev.Value != "":
		j.fail("W4 a generation is one value", "%s: generation %d after %d, same value %v", who, next.Generation, prev.Generation, same)
	}
	if was, ok := a.byGen[next.Generation]; ok && was != next.Value && next.Value != "" && !lost {
		j.fail("W4 a generation is one value", "%s: generation %d is another value than before", who, next.Generation)
	}
	a.byGen[next.Generation] = next.Value

	if next.Value != prev.Value {
		a.committed, a.marked = now, time.Time{}
		a.generation = max(a.generation, next.Generation)
		is, was := a.values[next.Value], a.values[prev.Value]
		if is == nil {
			j.fail("W5 what is stored came from WeChat", "%s: an unknown value", who)
			return
		}
		if was != nil && was.path == is.path && ends(is.path) && is.mint < was.mint && j.clockQuiet(was.at.Add(-term)) {
			j.fail("W5 no older value replaces a newer one", "%s: WeChat's value %d over %d", who, is.mint, was.mint)
		}
		if is.path != pathTicket && j.clockQuiet(now.Add(-2*life)) {
			if info, ok := j.w.sim.TokenInfo(string(a.key.App), is.text); ok {
				if end := j.truth(next.Expires); end.After(info.Expires.Add(-3 * time.Second)) {
					j.fail("W6 no life is reckoned longer than it is", "%s: stored as live until %v, WeChat ends it at %v", who, end, info.Expires)
				}
			}
		}
		j.visitSoon(a, "commit", 20*time.Millisecond, staleness+reading)
	}
	if next.Dead && !prev.Dead && next.Value == prev.Value {
		a.marked = now
		if v := a.values[next.Value]; a.key.Kind == credential.AccessToken && (v == nil || len(v.refused) == 0) {
			j.fail("W7 no value is called dead that WeChat has not refused", "%s", who)
		}
		if j.w.valid(string(a.key.App), string(a.key.Kind), next.Value) {
			j.fail("W7 no value is called dead that WeChat has not refused", "%s, and it works", who)
		}
		j.visitSoon(a, "dead", staleness+reading, 20*time.Second)
	}
}

// opened judges an attempt that is written down.
func (j *judge) opened(p *process, a *account, prev record, n attempt, who string) {
	if n.Over {
		return // of a value that came too late
	}
	if n.Node != p.name {
		j.fail("W1 an attempt has its writer's name", "%s: %s", who, n.Node)
	}
	for _, b := range prev.Attempts {
		if age := n.At.Sub(b.At); !p.Alone && b.Node != n.Node && !b.Over && age < term-time.Second {
			j.fail("W1 one lease at a time", "%s: an attempt of %s is %v old", who, b.Node, age)
		}
	}
	live := prev.Value != "" && !prev.Dead && n.At.Before(prev.Expires)
	_, intent := prev.intent()
	if live && !intent && prev.Orders == 0 && !prev.Suspect && prev.Source == pathSource(a, prev) {
		asked := prev.Asked
		var due time.Time
		switch pathOf(a, prev.Source) {
		case pathClassic:
			due = asked.Add(prev.Life * 11 / 16)
		case pathStable:
			due = prev.Expires.Add(-overlap)
		default:
			if prev.Checked.After(asked) {
				asked = prev.Checked
			}
			due = asked.Add(prev.Expires.Sub(asked) * 5 / 16)
		}
		if n.At.Before(due.Add(-time.Second)) {
			j.fail("W2 nothing is issued that nobody needs", "%s: %v before it is due", who, due.Sub(n.At))
		}
	}
	// Two issues that may both have happened, and of which each ends the other's.
	if live && len(a.sent) > 0 {
		now, last := time.Now(), a.sent[len(a.sent)-1]
		late := last.try != nil && last.at.Sub(last.try.written) > guard
		known := last.heard && last.code != 0 && last.code != -1
		quiet := j.clockQuiet(now.Add(-2*life)) && (a.lost.IsZero() || now.Sub(a.lost) > 2*spacing)
		if ends(last.q.path) && last.q.path == pathOf(a, a.source) && !n.Mild && !late && !known && quiet && now.Sub(last.at) < spacing-guard {
			j.fail("W3 two issues are not too close", "%s: the last was sent %v ago", who, now.Sub(last.at))
		}
	}
}

// pathSource is the source that an account's values are from as long as nothing
// is wrong.
func pathSource(a *account, r record) string {
	if a.key.Kind != credential.AccessToken {
		return r.Source
	}
	return a.source
}

// forgottenAttempts judges what became of attempts that are no longer open.
func (j *judge) forgottenAttempts(p *process, a *account, prev, next record, who string) {
	oldest, left := next.intent()
	var own attempt
	for _, b := range prev.Attempts {
		if b.Node == p.name {
			own = b
		}
	}
	for _, b := range prev.Attempts {
		if _, open := next.attempt(b.ID); open || b.Mild || left && !oldest.At.After(b.At) {
			continue
		}
		t := a.tries[b.ID]
		if t == nil || t.request == nil {
			continue // never sent
		}
		s := t.request
		if next.Checked != prev.Checked {
			continue // WeChat gave the same value again, which answers for the older ones
		}
		if next.Value != prev.Value {
			if own.ID != "" && b.At.After(own.At) && !s.acted && !s.gone {
				j.fail("W8 an attempt that may bring a newer value stays open", "%s", who)
			}
			continue
		}
		if s.minted != nil || !s.acted && !s.gone {
			j.fail("W8 no attempt is forgotten that may have made a value", "%s: %s of %s", who, b.ID, b.Node)
		}
	}
	for _, b := range prev.Attempts {
		if t := a.tries[b.ID]; t != nil && t.request != nil && t.request.heard && t.request.code == 45009 && !t.request.q.force {
			if _, open := next.attempt(b.ID); !open {
				a.dry[t.request.q.path] = midnight(j.w.store.clock()).Add(-j.w.store.offset())
			}
		}
	}
}

// midnight is the next one in Beijing.
func midnight(now time.Time) time.Time {
	const zone = 8 * time.Hour
	return now.Add(zone).Truncate(24 * time.Hour).Add(24*time.Hour - zone)
}

// sends judges a request that leaves a process.
func (j *judge) sends(p *process, q request) *sending {
	s := &sending{p: p, q: q, at: time.Now()}
	if q.path == pathProbe {
		return s
	}
	kind := "access_token"
	if q.path == pathTicket {
		kind = "jsapi_ticket"
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	a := j.account(storeKey(q.app, kind))
	s.a = a
	who := fmt.Sprintf("%s asked %s for %s", p.name, q.path, q.app)
	for _, t := range a.tries {
		if t.Node == p.name && t.request == nil && (s.try == nil || t.written.After(s.try.written)) {
			s.try = t
		}
	}
	// The latest attempt of this process is the one; an older one that was never
	// sent was given up.
	for _, t := range a.tries {
		if t.Node == p.name && t.request != nil && s.try != nil && t.written.After(s.try.written) {
			s.try = nil
		}
	}
	solo := (s.try == nil || s.at.Sub(s.try.began) > guard) && q.path == pathStable && !q.force && p.troubled()
	switch {
	case solo:
		s.try = nil
	case s.try == nil:
		j.fail("S1 one request per attempt, and only once that is durable", "%s", who)
	default:
		s.try.request = s
		if after := s.at.Sub(s.try.began); after > guard {
			j.fail("S2 nothing is sent once the attempt is too old", "%s %v after the write began", who, after)
		}
	}
	if until := a.dry[q.path]; s.at.Before(until) && a.rec.Orders == 0 && !q.force && j.clockQuiet(s.at.Add(-24*time.Hour)) && s.at.Sub(a.lost) > 24*time.Hour {
		j.fail("S4 nothing is asked for once the day's quota is spent", "%s, %v before midnight", who, until.Sub(s.at))
	}
	for len(a.sent) > 0 && s.at.Sub(a.sent[0].at) >= 24*time.Hour {
		a.sent = a.sent[1:]
	}
	if !solo {
		a.sent = append(a.sent, s)
		if most := j.w.shape.quota / 5; len(a.sent) > most && q.path != pathTicket && (a.lost.IsZero() || s.at.Sub(a.lost) > 24*time.Hour) && j.clockQuiet(s.at.Add(-24*time.Hour)) {
			j.fail("S3 a day's budget", "%s: the %dth in 24 hours, the budget is %d", who, len(a.sent), most)
		}
	}
	if q.force {
		for len(a.forced) > 0 && s.at.Sub(a.forced[0]) >= 24*time.Hour {
			a.forced = a.forced[1:]
		}
		sane := (a.lost.IsZero() || s.at.Sub(a.lost) > 24*time.Hour) && j.clockQuiet(s.at.Add(-24*time.Hour))
		if n := len(a.forced); sane && n > 0 && s.at.Sub(a.forced[n-1]) < forceSpacing-time.Second || sane && n >= maxForced {
			j.fail("S5 forced issues are few and far between", "%s, the %dth in 24 hours", who, n+1)
		}
		a.forced = append(a.forced, s.at)
	}
	return s
}

// acted notes what WeChat did.
func (j *judge) acted(q request, s *sending, body []byte, ill illness) {
	s.acted, s.plain = true, ill.mode == 0
	if q.path == pathProbe {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	a, now := s.a, time.Now()
	s.code = errcodeOf(body)
	cur := ""
	if q.path == pathTicket {
		cur = j.w.sim.Ticket(q.app, wxsim.JSAPI)
	} else {
		cur = j.w.sim.Current(q.app, lineOf(q.path))
	}
	if cur != "" && a.values[cur] == nil {
		a.mints++
		v := &value{text: cur, path: q.path, mint: a.mints, at: now, refused: map[*process][]time.Time{}}
		a.values[cur], j.owners[cur], s.minted = v, q.app, v
		j.w.note("WeChat makes value %d of %s for %s", v.mint, a.key, s.p.name)
		if now.Sub(s.at) > guard+issueTimeout && ends(q.path) {
			for _, other := range a.values {
				if other != v && other.by == nil {
					other.by = s
				}
			}
		} else {
			j.promises(a)
		}
		j.visitSoon(a, "mint", 30*time.Millisecond, 3*time.Second)
		for text, v := range a.values {
			if now.Sub(v.at) > 2*life {
				delete(a.values, text)
				delete(j.owners, text)
			}
		}
	}
}

// promises holds what was promised of each value against what WeChat now does
// with it.
func (j *judge) promises(a *account) {
	for _, v := range a.values {
		j.promised(a, v)
	}
}

func (j *judge) promised(a *account, v *value) {
	if v.excused || v.secret() || v.path == pathTicket || v.until.IsZero() {
		return
	}
	info, ok := j.w.sim.TokenInfo(string(a.key.App), v.text)
	if !ok {
		return
	}
	if info.Ends.Before(v.until) {
		j.fail("H1 max_age promises no more than is certain", "%s: value %d was promised until %v and ends at %v", a.key, v.mint, v.until.Sub(j.w.begin), info.Ends.Sub(j.w.begin))
	}
	if info.Ends.Before(v.surely) && !j.w.shape.loose {
		j.fail("H2 expires_in promises no more than is certain", "%s: value %d was promised until %v and ends at %v", a.key, v.mint, v.surely.Sub(j.w.begin), info.Ends.Sub(j.w.begin))
	}
}

// hears notes what a process has been answered.
func (j *judge) hears(p *process, q request, s *sending, resp *http.Response) {
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{}))
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s.heard = true
	code := errcodeOf(body)
	if s.minted != nil && s.plain {
		p.mu.Lock()
		p.heard[s.a.key] = holding{value: s.minted.text, since: time.Now()}
		p.mu.Unlock()
	}
	if q.path == pathProbe && resp.StatusCode == http.StatusOK && (code == 40001 || code == 40014 || code == 42001) {
		if v := j.account(storeKey(q.app, "access_token")).values[q.token]; v != nil {
			v.refused[p] = append(v.refused[p], time.Now())
			j.visitSoon(j.account(storeKey(q.app, "access_token")), "refused", term+6*time.Second)
		}
	}
}

// excuse notes that somebody else ends what there is: it is no breach that it
// dies.
func (j *judge) excuse(app string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, a := range j.accounts {
		if string(a.key.App) != app {
			continue
		}
		a.meddled = time.Now()
		for _, v := range a.values {
			v.excused = true
		}
		// What an outsider made is a value, too: on the stable line it is given to all.
		if a.key.Kind == credential.AccessToken {
			for _, path := range []string{pathClassic, pathStable} {
				if cur := j.w.sim.Current(app, lineOf(path)); cur != "" && a.values[cur] == nil {
					a.mints++
					a.values[cur] = &value{text: cur, path: path, mint: a.mints, at: time.Now(), excused: true, refused: map[*process][]time.Time{}}
					j.owners[cur] = app
				}
			}
		}
	}
}

// forgotten notes that the store lost something, and has it looked at whether
// who knew it has put it back.
func (j *judge) forgotten(before, after map[string]store.Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	for key, was := range before {
		is := after[key]
		if is.Version == was.Version {
			continue
		}
		a := j.account(key)
		a.lost, a.byGen = now, map[uint64]string{}
		a.rec, a.version = record{}, is.Version
		_ = json.Unmarshal(is.Value, &a.rec)
		for _, v := range a.values {
			v.excused = true
		}
		var r record
		_ = json.Unmarshal(was.Value, &r)
		generation := r.Generation
		if r.Dead || now.Add(time.Minute).After(j.truth(r.Expires)) {
			continue // of no use to anybody
		}
		var knew []*process
		for _, s := range j.w.slots {
			if p := s.process(); p != nil && p.up() && j.knows[p.name+key] == generation && p.born.Before(now.Add(-time.Minute)) {
				knew = append(knew, p)
			}
		}
		time.AfterFunc(15*time.Second, func() { j.putBack(a, generation, r.Value, now, knew) })
	}
}

// putBack judges whether what the store forgot is there again.
func (j *judge) putBack(a *account, generation uint64, value string, lost time.Time, knew []*process) {
	j.mu.Lock()
	defer j.mu.Unlock()
	is, was := a.values[a.rec.Value], a.values[value]
	newer := is != nil && (was == nil || is.mint >= was.mint) // somebody began on what was left
	if a.lost.After(lost) || a.rec.Generation >= generation || newer {
		return
	}
	for _, p := range knew {
		if p.steady(lost.Add(10 * time.Second)) {
			j.fail("L1 what a node knows is put back", "%s: the store forgot generation %d, %s knows it, and it has %d", a.key, generation, p.name, a.rec.Generation)
			return
		}
	}
}

// visitSoon has every node asked at these moments from now.
func (j *judge) visitSoon(a *account, why string, after ...time.Duration) {
	for _, s := range j.w.slots {
		for i, d := range after {
			x := j.w.dice.of(word(why), s.number, uint64(time.Since(j.w.begin)), uint64(i))
			time.AfterFunc(d+x.span(0, 2*time.Millisecond), func() { j.w.visit(s, a.key, x) })
		}
	}
}

// handed judges a value that was handed out.
func (j *judge) handed(p *process, key credential.Key, c credential.Credential, asked time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	a := j.account(storeKey(string(key.App), string(key.Kind)))
	a.reads++
	text := c.Value.Reveal()
	v := a.values[text]
	who := fmt.Sprintf("%s handed out generation %d of %s", p.name, c.Generation, key)
	j.w.note("%s, max_age %v, certain %v", who, c.MaxAge, c.Certain)
	if v == nil {
		j.fail("H0 what is handed out is the app's own", "%s", who)
		return
	}
	if c.MaxAge > c.Certain || c.MaxAge > maxAge {
		j.fail("H1 max_age promises no more than is certain", "%s: max_age %v, certain %v", who, c.MaxAge, c.Certain)
	}
	if was, ok := a.byGen[c.Generation]; ok && c.Generation > 0 && was != text && a.lost.IsZero() {
		j.fail("H3 a generation is one value", "%s", who)
	}
	// A node that is cut off cannot know that a ticket was asked for before its time
	// because somebody reported it.
	far := key.Kind != credential.AccessToken && p.troubled()
	if c.MaxAge > 0 && !v.excused && !v.secret() && !far && !j.w.valid(string(key.App), string(key.Kind), text) {
		j.fail("H4 what is handed out works", "%s: value %d is dead and max_age is %v", who, v.mint, c.MaxAge)
	}
	if until := now.Add(c.MaxAge); c.MaxAge > 0 && until.After(v.until) {
		v.until = until
	}
	if until := now.Add(c.Certain); c.Certain > 0 && until.After(v.surely) {
		v.surely = until
	}
	j.promised(a, v)

	fresh := now.Add(-staleness - reading)
	if c.Generation > 0 && c.Generation < a.rec.Generation && a.committed.Before(fresh) && p.steady(a.committed.Add(-100*time.Millisecond)) && (a.lost.IsZero() || a.lost.Before(fresh.Add(-time.Minute))) {
		j.fail("H5 nothing old is handed out two seconds after a newer value", "%s: generation %d is %v old", who, a.rec.Generation, now.Sub(a.committed))
	}
	if text == a.rec.Value && a.rec.Dead && !a.marked.IsZero() && a.marked.Before(fresh) && p.steady(a.marked.Add(-100*time.Millisecond)) {
		j.fail("H6 nothing is handed out that is proven dead", "%s: marked %v ago", who, now.Sub(a.marked))
	}
	if seen := v.refused[p]; len(seen) > 0 && !j.w.valid(string(key.App), string(key.Kind), text) && now.Sub(seen[len(seen)-1]) > term+5*time.Second && p.unpausedFor(term+10*time.Second) {
		if first := seen[0]; first.Sub(v.at) > maxAge+5*time.Second || seen[len(seen)-1].Sub(first) > 2900*time.Millisecond {
			j.fail("H6 nothing is handed out that is proven dead", "%s, to which WeChat refused it %v ago", who, now.Sub(first))
		}
	}
	// An intent that everybody has had the time to hear of.
	if in, ok := a.rec.intent(); ok && text == a.rec.Value && c.MaxAge > inDoubt {
		if since, ok := a.since[in.ID]; ok && now.Sub(since) > issueTimeout+staleness+reading && p.steady(since.Add(-100*time.Millisecond)) && j.clockQuiet(now.Add(-2*life)) && ends(v.path) {
			j.fail("H7 doubt is told", "%s: max_age %v, and an attempt is unresolved for %v", who, c.MaxAge, now.Sub(since))
		}
	}
	if p.cutFor() > 7*time.Second && c.MaxAge > inDoubt {
		j.fail("H7 doubt is told", "%s: max_age %v, and it is cut off for %v", who, c.MaxAge, p.cutFor())
	}
	p.mu.Lock()
	held, ok := p.held[key]
	p.held[key] = holding{text, now, now.Add(c.Left)}
	p.mu.Unlock()
	if took := now.Sub(asked); took > 0 && ok && asked.After(held.since) && asked.Before(held.until) && held.value == text && !a.rec.Dead && len(v.refused) == 0 && (a.lost.IsZero() || now.Sub(a.lost) > time.Minute) {
		j.fail("H8 a read of a live value waits for nobody", "%s after %v", who, took)
	}
}

// failed judges a read that brought nothing.
func (j *judge) failed(p *process, key credential.Key, asked time.Time, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	a := j.account(storeKey(string(key.App), string(key.Kind)))
	a.failures++
	now := time.Now()
	j.w.note("%s has nothing for %s: %v", p.name, key, err)
	told, _ := j.w.sim.TokenInfo(string(key.App), p.heardOf(key).value)
	newest := a.values[a.rec.Value] == nil || a.values[p.heardOf(key).value] != nil && a.values[p.heardOf(key).value].mint >= a.values[a.rec.Value].mint
	if h := p.heardOf(key); h.value != "" && newest && p.unpausedFor(2*overlap) && now.Before(told.Expires.Add(-10*time.Second)) && now.Sub(h.since) > staleness+reading && asked.After(h.since) && j.w.valid(string(key.App), string(key.Kind), h.value) && len(a.values[h.value].refused) == 0 {
		j.fail("A1 a value that is known is handed out", "%s has nothing for %s, and was given a value %v ago that works: %v", p.name, key, now.Sub(h.since), err)
	}
	r := a.rec
	v := a.values[r.Value]
	if v != nil && !r.Dead && now.Before(j.truth(r.Expires)) && a.committed.Before(asked.Add(-time.Second)) && p.steady(asked.Add(-5*time.Second)) && j.clockQuiet(asked.Add(-time.Minute)) && j.w.valid(string(key.App), string(key.Kind), r.Value) && len(v.refused) == 0 {
		j.fail("A1 a value that is known is handed out", "%s has nothing for %s, and generation %d in the store works: %v", p.name, key, r.Generation, err)
	}
	if j.w.sheltered(string(key.App)) && now.Sub(p.born) > 10*time.Second {
		j.fail("A2 an outage that is short enough is invisible", "%s has nothing for %s: %v", p.name, key, err)
	}
}

// holding is what a process last handed out.
type holding struct {
	value string
	since time.Time
	until time.Time
}
