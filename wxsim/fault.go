package wxsim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mode is a way of misbehaving that no documentation allows.
type Mode int8

// The modes. A handler cannot refuse a connection: over sockets an Outage closes the port if it is one
// of everything, for good, and Serve listens; else it looks like Reset. Those marked "handled" take effect before they go wrong; of the others, Fault.After
// makes it so.
const (
	Outage       Mode = iota + 1 // the connection is refused: nothing was sent
	Reset                        // the connection breaks after the request was sent
	LostAnswer                   // handled: the same, but the request took effect
	Hang                         // no answer until the caller gives up
	SlowAnswer                   // handled: a good answer, after Delay
	SlowBody                     // handled: a good answer, one byte a second (of the caller)
	Status5xx                    // Status, or 502, with a line of text
	HTML                         // 200 and a page
	Empty                        // 200 and nothing
	Truncated                    // handled: the connection ends in the middle of the body
	Garbage                      // 200 and what is no answer, in many forms
	GzipBomb                     // 100 KB that decompress to 100 MiB
	SystemBusy                   // errcode -1
	Errcode                      // Fault.Errcode
	OddExpiresIn                 // handled: expires_in as a string, a float, missing, null, 0, negative, huge, or Fault.Value
	WrongTypes                   // handled: access_token, or ticket, is no string, or an empty one
	ExtraToken                   // handled: access_token, or ticket, is there twice
	Body                         // Fault.Body, with Status and ContentType
)

var modes = []string{
	"", "outage", "reset", "lost_answer", "hang", "slow_answer", "slow_body", "status_5xx", "html", "empty",
	"truncated", "garbage", "gzip_bomb", "system_busy", "errcode", "odd_expires_in", "wrong_types", "extra_token", "body",
}

func (m Mode) String() string {
	if m <= 0 || int(m) >= len(modes) {
		return fmt.Sprintf("mode(%d)", int8(m))
	}
	return modes[m]
}

// MarshalText makes a mode a word in JSON.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (m *Mode) UnmarshalText(b []byte) error {
	if i := slices.Index(modes, string(b)); i > 0 {
		*m = Mode(i)
		return nil
	}
	return fmt.Errorf("wxsim: no such mode %q: one of %s", b, strings.Join(modes[1:], ", "))
}

// Fault is an order to misbehave. It concerns the requests whose path begins with Path and which
// come for App; empty means all.
type Fault struct {
	Path        string        `json:"path,omitempty"`
	App         string        `json:"appid,omitempty"`
	Mode        Mode          `json:"mode"`
	Count       int           `json:"count,omitempty"`       // how many times; 0: until cleared
	Probability float64       `json:"probability,omitempty"` // 0 and 1: always
	After       bool          `json:"after,omitempty"`       // the request takes effect first
	Delay       time.Duration `json:"-"`                     // of the caller's time, before the answer
	Status      int           `json:"status,omitempty"`      // of Status5xx and Body
	Errcode     int           `json:"errcode,omitempty"`     // of Errcode
	Value       string        `json:"value,omitempty"`       // of OddExpiresIn, as JSON, or "missing"; "": each form in turn
	Body        string        `json:"body,omitempty"`        // of Body
	ContentType string        `json:"content_type,omitempty"`

	use int // which use of the fault this is, from 0
}

// handles reports whether a request takes effect all the same.
func (f *Fault) handles() bool {
	switch f.Mode {
	case Outage:
		return false
	case LostAnswer, SlowAnswer, SlowBody, Truncated, OddExpiresIn, WrongTypes, ExtraToken:
		return true
	}
	return f.After
}

func (f *Fault) check() error {
	switch {
	case f.Mode < Outage || f.Mode > Body:
		return fmt.Errorf("wxsim: fault: %v", f.Mode)
	case f.Probability < 0 || f.Probability > 1 || f.Count < 0 || f.Delay < 0:
		return fmt.Errorf("wxsim: fault %v: negative, or a probability above 1", f.Mode)
	case f.Mode == Errcode && refusals[f.Errcode].text == "" && pageErrors[f.Errcode] == "":
		return fmt.Errorf("wxsim: fault: errcode %d is not one that the simulator knows; use mode body", f.Errcode)
	}
	return nil
}

