//go:build unix

package cluster

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/store/enginetest"
)

// node is one hufu serve, with a network of its own to the store and to WeChat.
type node struct {
	*cluster
	id     int
	dir    string
	wechat *gate
	wire   *enginetest.Proxy

	mu      sync.Mutex
	urls    map[string]string
	process *exec.Cmd
	paused  bool
	end     chan struct{} // closed when the process has ended
}

// file writes a file where the node looks for it.
func (n *node) file(name, text string) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// start starts the process and waits until it is ready.
func (n *node) start() {
	n.t.Helper()
	n.begin()
	n.ready()
}

func (n *node) ready() {
	n.t.Helper()
	eventually(n.t, "a node is ready", func() bool { return n.get("admin", "/readyz", nil).status == http.StatusOK })
}

// begin starts the process.
func (n *node) begin() {
	n.t.Helper()
	cmd := exec.Command(hufu, "serve", "--config", "hufu.yaml")
	cmd.Dir, cmd.Env = n.dir, append(os.Environ(), "HUFU_LOG=debug", "LANG=C")
	out, err := cmd.StderrPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd.Stdout = n.cluster
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	end := make(chan struct{})
	n.mu.Lock()
	n.process, n.end, n.urls, n.paused = cmd, end, nil, false
	n.mu.Unlock()
	go func() {
		defer close(end)
		lines := json.NewDecoder(io.TeeReader(out, n.cluster))
		for {
			var line struct{ Msg, API, Web, Admin string }
			if lines.Decode(&line) != nil {
				break
			}
			if line.Msg == "started" {
				n.mu.Lock()
				n.urls = map[string]string{"api": line.API, "web": line.Web, "admin": line.Admin}
				n.mu.Unlock()
			}
		}
		_, _ = io.Copy(n.cluster, out)
		_ = cmd.Wait()
	}()
}

// kill is kill -9. What the store had not been told then it never is.
func (n *node) kill() {
	n.mu.Lock()
	cmd, end := n.process, n.end
	n.urls = nil
	n.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-end
	n.wire.Cut()
	n.wire.Set(enginetest.Pass)
}

// ended reports whether there is no process, or not any more.
func (n *node) ended() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.end == nil {
		return true
	}
	select {
	case <-n.end:
		return true
	default:
		return false
	}
}

// pause lets the process stand still until resume. What it has not done by then
// it does not do.
func (n *node) pause() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused = true
	if err := enginetest.Pause(n.process); err != nil {
		n.t.Error(err)
	}
}

// resume lets it go on, and gives it two seconds to catch up.
func (n *node) resume() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := enginetest.Resume(n.process); err != nil {
		n.t.Error(err)
	}
	time.AfterFunc(beat, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.paused = false
	})
}

// url is where a listener is; empty while the process is not there.
func (n *node) url(site string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.urls[site]
}
