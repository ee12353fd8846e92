package hufu_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/hufutest"
)

// A server that is killed and comes back is not noticed by who reads.
func TestAServerThatIsKilledIsNotNoticed(t *testing.T) {
	t.Parallel()
	sim := newSim(t)
	s := serve(t, sim, "stable")
	s.token(t)
	c, err := hufu.New(s.api, s.key)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first, err := c.Token(t.Context(), appID)
	if err != nil {
		t.Fatal(err)
	}
	source := c.Source(appID)
	reads := func(d time.Duration) {
		t.Helper()
		for end := time.Now().Add(d); time.Now().Before(end); runtime.Gosched() {
			if token, err := source.Token(); err != nil || !sim.Valid(appID, token) {
				t.Fatalf("a read failed: %v", err)
			}
		}
	}
	reads(100 * time.Millisecond)
	if err := s.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.process.Wait()
	reads(500 * time.Millisecond)
	again := exec.Command(s.process.Path, s.process.Args[1:]...)
	again.Dir, again.Env, again.Stdout, again.Stderr = s.process.Dir, s.process.Env, s.log, s.log
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = again
	t.Cleanup(func() { _ = again.Process.Kill() })
	eventually(t, func() (string, bool) { return "", get(t, s.admin+"/healthz", "", nil) == http.StatusOK })
	s.do(t, "POST", "/v1/apps/"+appID+"/credentials/access_token/renew", s.operator, "")
	eventually(t, func() (string, bool) {
		token, err := source.Token()
		return "", err == nil && token != first && sim.Valid(appID, token)
	})
	s.stop(t)
}

// A renewal reaches everybody who follows. How soon, and what who waits costs
// the server, is in docs/library.md; a machine that is shared proves neither.
func TestARenewalReachesAThousandClients(t *testing.T) {
	t.Parallel()
	const clients = 1000
	sim := newSim(t)
	s := serve(t, sim, "stable")
	old := s.token(t)
	memory := resident(t, s.process)

	sources := make([]*hufu.Source, clients)
	for i := range sources {
		c, err := hufu.New(s.api, s.key)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		sources[i] = c.Source(appID)
		if token, err := sources[i].Token(); err != nil || token != old {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	t.Logf("%d B of the server's memory for each of %d who wait", (resident(t, s.process)-memory)/clients, clients)

	took := make([]time.Duration, clients)
	began := time.Now()
	renewed := make(chan time.Time, 1)
	go func() {
		s.do(t, "POST", "/v1/apps/"+appID+"/credentials/access_token/renew", s.operator, "")
		renewed <- time.Now()
	}()
	left := clients
	for range time.Tick(2 * time.Millisecond) {
		for i, source := range sources {
			if took[i] != 0 {
				continue
			}
			token, err := source.Token()
			if err != nil {
				t.Fatal(err)
			}
			if token != old {
				took[i] = time.Since(began)
				left--
			}
		}
		if left == 0 {
			break
		} else if time.Since(began) > 20*time.Second {
			t.Fatalf("%d clients have not been reached", left)
		}
	}
	slices.Sort(took)
	t.Logf("from the operator's request on: answered %v, half %v, p99 %v, all %v",
		(<-renewed).Sub(began), took[clients/2], took[clients*99/100], took[clients-1])
	s.stop(t)
}

// The fake server of hufutest answers as the real one does: with the same
// status, headers and keys.
func TestTheFakeServerAnswersLikeTheRealOne(t *testing.T) {
	t.Parallel()
	sim := newSim(t)
	s := serve(t, sim, "stable")
	fake := hufutest.NewServer(map[string]string{appID: s.token(t)})
	defer fake.Close()
	const path = "/v1/apps/" + appID + "/credentials/access_token"
	tag := map[string]string{}
	for _, row := range []struct{ name, method, path, body string }{
		{"read", "GET", path, ""},
		{"the same", "GET", path, "If-None-Match"},
		{"nothing later", "GET", path + "?after=1&wait=10ms", ""},
		{"later", "GET", path + "?after=0&wait=10s", ""},
		{"old report", "POST", path + "/report", `{"value":"x","errcode":40001}`},
		{"no app", "GET", "/v1/apps/wx0/credentials/access_token", ""},
		{"no key", "GET", path, "none"},
	} {
		var said []string
		for _, server := range []struct{ url, key string }{{s.api, s.key}, {fake.URL, fake.Key}} {
			body := row.body
			r, err := http.NewRequestWithContext(t.Context(), row.method, server.url+row.path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			switch body {
			case "If-None-Match":
				r.Header.Set("If-None-Match", tag[server.url])
			case "none":
				server.key = "hufu_none"
			}
			r.Header.Set("Authorization", "Bearer "+server.key)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if row.name == "read" {
				tag[server.url] = resp.Header.Get("ETag")
			}
			var keys map[string]any
			_ = json.NewDecoder(resp.Body).Decode(&keys)
			_ = resp.Body.Close()
			if resp.StatusCode >= 400 {
				keys = map[string]any{keys["code"].(string): nil}
			}
			said = append(said, fmt.Sprint(resp.StatusCode, resp.Header.Get("ETag") != "", resp.Header.Get("Hufu-Max-Age"), slices.Sorted(maps.Keys(keys))))
		}
		if said[0] != said[1] {
			t.Errorf("%s: the real one %s, the fake %s", row.name, said[0], said[1])
		}
	}
	s.stop(t)
}

// resident is the memory that a process has, 0 where the system does not say.
func resident(t *testing.T, p *exec.Cmd) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Process.Pid), "status"))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(m[1]))
	return kib << 10
}
