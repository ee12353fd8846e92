//go:build unix

package peers

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// worker is a process with the peer's program in it.
type worker struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   *json.Encoder
	said bytes.Buffer
	out  chan outcome
	done chan struct{}
}

// worker starts process i and waits until it takes orders. Where the peer is
// Hufu's, it asks the node i, going round.
func (w *world) worker(i int) *worker {
	w.t.Helper()
	cmd := exec.Command(os.Args[0])
	if w.peer.program == coWechatAPI {
		cmd = exec.Command("node", filepath.Join(coWechatAPIFolder(w.t), "worker.js"))
	}
	// Processes on one machine have one folder for temporary files.
	cmd.Env = append(os.Environ(), "HOME="+w.dir, "TMPDIR="+w.dir, envProgram+"="+w.peer.program, envWeChat+"="+w.url)
	if w.peer.stable {
		cmd.Env = append(cmd.Env, envStable+"=yes")
	}
	switch {
	case w.nodes != nil:
		cmd.Env = append(cmd.Env, "HUFU_URL="+w.nodes[i%len(w.nodes)].url, "HUFU_KEY="+w.key.Key)
	case w.redis != nil:
		cmd.Env = append(cmd.Env, envRedis+"="+w.redis.Addr)
	}
	p := &worker{t: w.t, cmd: cmd, out: make(chan outcome), done: make(chan struct{})}
	cmd.Stderr = &p.said
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	p.in = json.NewEncoder(in)
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go p.listen(out)
	w.t.Cleanup(p.kill)
	p.answer()
	return p
}

// workers starts n of them.
func (w *world) workers(n int) (all []*worker) {
	w.t.Helper()
	for i := range n {
		all = append(all, w.worker(i))
	}
	return all
}

func (p *worker) listen(out io.Reader) {
	defer close(p.done)
	for lines := json.NewDecoder(out); ; {
		var o outcome
		if lines.Decode(&o) != nil {
			break
		}
		p.out <- o
	}
	_ = p.cmd.Wait()
}

// begin gives an order; answer waits for what came of it.
func (p *worker) begin(o order) {
	p.t.Helper()
	if err := p.in.Encode(o); err != nil {
		p.t.Fatalf("a worker takes no orders: %v\n%s", err, p.said.Bytes())
	}
}

func (p *worker) answer() outcome {
	p.t.Helper()
	select {
	case o := <-p.out:
		return o
	case <-p.done:
		p.t.Fatalf("a worker has ended:\n%s", p.said.Bytes())
	case <-time.After(limit):
		p.t.Fatal("a worker does not answer")
	}
	return outcome{}
}

func (p *worker) do(o order) outcome {
	p.t.Helper()
	p.begin(o)
	return p.answer()
}

// kill is kill -9. A second one does nothing.
func (p *worker) kill() {
	_ = p.cmd.Process.Kill()
	for {
		select {
		case <-p.out: // nobody waits for it any more
		case <-p.done:
			return
		}
	}
}

// together gives all the same order and adds up what came of it.
func together(all []*worker, o order) (sum outcome) {
	for _, p := range all {
		p.begin(o)
	}
	for _, p := range all {
		one := p.answer()
		sum.OK += one.OK
		sum.Tokens = append(sum.Tokens, one.Tokens...)
		sum.Errors = append(sum.Errors, one.Errors...)
	}
	return sum
}
