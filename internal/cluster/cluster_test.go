//go:build unix

package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/store/enginetest"
	"github.com/hufu-project/hufu/wxsim"
)

// hufu is the binary, as it is built for people.
var hufu string

// TestMain builds it. The tests mostly wait, so many run at a time.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "hufu-cluster-")
	if err != nil {
		panic(err)
	}
	hufu = filepath.Join(dir, "hufu")
	build := exec.Command("go", "build", "-trimpath", "-tags", "timetzdata", "-o", hufu, "../../cmd/hufu")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("%s\n%v\n", out, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const secret = "canary-appsecret-0123456789abcdef"

// What follows from the life of a test's tokens, as docs/operations.md has it.
const (
	life    = 3 * time.Minute
	overlap = life / 24       // 7.5 s
	spacing = life / 30       // 6 s, between two issues that end each other
	term    = 3 * time.Second // of a lease
	beat    = 2 * time.Second
)

// cluster is what several nodes share.
type cluster struct {
	t     *testing.T
	sim   *wxsim.Sim
	on    *engine
	app   string
	line  wxsim.Line
	more  string // of the configuration
	lives time.Duration
	keys  map[string]string
	nodes []*node

	mu  sync.Mutex
	log bytes.Buffer // of all nodes
}

// newCluster begins a cluster for one app, without nodes.
func newCluster(t *testing.T, on *engine, sim *wxsim.Sim, app string) *cluster {
	t.Helper()
	if err := sim.AddApp(wxsim.App{ID: app, Secret: secret}); err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, sim: sim, on: on, app: app, line: wxsim.Classic, lives: life, keys: map[string]string{}}
	t.Cleanup(c.nothingSecretIsLogged)
	return c
}

func newSim() *wxsim.Sim { return simOf(life) }

func simOf(life time.Duration) *wxsim.Sim {
	return wxsim.New(wxsim.Options{Life: life, Quirks: wxsim.NoQuirks})
}

// start starts so many nodes at once, and waits until they are ready.
func (c *cluster) start(n int) *cluster {
	c.t.Helper()
	for range n {
		c.add().begin()
	}
	for _, n := range c.nodes {
		n.ready()
	}
	return c
}

// add makes a node that is not started yet.
func (c *cluster) add() *node {
	c.t.Helper()
	n := &node{cluster: c, dir: c.t.TempDir(), id: len(c.nodes)}
	n.wechat = newGate(c.t, c.sim)
	n.wire = enginetest.NewProxyTo(c.t, c.on.network, c.on.addr)
	clients := ""
	for name, rest := range map[string]string{
		"reader":   "allow: [token], tokens: real",
		"operator": "allow: [admin, token], tokens: real",
		"caller":   "allow: [token, call]",
		"site":     "allow: [login], redirect_uris: [\"https://shop.example.com/back\"]",
	} {
		if c.keys[name] == "" {
			key, _ := access.NewKey()
			c.keys[name] = key.Reveal()
		}
		clients += fmt.Sprintf("  - {name: %s, key_sha256: %s, apps: [%s], %s}\n", name, hash(c.keys[name]), c.app, rest)
	}
	config := fmt.Sprintf(`
listen: {api: "127.0.0.1:0", web: "127.0.0.1:0", admin: "127.0.0.1:0"}
web_url: https://auth.example.com
store: %q
master_key_file: hufu.key
wechat: {api_url: "%s", life: %s}
audit: {file: audit.jsonl}
apps: [{appid: %s, secret: %s, source: %s}]
clients:
%s%s`, c.on.address(n.wire.Addr), n.wechat.url, c.lives, c.app, secret, c.line, clients, c.more)
	n.file("hufu.yaml", config)
	n.file("hufu.key", c.on.masterKey())
	c.nodes = append(c.nodes, n)
	c.t.Cleanup(n.kill)
	return n
}

// nothingSecretIsLogged is G7 for all that the nodes of a test have said.
func (c *cluster) nothingSecretIsLogged() {
	c.mu.Lock()
	said := c.log.String()
	c.mu.Unlock()
	for _, n := range c.nodes {
		audit, _ := os.ReadFile(filepath.Join(n.dir, "audit.jsonl"))
		said += string(audit)
	}
	if c.t.Failed() {
		c.t.Logf("the log and the audit records:\n%s", said)
	}
	secrets := map[string]string{"AppSecret": secret, "master key": base64.StdEncoding.EncodeToString(c.on.master[:])}
	for name, key := range c.keys {
		secrets["client key of "+name] = key
	}
	for i, token := range c.sim.Tokens(c.app) {
		secrets[fmt.Sprintf("token %d", i)] = token.Value
	}
	for what, value := range secrets {
		for form, text := range map[string]string{"as it is": value, "in a URL": url.QueryEscape(value), "in hex": hex.EncodeToString([]byte(value))} {
			if strings.Contains(said, text) {
				c.t.Errorf("the %s is in the log or the audit record, %s", what, form)
			}
		}
	}
}

// Write takes what the nodes log.
func (c *cluster) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(p)
}

// eventually waits for something that comes by itself.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	if !comes(done, 30*time.Second) {
		t.Fatalf("not in time: %s", what)
	}
}

// soon is eventually for another goroutine than the test's.
func (c *cluster) soon(what string, done func() bool) {
	if !comes(done, 30*time.Second) {
		c.t.Errorf("not in time: %s", what)
	}
}

func comes(done func() bool, within time.Duration) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(within)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			return false
		}
	}
	return true
}

func hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
