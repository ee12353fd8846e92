package webauth

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/wechat"
)

// BenchmarkLogin compares the two redirects of a login with a bare handler that
// writes the same redirect, over one connection, client and server in one
// process. Both take turns, so that whatever else the machine does hits both.
// What a login costs beyond a redirect is durable writes to the embedded store:
// one for authorize, four for the callback, which also holds the exchange with
// the simulator. ratio is the median over the turns, of CPU time and of the
// time that a person waits.
func BenchmarkLogin(b *testing.B) {
	begin := strings.TrimPrefix(authorize(shop, site, wechat.ScopeBase, "S"), webURL)
	b.Run("authorize", func(b *testing.B) {
		w := newWorld(b)
		compare(b, w.auth.Browser(), w.phone().begin(webURL+begin), func(n int) (all []request) {
			w.auth.bounds = newBounds()
			return slices.Repeat([]request{{path: begin}}, n)
		})
	})
	b.Run("callback", func(b *testing.B) {
		w := newWorld(b)
		p := w.phone()
		like := p.get(p.callback(webURL + begin)).Header.Get("Location")
		compare(b, w.auth.Browser(), like, func(n int) (all []request) {
			for range n {
				p := w.phone()
				callback := p.callback(webURL + begin)
				all = append(all, request{strings.TrimPrefix(callback, webURL), p.cookies["__Host-hufu"]})
			}
			return all
		})
	})
}

type request struct {
	path   string
	cookie *http.Cookie
}

// compare lets a handler and a bare redirect take turns.
func compare(b *testing.B, ours http.Handler, to string, prepare func(n int) []request) {
	const turn = 16
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		send(w, to)
	})
	chain, plain := httptest.NewServer(ours), httptest.NewServer(bare)
	defer chain.Close()
	defer plain.Close()
	way := &http.Transport{}
	defer way.CloseIdleConnections()
	run := func(base string, all []request) (spent, waited time.Duration) {
		before, began := cpu(), time.Now()
		for _, q := range all {
			r, _ := http.NewRequest(http.MethodGet, base+q.path, nil)
			r.Header.Set("User-Agent", phoneUA)
			if q.cookie != nil {
				r.AddCookie(q.cookie)
			}
			resp, err := way.RoundTrip(r)
			must(b, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusSeeOther {
				b.Fatal(resp.Status)
			}
		}
		return cpu() - before, time.Since(began)
	}
	var spent, waited []float64
	var wait time.Duration
	for b.Loop() {
		all := prepare(turn)
		cpu1, wall1 := run(chain.URL, all)
		// A bare redirect is short against the grain of the CPU clock.
		cpu2, wall2 := run(plain.URL, slices.Repeat(all, 20))
		spent, waited = append(spent, 20*float64(cpu1)/float64(cpu2)), append(waited, 20*float64(wall1)/float64(wall2))
		wait += wall1
	}
	median := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(spent), "cpu-ratio")
	b.ReportMetric(median(waited), "wait-ratio")
	b.ReportMetric(wait.Seconds()*1000/float64(turn*len(spent)), "ms/req")
}

// cpu is the time that this process has spent.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
