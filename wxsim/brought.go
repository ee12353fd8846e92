package wxsim

import (
	"net/http"
	"sync"
)

// Brought is everything that a call brought with it.
type Brought struct {
	Method string
	Host   string
	Target string // path and query as they stood on the wire
	Header http.Header
	Body   []byte
}

// brought is the last call of each path that there is.
type brought struct {
	mu   sync.Mutex
	last map[string]Brought
}

func (b *brought) add(c *call) {
	if c.route == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		b.last = make(map[string]Brought)
	}
	b.last[c.path] = Brought{Method: c.method, Host: c.host, Target: c.path + "?" + c.rawQuery, Header: c.header.Clone(), Body: c.body}
}

// LastBrought is what the last call of a path brought, secrets and all: an oracle for tests that look
// for what should not have come. It is false before the first, and for paths that are not there.
func (s *Sim) LastBrought(path string) (Brought, bool) {
	s.brought.mu.Lock()
	defer s.brought.mu.Unlock()
	b, ok := s.brought.last[path]
	return b, ok
}
