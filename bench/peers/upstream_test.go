//go:build unix

package peers

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

const (
	appID     = "wx0123456789abcdef"
	appSecret = "0123456789abcdef0123456789abcdef"
)

// upstream is the simulated WeChat, over a socket. A request for a token takes
// effect when it arrives; its answer can be kept back.
type upstream struct {
	*wxsim.Sim
	url string

	mu      sync.Mutex
	latency time.Duration // of requests for tokens
	closed  chan struct{} // what arrives while it is there waits until it ends
}

// newUpstream begins a WeChat without oddities, whose tokens live for two hours
// unless the options say otherwise.
func newUpstream(t *testing.T, o wxsim.Options) *upstream {
	o.Seed = 1
	o.Quirks |= wxsim.NoQuirks
	u := &upstream{Sim: wxsim.New(o)}
	if err := u.AddApp(wxsim.App{ID: appID, Secret: appSecret}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(u)
	u.url = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/cgi-bin/token" && r.URL.Path != "/cgi-bin/stable_token" {
		u.Sim.ServeHTTP(w, r)
		return
	}
	u.mu.Lock()
	latency, closed := u.latency, u.closed
	u.mu.Unlock()
	answer := httptest.NewRecorder()
	u.Sim.ServeHTTP(answer, r)
	if closed != nil {
		select {
		case <-closed:
		case <-r.Context().Done():
		}
	}
	select {
	case <-time.After(latency):
	case <-r.Context().Done():
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// slow sets how long a request for a token takes from now on.
func (u *upstream) slow(latency time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.latency = latency
}

// hold keeps back the answers to requests for tokens that arrive from now on,
// until release is called. Later ones are not held then.
func (u *upstream) hold() (release func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	closed := make(chan struct{})
	u.closed = closed
	return sync.OnceFunc(func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.closed = nil
		close(closed)
	})
}

// admit answers from now on what arrives from now on. What hold keeps back waits
// for its release.
func (u *upstream) admit() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = nil
}

// asked is how many requests for a token there were.
func (u *upstream) asked() int {
	return u.Asked(appID, wxsim.Classic) + u.Asked(appID, wxsim.Stable)
}

// dead counts the tokens that WeChat does not accept now.
func (u *upstream) dead(tokens []string) (n int) {
	for _, token := range tokens {
		if !u.Valid(appID, token) {
			n++
		}
	}
	return n
}
