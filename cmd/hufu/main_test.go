package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hufu-project/hufu/internal/server"
)

func TestMain(m *testing.M) {
	testscript.Main(withChromium{m}, map[string]func(){"hufu": main})
}

// TestScripts drives the real binary; the scripts in testdata/script are also
// meant to be read. They run in real time, with lives of seconds.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ports":  ports,
			"await":  await,
			"fetch":  fetch,
			"signal": sendSignal,
			"within": within,
			"setenv": setenv,
			"mode":   mode,
			"hash":   hash,
		},
		Setup: func(e *testscript.Env) error {
			e.Values["began"] = new(time.Time)
			return nil
		},
	})
}

// taken are the ports that were given to scripts of this run.
var taken sync.Map

// ports NAME… sets each variable to a free address. The ports lie below those
// that systems give to outgoing connections, so nobody takes them meanwhile.
func ports(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		for {
			addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000))
			if _, twice := taken.LoadOrStore(addr, true); twice {
				continue
			}
			if l, err := net.Listen("tcp", addr); err == nil {
				ts.Check(l.Close())
				ts.Setenv(name, addr)
				break
			}
		}
	}
}

// await URL [TEXT] waits until the URL answers 200, with the text in it.
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := ""
	if len(args) > 1 {
		want = args[1]
	}
	var last string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		status, body, err := request(ts, http.MethodGet, args[0], nil)
		if err == nil && status == http.StatusOK && strings.Contains(body, want) {
			return
		}
		last = fmt.Sprint(status, " ", body, " ", err)
	}
	ts.Fatalf("%s did not become ready: %s", args[0], last)
}

// fetch [-STATUS] METHOD URL [BODY] makes a request with $HUFU_KEY, if that is
// set, wants the status (200), and writes the body to stdout.
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	want := "200"
	if s, ok := strings.CutPrefix(args[0], "-"); ok {
		want, args = s, args[1:]
	}
	var body io.Reader
	if len(args) > 2 {
		body = strings.NewReader(args[2])
	}
	status, got, err := request(ts, args[0], args[1], body)
	ts.Check(err)
	_, _ = io.WriteString(ts.Stdout(), got)
	if fmt.Sprint(status) != want {
		ts.Fatalf("status %d, want %s: %s", status, want, got)
	}
}

func request(ts *testscript.TestScript, method, url string, body io.Reader) (int, string, error) {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return 0, "", err
	}
	if key := ts.Getenv("HUFU_KEY"); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// signal TERM|HUP COMMAND sends a signal to the background process that runs
// a command of hufu.
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	sig := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}[args[0]]
	all := ts.BackgroundCmds()
	i := slices.IndexFunc(all, func(c *exec.Cmd) bool { return c.ProcessState == nil && len(c.Args) > 1 && c.Args[1] == args[1] })
	if i < 0 || sig == 0 {
		ts.Fatalf("no such signal or process")
	}
	ts.Check(all[i].Process.Signal(sig))
}

// within begin starts a clock; within 10s wants no more to have passed.
func within(ts *testscript.TestScript, _ bool, args []string) {
	began := ts.Value("began").(*time.Time)
	if args[0] == "begin" {
		*began = time.Now()
		return
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	if took := time.Since(*began); took > limit {
		ts.Fatalf("took %v, which is more than %v", took, limit)
	}
}

// setenv NAME FILE [FIELD] sets a variable to what a file holds, or to a field
// of the JSON object in it.
func setenv(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.TrimSpace(ts.ReadFile(args[1]))
	if len(args) > 2 {
		object := map[string]any{}
		ts.Check(json.NewDecoder(strings.NewReader(text)).Decode(&object))
		text = fmt.Sprint(object[args[2]])
	}
	ts.Setenv(args[0], text)
}

// mode OCTAL FILE wants a file to have these permissions.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// hash TEXT HEX wants the SHA-256 of a text to be that.
func hash(ts *testscript.TestScript, _ bool, args []string) {
	if sum := sha256.Sum256([]byte(args[0])); hex.EncodeToString(sum[:]) != args[1] {
		ts.Fatalf("the SHA-256 is %x", sum)
	}
}

// run runs a command line in this process.
func run(t *testing.T, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	p := &program{words: wordsFor(lookup), out: &o, err: &e, env: lookup}
	code = p.main(args)
	return code, o.String(), e.String()
}

func TestStatusTellsOfAStoreThatTakesNothing(t *testing.T) {
	t.Parallel()
	for _, w := range []words{{english, false}, {chinese, true}} {
		var out bytes.Buffer
		p := &program{words: w, out: &out}
		s := server.Status{Config: server.ConfigStatus{Passes: true}, Store: server.StoreStatus{Problem: "no space left on device"}}
		if p.printServer("http://h", &s); !strings.Contains(out.String(), "no space left on device") {
			t.Errorf("got %s", out.String())
		}
		out.Reset()
		s.Store = server.StoreStatus{Writable: true}
		if p.printServer("http://h", &s); strings.Count(out.String(), "\n") != 2 {
			t.Errorf("got %s", out.String())
		}
	}
}
