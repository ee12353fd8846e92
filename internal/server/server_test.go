package server

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
)

func TestServesTheTokenOnAllItsListeners(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts + "\nverify_files: {MP_verify_AbCdEf0123456789.txt: AbCdEf0123456789}")
	n.start()

	status, body := n.get("api", tokenPath)
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	wants(t, body, `"generation":1`)
	if status, body = n.get("web", "/MP_verify_AbCdEf0123456789.txt"); status != http.StatusOK || body != "AbCdEf0123456789" {
		t.Errorf("verify file: %d %q", status, body)
	}
	if status, _ = n.get("web", "/"); status != http.StatusNotFound {
		t.Errorf("root of listen.web: status %d", status)
	}
	if status, _ = n.get("admin", "/healthz"); status != http.StatusOK {
		t.Errorf("healthz: status %d", status)
	}
	status, body = n.get("api", "/v1/status")
	if status != http.StatusOK {
		t.Errorf("status: %d", status)
	}
	wants(t, body, `"node":"`+n.Node()+`"`, `"version":"test"`, `"passes":true`)
}

func TestHealthIsNotAboutWeChat(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.api = "http://127.0.0.1:1"
	n.write(anyPorts)
	n.start() // waits for readyz
	if status, _ := n.get("admin", "/healthz"); status != http.StatusOK {
		t.Errorf("healthz: status %d", status)
	}
	status, body := n.get("api", tokenPath)
	if status != http.StatusServiceUnavailable {
		t.Errorf("token: status %d", status)
	}
	wants(t, body, "cannot reach 127.0.0.1:1")
}

func TestARestartFindsTheTokenAlive(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	_, before := n.get("api", tokenPath)
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	n.start()
	_, after := n.get("api", tokenPath)
	if value := field(before, "value"); value == "" || field(after, "value") != value {
		t.Errorf("before %s after %s", before, after)
	}
	if issues := n.sim.Issues(shop); issues != 1 {
		t.Errorf("%d issues, want 1", issues)
	}
}

// field is a text field of a flat JSON object.
func field(object, name string) string {
	_, rest, _ := strings.Cut(object, `"`+name+`":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

func TestWhoWaitsIsAnsweredWhenTheServerStops(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	if status, body := n.get("api", tokenPath); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	answered := make(chan int, 1)
	go func() {
		status, _ := n.get("api", tokenPath+"?after=1&wait=60s")
		answered <- status
	}()
	n.until("waiting", func() bool {
		_, body := n.get("admin", "/metrics")
		return strings.Contains(body, `hufu_reads_total{app="`+shop+`",kind="access_token"} 2`)
	})
	began := time.Now()
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if status := <-answered; status != http.StatusNotModified {
		t.Errorf("who waited got %d, want 304", status)
	}
}

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	n := newNode(t)
	n.write(`listen: {api: "127.0.0.1:0", web: "127.0.0.1:0", admin: "` + taken.Addr().String() + `"}`)
	_, err = New(n.config(), n.options())
	if err == nil {
		t.Fatal("it started")
	}
	wants(t, err.Error(), "listen.admin", "address already in use")
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Hint, "another address with listen.admin") {
		t.Errorf("hint: %#v", e)
	}
	// The store is free again.
	n.write(anyPorts)
	n.start()
}

func TestStoreThatIsAwayIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"redis://:canary-password@127.0.0.1:1", "postgres://u:canary-password@127.0.0.1:1/hufu", "mysql://u:canary-password@127.0.0.1:1/hufu",
	} {
		n := newNode(t)
		n.write(anyPorts)
		text, err := os.ReadFile(filepath.Join(n.dir, "hufu.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		n.file("hufu.yaml", strings.Replace(string(text), "bolt:hufu.db", url, 1))
		_, err = New(n.config(), n.options())
		if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
	}
}

func TestTheEnvironmentsClientKeepsItsKey(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	dir := t.TempDir()
	env := map[string]string{
		"HUFU_APPID": shop, "HUFU_SECRET": shopSecret, "HUFU_WECHAT_API_URL": n.api,
		"HUFU_STORE": "bolt:" + filepath.Join(dir, "hufu.db"), "HUFU_MASTER_KEY_FILE": filepath.Join(dir, "hufu.key"),
		"HUFU_LISTEN_API": "127.0.0.1:0", "HUFU_LISTEN_WEB": "127.0.0.1:0", "HUFU_LISTEN_ADMIN": "127.0.0.1:0",
	}
	open := func() (EnvClient, error) {
		cfg, err := config.FromEnv(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(cfg, n.options())
		if err != nil {
			return EnvClient{}, err
		}
		c, ok := s.EnvClient()
		if !ok {
			t.Error("there is no client of the environment")
		}
		return c, s.Close()
	}
	made, err := open()
	if err != nil || !made.Made || made.Name != config.EnvClientName {
		t.Fatalf("first start: %+v, %v", made, err)
	}
	info, err := os.Stat(made.File)
	if err != nil || info.Mode().Perm() != 0o600 || filepath.Dir(made.File) != dir {
		t.Errorf("file %s: %v, %v", made.File, info, err)
	}
	again, err := open()
	if err != nil || again.Made || !again.Key.Equal(made.Key) {
		t.Errorf("second start: made %v, same key %v, %v", again.Made, again.Key.Equal(made.Key), err)
	}
	text := made.Key.Reveal()
	if err := os.WriteFile(made.File, []byte(text[:len(text)-1]+"!\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "does not hold a client key") {
		t.Errorf("damaged file: %v", err)
	}
	if strings.Contains(n.log.String(), text) {
		t.Error("the key stands in the log")
	}
}

func TestNothingSecretIsToldAnywhere(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	_, body := n.get("api", tokenPath)
	value := field(body, "value")
	_, metrics := n.get("admin", "/metrics")
	_, status := n.get("api", "/v1/status")
	_, apps := n.get("api", "/v1/apps")
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"the log": n.log.String(), "the metrics": metrics, "the status": status, "the apps": apps}
	for _, name := range []string{"hufu.db", "audit.jsonl"} {
		text, err := os.ReadFile(filepath.Join(n.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	for where, text := range files {
		for what, secret := range map[string]string{"the token": value, "the AppSecret": shopSecret, "the client key": n.key} {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("%s stands in %s", what, where)
			}
		}
	}
}
