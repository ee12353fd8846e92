package server

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/keeper"
)

// statuses is a collector of given credentials.
type statuses []keeper.Status

func (s statuses) Describe(chan<- *prometheus.Desc)     {}
func (s statuses) Collect(out chan<- prometheus.Metric) { scrape{out}.credentials(slices.Values(s)) }

func apps(n int) statuses {
	all := make(statuses, n)
	now := time.Now()
	for i := range all {
		all[i] = keeper.Status{
			Key:   credential.Key{App: credential.App(fmt.Sprintf("wx%016d", i)), Kind: credential.AccessToken},
			State: keeper.Fresh, Live: true, Generation: 3, IssuedAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour + time.Duration(i)*time.Second),
			Reads: 2, Issues: map[string]uint64{"issued": 3}, Reports: map[string]uint64{"dead": 1},
		}
	}
	return all
}

// scraped is the lines of samples that a metrics server would read.
func scraped(t *testing.T, c prometheus.Collector) []string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestAppsAreToldApartUpToABound(t *testing.T) {
	t.Parallel()
	lines := scraped(t, apps(maxLabelled))
	for _, name := range []string{"hufu_credential_generation{", "hufu_reads_total{"} {
		n := 0
		for _, line := range lines {
			if strings.HasPrefix(line, name) {
				n++
			}
		}
		if n != maxLabelled {
			t.Errorf("%d series of %s…} for %d apps", n, name, maxLabelled)
		}
	}
}

func TestBeyondTheBoundAppsAreSummedUp(t *testing.T) {
	t.Parallel()
	lines := scraped(t, apps(maxLabelled+1))
	soonest := slices.IndexFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, `hufu_credential_expires_in_seconds_min{kind="access_token"} 3599.`)
	})
	if soonest < 0 {
		t.Fatalf("no time to the first expiry in\n%s", strings.Join(lines, "\n"))
	}
	got := slices.Delete(lines, soonest, soonest+1)
	want := []string{
		`hufu_credentials{kind="access_token",state="fresh"} 1001`,
		`hufu_issues_total{app="",kind="access_token",result="issued"} 3003`,
		`hufu_reads_total{app="",kind="access_token"} 2002`,
		`hufu_reports_total{app="",kind="access_token",outcome="dead"} 1001`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The names are part of the outside contract: dashboards and alerts use them.
func TestMetricNames(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	n.get("api", tokenPath)
	n.get("api", "/cgi-bin/get_api_domain_ip")
	_, body := n.get("admin", "/metrics")
	var got []string
	for line := range strings.Lines(body) {
		if name, ok := strings.CutPrefix(line, "# TYPE hufu_"); ok {
			got = append(got, strings.TrimSpace(name))
		}
	}
	want := []string{
		"app_calls_total counter", "audit_failures_total counter", "build_info gauge", "call_errcodes_total counter",
		"call_heals_total counter", "call_seconds histogram", "calls_total counter", "calls_under_way gauge", "code_exchanges_total counter", "config_passes gauge", "config_reload_failures_total counter",
		"credential_age_seconds gauge", "credential_expires_in_seconds gauge", "credential_expires_in_seconds_min gauge",
		"credential_generation gauge", "credential_in_doubt gauge", "credential_live gauge", "credential_state gauge",
		"credentials gauge", "denied_total counter", "issue_budget gauge", "issues_total counter", "limited_total counter",
		"login_pages_total counter", "logins_arrived_total counter", "logins_begun_again_total counter", "logins_begun_total counter",
		"logins_refused_total counter", "logins_under_way gauge",
		"panics_total counter", "reads_total counter", "reports_total counter", "signatures_total counter", "store_up gauge", "store_writable gauge",
		"user_calls_total counter", "user_token_renewals_total counter",
	}
	if !slices.Equal(got, want) {
		t.Errorf("metrics\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	wants(t, body, `hufu_credential_state{app="`+shop+`",kind="access_token",state="fresh"} 1`, "hufu_store_up 1", "hufu_store_writable 1", "process_open_fds", "go_goroutines")
}
