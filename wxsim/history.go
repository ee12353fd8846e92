package wxsim

import (
	"cmp"
	"maps"
	"sync"
	"time"
)

// Request is one request as the platform remembers it: no secret, and of tokens a short hash.
type Request struct {
	Time    time.Time     `json:"time"` // of the platform
	Took    time.Duration `json:"took"` // of the platform, too
	RID     string        `json:"rid"`
	Remote  string        `json:"remote"`
	Host    string        `json:"host"`
	Method  string        `json:"method"`
	Path    string        `json:"path"`
	App     string        `json:"appid,omitempty"`
	Line    string        `json:"line,omitempty"`  // asked for a token: "classic" or "stable"
	Force   bool          `json:"force,omitempty"` // with force_refresh
	Errcode int           `json:"errcode"`         // as decided, whatever reached the caller
	Fault   string        `json:"fault,omitempty"` // the mode of the fault that spoiled it
	Lost    bool          `json:"lost,omitempty"`  // the caller cannot know what came of it
	Issued  bool          `json:"issued,omitempty"`

	// The token that was brought, or was given out.
	Token           string `json:"token_hash,omitempty"`
	TokenLine       string `json:"token_line,omitempty"`
	TokenGeneration int    `json:"token_generation,omitempty"`

	// Of web authorization: whom it was about, and the code that was brought or given out.
	User string `json:"user,omitempty"`
	Code string `json:"code_hash,omitempty"`
}

// history is a ring of the last requests and counters of all.
type history struct {
	mu     sync.Mutex
	size   int
	ring   []Request
	next   int
	counts map[string]map[int]int
}

func (h *history) add(r Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ring) < h.size {
		h.ring = append(h.ring, r)
	} else {
		h.ring[h.next] = r
		h.next = (h.next + 1) % h.size
	}
	if h.counts == nil {
		h.counts = make(map[string]map[int]int)
	}
	path := r.Path
	if r.Errcode == 40066 {
		path = "" // strangers may invent as many as they like
	}
	if h.counts[path] == nil {
		h.counts[path] = make(map[int]int)
	}
	h.counts[path][r.Errcode]++
}

// History is the last requests, oldest first, as many as Options.History says. A request is added
// when it is over.
func (s *Sim) History() []Request {
	h := &s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	return append(append(make([]Request, 0, len(h.ring)), h.ring[h.next:]...), h.ring[:h.next]...)
}

// Counts is how often each path answered each errcode, 0 for success, since New. Unknown paths are
// counted under "".
func (s *Sim) Counts() map[string]map[int]int {
	h := &s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make(map[string]map[int]int, len(h.counts))
	for path, codes := range h.counts {
		out[path] = maps.Clone(codes)
	}
	return out
}

// find looks a request up by its id.
func (h *history) find(rid string) (Request, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.ring {
		if r.RID == rid {
			return r, true
		}
	}
	return Request{}, false
}

func (s *Sim) record(c *call, a answer, said said) Request {
	r := Request{
		Time: c.arrived, Took: s.Now().Sub(c.arrived), RID: c.rid, Remote: c.ip.String(),
		Host: clip(c.host), Method: clip(c.method), Path: clip(c.path), App: clip(c.appid),
		Errcode: a.errcode, Issued: a.issued, Lost: said.unclear,
	}
	if c.fault != nil {
		r.Fault = c.fault.Mode.String()
		if !c.fault.handles() {
			r.Errcode = said.errcode
		}
	}
	if c.ask != nil {
		r.Line, r.Force = c.ask.line.String(), c.ask.force
	}
	r.User, r.Code = c.user, shortHash(cmp.Or(a.code, c.exchanged()))
	t := c.token
	if a.token != nil {
		t = a.token
	}
	if t != nil {
		r.Token, r.TokenLine, r.TokenGeneration = t.hash, t.line.String(), t.generation
	} else if v := c.query.Get("access_token"); v != "" {
		r.Token = shortHash(v)
	}
	if a.userToken != "" {
		r.Token = shortHash(a.userToken)
	}
	return r
}

// clip keeps strangers from filling the memory.
func clip(v string) string { return v[:min(len(v), 256)] }
