package examples

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What README.md says is to be done, with the binaries that go run makes.
func TestEveryExampleRunsAgainstTheDemo(t *testing.T) {
	bin := t.TempDir()
	build(t, "..", bin, "./cmd/hufu")
	build(t, ".", bin, "./silenceper", "./chanxuehong", "./nethttp")
	build(t, "powerwechat", bin, ".")
	env := demo(t, filepath.Join(bin, "hufu"))
	for name, command := range map[string][]string{
		"silenceper":  {filepath.Join(bin, "silenceper")},
		"chanxuehong": {filepath.Join(bin, "chanxuehong")},
		"nethttp":     {filepath.Join(bin, "nethttp")},
		"powerwechat": {filepath.Join(bin, "powerwechat")},
		"node":        {"node", "node/index.js"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat("node/node_modules/wechat-oauth"); name == "node" && err != nil {
				t.Skip("this test needs the packages of the example: npm ci, in examples/node") // its own test fails in CI
			}
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Env = append(env, "HOME="+t.TempDir())
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "followers: 1\n" {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func build(t *testing.T, module, bin string, packages ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"-C", module, "build", "-o", bin + "/"}, packages...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// demo runs hufu demo until the test ends, and gives what it says is to be
// exported.
func demo(t *testing.T, hufu string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), hufu, "demo", "--json")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	t.Cleanup(func() {
		for lines.Scan() {
		}
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	var ready struct {
		API string `json:"api"`
		Web string `json:"web"`
		Key string `json:"example_key"`
	}
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &ready) != nil || ready.Key == "" {
		t.Fatalf("the demo said: %s", lines.Text())
	}
	for tokens := 0; tokens < 2; {
		if !lines.Scan() {
			t.Fatal("the demo has ended")
		}
		if strings.Contains(lines.Text(), `"event":"issued"`) {
			tokens++
		}
	}
	return append(os.Environ(), "HUFU_URL="+ready.API, "HUFU_WEB_URL="+ready.Web, "HUFU_KEY="+ready.Key, "HUFU_APPID=wxc1a551c000000001")
}
