//go:build unix

package peers

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// hufuBinary is the binary as people build it, made once.
var hufuBinary = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/hufu-project/hufu").Output()
	if err != nil {
		return "", err
	}
	file := filepath.Join(scratch, "hufu")
	build := exec.Command("go", "build", "-trimpath", "-tags", "timetzdata", "-o", file, "./cmd/hufu")
	build.Dir, build.Env = strings.TrimSpace(string(root)), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return file, nil
})

func binary(t *testing.T) string {
	t.Helper()
	file, err := hufuBinary()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// node is one hufu serve.
type node struct {
	t    *testing.T
	dir  string
	url  string // of listen.api; "" before the first start
	cmd  *exec.Cmd
	done chan struct{}
}

// serve starts the servers of the peer, if it is Hufu's, one after the other.
// Each begins to obtain the token by itself; serve does not wait for that.
func (w *world) serve() {
	w.t.Helper()
	for range w.peer.nodes {
		w.add()
	}
}

// add starts one more node.
func (w *world) add() *node {
	w.t.Helper()
	w.makeKeys()
	n := &node{t: w.t, dir: w.t.TempDir()}
	store, master := "bolt:hufu.db", "hufu.key"
	if w.redis != nil {
		store, master = "redis://"+w.redis.Addr, filepath.Join(w.dir, "hufu.key")
	}
	source := "classic"
	if w.peer.stable {
		source = "stable"
	}
	config := fmt.Sprintf(`
listen: {api: "127.0.0.1:0", web: "127.0.0.1:0", admin: "127.0.0.1:0"}
store: %q
master_key_file: %s
wechat: {api_url: "%s", life: %s}
apps: [{appid: %s, secret: %s, source: %s}]
clients: [{name: shop, key_sha256: %s, apps: [%s], allow: [token, call, admin], tokens: real}]
`, store, master, w.url, w.life, appID, appSecret, source, w.key.Hash, appID)
	if err := os.WriteFile(filepath.Join(n.dir, "hufu.yaml"), []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.nodes = append(w.nodes, n)
	w.t.Cleanup(n.kill)
	n.start()
	return n
}

// clientKey is what hufu client key --json prints.
type clientKey struct {
	Key  string `json:"key"`
	Hash string `json:"key_sha256"`
}

// makeKeys makes the client key and a master key that nodes can share, once.
func (w *world) makeKeys() {
	w.t.Helper()
	if w.key.Key != "" {
		return
	}
	out, err := exec.Command(binary(w.t), "client", "key", "--json").Output()
	if err == nil {
		err = json.Unmarshal(out, &w.key)
	}
	if err == nil {
		master := make([]byte, 32)
		_, _ = rand.Read(master)
		err = os.WriteFile(filepath.Join(w.dir, "hufu.key"), []byte("hufu-master-key-1 "+base64.StdEncoding.EncodeToString(master)+"\n"), 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// start starts the process and waits until it listens.
func (n *node) start() {
	n.t.Helper()
	cmd := exec.Command(binary(n.t), "serve", "--config", "hufu.yaml")
	cmd.Dir = n.dir
	// It keeps its address over a restart, as a server does.
	if host := strings.TrimPrefix(n.url, "http://"); host != "" {
		cmd.Env = append(os.Environ(), "HUFU_LISTEN_API="+host)
	}
	out, err := cmd.StderrPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	started, done := make(chan string, 1), make(chan struct{})
	n.cmd, n.done = cmd, done
	var said bytes.Buffer
	go func() {
		defer close(done)
		for lines := json.NewDecoder(io.TeeReader(out, &said)); ; {
			var line struct{ Msg, API string }
			if lines.Decode(&line) != nil {
				break
			}
			if line.Msg == "started" {
				started <- line.API
			}
		}
		_, _ = io.Copy(&said, out)
		_ = cmd.Wait()
	}()
	select {
	case n.url = <-started:
	case <-done:
		n.t.Fatalf("hufu serve has ended:\n%s", said.Bytes())
	case <-time.After(limit):
		n.t.Fatal("hufu serve does not start")
	}
}

// kill is kill -9.
func (n *node) kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		<-n.done
	}
}

// renew orders a renewal and does not wait for what comes of it.
func (w *world) renew(n *node) {
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, n.url+"/v1/apps/"+appID+"/credentials/access_token/renew", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.key.Key)
	go func() {
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
}
