package api_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

func (w *world) report(client, body string) answer {
	w.t.Helper()
	return w.ask("POST", path(shop)+"/report", client, body)
}

// outcomes is the keeper's count of reports.
func (w *world) outcomes() map[string]uint64 {
	s, _ := w.keeper.Status(credential.Key{App: shop, Kind: credential.AccessToken})
	return s.Reports
}

func TestReportOfAnotherValueIssuesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	value := w.value("real")
	asked := w.asked()
	for _, body := range []string{`{"value":"never-issued"}`, `{"value":"never-issued","errcode":40001}`, `{"generation":9,"errcode":42001}`} {
		if a := w.report("real", body); a.status != 200 || a.json(t)["value"] != value || a.header.Get("Etag") == "" {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if n := w.asked(); n != asked {
		t.Errorf("WeChat was asked %d times", n-asked)
	}
}

func TestReportOfAnotherErrorIssuesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	value := w.value("real")
	asked := w.asked()
	for _, code := range []int{40013, 48001, 45009, 61007, -1} {
		a := w.report("real", fmt.Sprintf(`{"value":%q,"errcode":%d}`, value, code))
		if a.status != 200 || a.json(t)["value"] != value {
			t.Errorf("errcode %d: %d %s", code, a.status, a.body)
		}
	}
	if n := w.asked(); n != asked {
		t.Errorf("WeChat was asked %d times", n-asked)
	}
}

func TestReportStormIssuesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	value := w.value("real")
	var storm sync.WaitGroup
	for range 20 {
		storm.Go(func() {
			for range 50 {
				if a := w.report("real", fmt.Sprintf(`{"value":%q,"errcode":40001}`, value)); a.status != 200 {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	}
	storm.Wait()
	if n := w.sim.Issues(shop); n != 1 {
		t.Errorf("%d issues", n)
	}
	probes := w.sim.Counts()["/cgi-bin/get_api_domain_ip"]
	n := 0
	for _, c := range probes {
		n += c
	}
	// One is believed for ten seconds; a thousand reports may take a few more.
	if n < 1 || n > 6 {
		t.Errorf("%d probes", n)
	}
	if w.outcomes()["alive"] != 1000 {
		t.Errorf("counted %v", w.outcomes())
	}
}

func TestDeathReportedByAllIsOneIssue(t *testing.T) {
	t.Parallel()
	for _, source := range []string{config.Stable, config.Classic} {
		w := newWorld(t, options{source: source})
		dead := w.value("real")
		must(t, w.sim.Revoke(shop))
		var all sync.WaitGroup
		for i := range 200 {
			body := fmt.Sprintf(`{"value":%q,"errcode":40001}`, dead)
			if i%2 == 0 {
				body = `{"generation":1,"errcode":42001}`
			}
			all.Go(func() {
				a := w.report("real", body)
				if a.status != 200 {
					t.Errorf("%s: %d %s", source, a.status, a.body)
					return
				}
				if m := a.json(t); m["generation"] != 2.0 || !w.sim.Valid(shop, m["value"].(string)) {
					t.Errorf("%s: %s", source, a.body)
				}
			})
		}
		all.Wait()
		if n := w.sim.Issues(shop); n != 2 {
			t.Errorf("%s: %d issues", source, n)
		}
		w.noSecretOut(dead)
	}
}

func TestRenewIsForOperators(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	first := w.value("real")
	if a := w.ask("POST", path(shop)+"/renew", "real", ""); a.status != http.StatusForbidden {
		t.Errorf("a client: %d %s", a.status, a.body)
	}
	if a := w.ask("POST", path(other)+"/renew", "manager", ""); a.status != http.StatusNotFound {
		t.Errorf("an operator of another app: %d %s", a.status, a.body)
	}
	if n := w.sim.Issues(shop); n != 1 {
		t.Errorf("%d issues", n)
	}
	a := w.ask("POST", path(shop)+"/renew", "operator", "{}")
	if a.status != 200 || a.json(t)["generation"] != 2.0 || a.json(t)["value"] == first {
		t.Errorf("%d %s", a.status, a.body)
	}
	// The budget and the spacing of a forced issue are the keeper's affair;
	// here it counts that who may not have the value does not get it.
	a = w.ask("POST", path(other)+"/renew", "operator", `{}`)
	if a.status != 200 || a.json(t)["value"] == nil {
		t.Errorf("%d %s", a.status, a.body)
	}
	if n := w.recorded("action", "renew", "client", "operator", "decision", "allowed"); n != 2 {
		t.Errorf("%d acts recorded, want 2", n)
	}
	if n := w.recorded("action", "renew", "decision", "denied"); n != 2 {
		t.Errorf("%d denials recorded, want 2", n)
	}
}

func TestOperatorWithoutTokenRenewsAndDoesNotSeeTheValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.value("real")
	a := w.ask("POST", path(shop)+"/renew", "manager", "")
	m := a.json(t)
	if _, there := m["value"]; a.status != 200 || there || m["generation"] != 2.0 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
