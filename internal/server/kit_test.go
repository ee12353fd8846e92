package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/wxsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	shop       = "wx0123456789abcdef"
	shopSecret = "canary-appsecret-of-the-shop"
	tokenPath  = "/v1/apps/" + shop + "/credentials/access_token"
)

// node is a server under test, with a simulated WeChat and files of its own.
type node struct {
	*Server
	t    *testing.T
	dir  string
	sim  *wxsim.Sim
	api  string // of the simulator
	key  string
	hash string
	log  *buffer
	stop func() error // ends Run and returns what it returned
}

// buffer is a log that a test may read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newNode(t *testing.T) *node {
	n := &node{t: t, dir: t.TempDir(), log: &buffer{}, sim: wxsim.New(wxsim.Options{Quirks: wxsim.NoQuirks})}
	if err := n.sim.AddApp(wxsim.App{ID: shop, Secret: shopSecret}); err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(n.sim)
	t.Cleanup(upstream.Close)
	n.api = upstream.URL
	key, hash := access.NewKey()
	n.key, n.hash = key.Reveal(), hex.EncodeToString(hash[:])
	return n
}

// write writes the configuration file: the usual one, and what a test adds.
func (n *node) write(more string) {
	n.t.Helper()
	n.file("hufu.yaml", fmt.Sprintf(`
store: bolt:hufu.db
master_key_file: hufu.key
audit: {file: audit.jsonl}
wechat: {api_url: %s}
apps: [{appid: %s, secret: %s}]
clients: [{name: shop, key_sha256: [%s], apps: ["*"], allow: [token, admin], tokens: real}]
%s
`, n.api, shop, shopSecret, n.hash, more))
}

const anyPorts = `listen: {api: "127.0.0.1:0", web: "127.0.0.1:0", admin: "127.0.0.1:0"}`

func (n *node) file(name, text string) {
	n.t.Helper()
	// Whole or not at all: the server follows the file.
	whole := filepath.Join(n.dir, name)
	if err := os.WriteFile(whole+".new", []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Rename(whole+".new", whole); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) config() *config.Config {
	n.t.Helper()
	cfg, err := config.Load(filepath.Join(n.dir, "hufu.yaml"), noEnv)
	if err != nil {
		n.t.Fatal(err)
	}
	return cfg
}

func noEnv(string) (string, bool) { return "", false }

func (n *node) options() Options {
	return Options{Log: slog.New(slog.NewJSONHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Version: "test"}
}

// start starts the server and waits until it is ready.
func (n *node) start() *node {
	n.t.Helper()
	s, err := New(n.config(), n.options())
	if err != nil {
		n.t.Fatal(err)
	}
	n.Server = s
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var once sync.Once
	n.stop = func() (err error) {
		once.Do(func() {
			cancel()
			err = <-ended
		})
		return err
	}
	n.t.Cleanup(func() {
		if err := n.stop(); err != nil {
			n.t.Error(err)
		}
		client.CloseIdleConnections()
	})
	n.until("ready", func() bool {
		status, _ := n.get("admin", "/readyz")
		return status == http.StatusOK
	})
	return n
}

// client believes every certificate: the tests look at which one it was.
var client = &http.Client{Transport: &http.Transport{
	DisableKeepAlives: true,
	TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
}}

func (n *node) get(site, path string) (int, string) {
	n.t.Helper()
	req, err := http.NewRequest(http.MethodGet, n.URL(site)+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.key)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// until waits for something that the server does by itself.
func (n *node) until(what string, done func() bool) {
	n.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			n.t.Fatalf("not %s in time; log:\n%s", what, n.log)
		}
	}
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}