// faults are the orders in force, first told first.
type faults struct {
	mu      sync.Mutex
	list    []*Fault
	changed chan struct{} // closed and replaced with every change
}

// Fail tells the platform to misbehave until it did so Count times, clear is called, or
// ClearFaults. Where several faults fit a request the first told wins. It panics at a Fault that
// makes no sense.
func (s *Sim) Fail(f Fault) (clear func()) {
	if err := f.check(); err != nil {
		panic(err)
	}
	s.faults.update(func(list []*Fault) []*Fault { return append(list, &f) })
	return func() {
		s.faults.update(func(list []*Fault) []*Fault {
			return slices.DeleteFunc(list, func(g *Fault) bool { return g == &f })
		})
	}
}

// ClearFaults takes every Fail back.
func (s *Sim) ClearFaults() { s.faults.update(func([]*Fault) []*Fault { return nil }) }

// Faults are the orders in force.
func (s *Sim) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	list := make([]Fault, 0, len(s.faults.list))
	for _, f := range s.faults.list {
		list = append(list, *f)
	}
	return list
}

func (fs *faults) update(change func([]*Fault) []*Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = change(fs.list)
	close(fs.changed)
	fs.changed = make(chan struct{})
}

// outage reports whether nothing is to be reached at all, and gives a channel that ends with the
// next change.
func (fs *faults) outage() (bool, <-chan struct{}) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return slices.ContainsFunc(fs.list, func(f *Fault) bool {
		return f.Mode == Outage && f.Path == "" && f.App == "" && f.Count == 0 && f.Probability == 0
	}), fs.changed
}

// await blocks until an outage has begun or ended, or ctx has.
func (fs *faults) await(ctx context.Context, begun bool) {
	for {
		out, changed := fs.outage()
		if out == begun {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// match takes the first fault that fits; nil is a request that goes well.
func (fs *faults) match(s *Sim, c *call) *Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.list {
		if !strings.HasPrefix(c.path, f.Path) || f.App != "" && f.App != c.appid {
			continue
		}
		if f.Probability > 0 && !s.dice.chance(f.Probability) {
			continue
		}
		now := *f
		f.use++
		if f.Count > 0 && f.use == f.Count {
			fs.list = slices.Delete(fs.list, i, i+1)
		}
		return &now
	}
	return nil
}

// spoil makes the reply of a fault. The answer is the one that would have been given, or nothing
// where the request did not take effect.
func (s *Sim) spoil(c *call, f *Fault, a answer) *reply {
	p := s.render(c, a)
	say := func(status int, contentType, body string) {
		p.status, p.contentType, p.header, p.body = status, contentType, nil, []byte(body)
	}
	switch f.Mode {
	case Outage, Reset, LostAnswer:
		p.fate = reset
	case Hang:
		p.fate = hang
	case SlowBody:
		p.pace = time.Second
	case Status5xx:
		status := f.Status
		if status == 0 {
			status = http.StatusBadGateway
		}
		say(status, "text/plain", http.StatusText(status))
	case HTML:
		say(http.StatusOK, "text/html; charset=utf-8", "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>\n")
	case Empty:
		say(http.StatusOK, "text/html;charset=gbk", "") // so seen in 2017
	case Truncated:
		p.cut = true
	case Garbage:
		p.status, p.header, p.body = http.StatusOK, nil, garbage(f.use, p.body, f.handles())
	case GzipBomb:
		p.status, p.header, p.encoding, p.body = http.StatusOK, nil, "gzip", bomb()
	case SystemBusy:
		p = s.render(c, s.refuse(c, -1))
	case Errcode:
		p = s.render(c, s.refuse(c, f.Errcode))
	case OddExpiresIn, WrongTypes, ExtraToken:
		if i := slices.IndexFunc(a.fields, func(d field) bool { return d.name == "access_token" || d.name == "ticket" }); i >= 0 {
			a.fields = slices.Concat(a.fields[:i], oddFields(f, a.fields[i:i+2]), a.fields[i+2:])
			p = s.render(c, a)
		}
	case Body:
		say(f.Status, f.ContentType, f.Body)
		if p.status == 0 {
			p.status = http.StatusOK
		}
	}
	return p
}
