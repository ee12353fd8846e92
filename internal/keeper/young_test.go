package keeper

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lagging is a WeChat that refuses the first probe, as it may a new token's, and
// whose answer comes to a process that was stopped meanwhile.
type lagging struct {
	http.RoundTripper
	probes atomic.Int64
}

func (l *lagging) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, "/get_api_domain_ip") && l.probes.Add(1) == 1 {
		time.Sleep(4 * time.Minute)
		resp.Body = io.NopCloser(strings.NewReader(`{"errcode":40001}`))
	}
	return resp, err
}

// A value was young when WeChat was asked, however late the answer is read.
func TestALateRefusalOfAYoungValueIsNoProof(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		var lag *lagging
		n := w.node(func(_ *Options, l *link) { lag = &lagging{RoundTripper: l.rt}; l.rt, l.ghost = lag, true })
		c := w.get(n)
		_, _ = n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := w.get(n); got.Generation != 1 || lag.probes.Load() < 2 {
			t.Errorf("generation %d after %d probes", got.Generation, lag.probes.Load())
		}
	})
}
