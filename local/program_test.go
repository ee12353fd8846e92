package local_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/local"
)

// The test binary is also a program that has a Keeper of its own. It does one
// order in a line, and answers with one line.
const (
	storeVariable  = "HUFU_TEST_LOCAL_STORE"
	keyVariable    = "HUFU_TEST_LOCAL_MASTER_KEY_FILE"
	wechatVariable = "HUFU_TEST_LOCAL_WECHAT"
)

// answered is what a program answers. The value stands in it because the test
// holds it against the simulator.
type answered struct {
	Value      string
	Generation uint64
	Err, Hint  string
}

// program is main of that program. It ends when its input does.
func program() {
	ctx, say := context.Background(), json.NewEncoder(os.Stdout)
	k, err := local.Open(ctx, local.Options{
		Store: os.Getenv(storeVariable), MasterKeyFile: os.Getenv(keyVariable), APIURL: os.Getenv(wechatVariable),
		Apps: []local.App{{AppID: shop, Secret: secret, Source: "classic"}},
		Log:  slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if e, ok := err.(*hufu.Error); ok {
		_ = say.Encode(answered{Err: e.Error(), Hint: e.Hint})
		return
	}
	_ = say.Encode(answered{})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var a answered
		switch order, value, _ := strings.Cut(lines.Text(), " "); order {
		case "get":
			var c hufu.Credential
			if c, err = k.Get(ctx, shop, hufu.AccessToken); err == nil {
				a.Value, a.Generation = c.Value, c.Generation
			}
		case "report":
			a.Value, err = k.Report(ctx, shop, value, 40001)
		}
		if err != nil {
			a.Err = err.Error()
		}
		_ = say.Encode(a)
	}
	if err := k.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is such a program that runs.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  *bufio.Writer
	out *json.Decoder
	end func() error // closes its input and waits
}

// start starts a program, with variables, and gives its first answer: whether
// it could open the store. What it logs goes to log.
func start(t *testing.T, log *buffer, variables ...string) (*process, answered) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), variables...), log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, in: bufio.NewWriter(in), out: json.NewDecoder(out)}
	p.end = func() error { _ = in.Close(); return cmd.Wait() }
	t.Cleanup(p.kill)
	return p, p.answer()
}

func (p *process) answer() (a answered) {
	p.t.Helper()
	if err := p.out.Decode(&a); err != nil {
		p.t.Errorf("a program does not answer: %v", err)
	}
	return a
}

// do gives an order and returns the answer.
func (p *process) do(order string) answered {
	p.t.Helper()
	_, _ = p.in.WriteString(order + "\n")
	_ = p.in.Flush()
	return p.answer()
}

// kill is kill -9. A second one does nothing.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.end()
	}
}
