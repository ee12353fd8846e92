//go:build unix

package cluster

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hufu-project/hufu/wxsim"
)

// gate is a node's way to WeChat. It sees an issue come, pass and go.
type gate struct {
	url string

	mu sync.Mutex
	on map[point]func() bool
}

// point is a moment of an issue, as WeChat sees it.
type point int

const (
	connected point = iota // a connection, and no request yet
	arrived                // the request is here; WeChat has done nothing
	handled                // WeChat has issued; the answer is not on its way
)

// newGate opens one until the test ends.
func newGate(t *testing.T, sim *wxsim.Sim) *gate {
	t.Helper()
	g := &gate{on: map[point]func() bool{}}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isIssue(r.URL.Path) {
			sim.ServeHTTP(w, r)
			return
		}
		if g.pass(arrived) {
			panic(http.ErrAbortHandler)
		}
		kept := httptest.NewRecorder()
		sim.ServeHTTP(kept, r)
		g.pass(handled)
		for name, values := range kept.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(kept.Code)
		_, _ = w.Write(kept.Body.Bytes())
	}))
	s.Listener = door{s.Listener, g}
	s.Start()
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

func isIssue(path string) bool {
	return strings.HasPrefix(path, "/cgi-bin/token") || strings.HasPrefix(path, "/cgi-bin/stable_token")
}

// once has something done when an issue is there next. It returns whether the
// connection is to break there, which only connected and arrived can.
func (g *gate) once(at point, do func() bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.on[at] = do
}

// pass does what is to be done there.
func (g *gate) pass(at point) bool {
	g.mu.Lock()
	do := g.on[at]
	delete(g.on, at)
	g.mu.Unlock()
	return do != nil && do()
}

type door struct {
	net.Listener
	g *gate
}

func (d door) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err == nil && d.g.pass(connected) {
		_ = conn.Close()
	}
	return conn, err
}
