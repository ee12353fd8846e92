package hufu_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/hufu-project/hufu/wxsim"
)

// An app that stands in the documentation and in the simulator.
const (
	appID     = "wx0123456789abcdef"
	appSecret = "0123456789abcdef0123456789abcdef"
)

// What the documentation shows is true: its commands run, its configuration
// passes, its answers have the keys that it says, its links lead somewhere.

// block is a fenced block of a document.
type block struct {
	line       int
	lang, info string
	text       string
	follows    bool // nothing but a blank line stands between it and the block before
}

var fence = regexp.MustCompile("^```(\\S*) ?(.*)$")

func blocks(t *testing.T, file string) (all []block) {
	t.Helper()
	var open *block
	gap := false
	for i, line := range strings.Split(read(t, file), "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open == nil && m != nil:
			if m[1] == "" {
				t.Errorf("%s:%d: a block without a language; text, where it is neither run nor checked", file, i+1)
			}
			open = &block{line: i + 1, lang: m[1], info: m[2], follows: len(all) > 0 && !gap}
		case open != nil && m != nil:
			all = append(all, *open)
			open, gap = nil, false
		case open != nil:
			open.text += line + "\n"
		default:
			gap = gap || strings.TrimSpace(line) != ""
		}
	}
	if open != nil {
		t.Errorf("%s:%d: the block does not end", file, open.line)
	}
	return all
}

// documents are what people read.
func documents(t *testing.T) []string { return tree(t, ".md") }

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, file := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, file), -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, ":") {
				continue // another site
			}
			target := file
			if to != "" {
				target = path.Join(path.Dir(file), to)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link %s leads nowhere", file, m[1])
			} else if anchor != "" && !slices.Contains(anchors(t, target), anchor) {
				t.Errorf("%s: the link %s leads to no heading", file, m[1])
			}
		}
	}
}

// anchors are the headings of a document as links name them.
func anchors(t *testing.T, file string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(read(t, file), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return all
}

// Go in a document stands in a test or in an example too, line by line.
func TestDocumentedGoIsTested(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	for _, file := range tree(t, ".go") {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "examples/") {
			tests.WriteString(read(t, file))
		}
	}
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			for line := range strings.Lines(b.text) {
				if line = strings.TrimSpace(line); b.lang == "go" && b.info == "" && !strings.Contains(tests.String(), line) {
					t.Errorf("%s:%d: no test has the line %s", file, b.line, line)
				}
			}
		}
	}
}

// Every command and every flag that a document names is one.
func TestDocumentedFlagsExist(t *testing.T) {
	t.Parallel()
	hufu := binary(t)
	help := map[string]func() (string, error){}
	for _, file := range documents(t) {
		text := read(t, file)
		var said []string
		for _, m := range regexp.MustCompile("`((?:go run \\./cmd/)?hufu [^`\n]+)`").FindAllStringSubmatch(text, -1) {
			said = append(said, m[1])
		}
		for _, b := range blocks(t, file) {
			if b.lang == "sh" {
				said = append(said, regexp.MustCompile(`(?:\bhufu|\./cmd/hufu) [a-z][^|;&)\n]*`).FindAllString(b.text, -1)...)
			}
		}
		for _, command := range said {
			words := strings.Fields(command[strings.Index(command, "hufu ")+len("hufu "):])
			n := 0
			for n < len(words) && regexp.MustCompile(`^[a-z]+$`).MatchString(words[n]) {
				n++
			}
			name := strings.Join(words[:n], " ")
			if help[name] == nil {
				help[name] = sync.OnceValues(func() (string, error) {
					out, err := exec.Command(hufu, append(words[:n:n], "--help")...).CombinedOutput()
					return string(out), err
				})
			}
			usage, err := help[name]()
			if err != nil {
				t.Errorf("%s: there is no command hufu %s", file, name)
				continue
			}
			for _, word := range words[n:] {
				flag, _, _ := strings.Cut(word, "=")
				if strings.HasPrefix(flag, "--") && !strings.Contains(usage, flag) {
					t.Errorf("%s: hufu %s has no flag %s", file, name, flag)
				}
			}
		}
	}
}

// The names that programs and dashboards go by stand in the documents, and the
// documents name no others.
func TestStableNamesAreDocumented(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what      string
		in        string // the folder of the code
		code, doc string // how a name looks there and here
		files     []string
	}{
		{"metric", "internal/server/", `\bdesc\("([a-z_]+)"`, "`hufu_([a-z_]+)[`{]", []string{"docs/operations.md", "docs/operations.zh-CN.md"}},
		{"code", "internal/web/", `\bCode: "([a-z_]+)"`, "(?m)^\\| \\d{3} \\| `([a-z_]+)`", []string{"docs/api.md", "docs/api.zh-CN.md"}},
	} {
		var inCode []string
		for _, file := range tree(t, ".go") {
			if strings.HasPrefix(file, c.in) && !strings.HasSuffix(file, "_test.go") {
				inCode = append(inCode, names(read(t, file), c.code)...)
			}
		}
		for _, file := range c.files {
			inDoc := names(read(t, file), c.doc)
			for _, name := range inCode {
				if !slices.Contains(inDoc, name) {
					t.Errorf("%s does not name the %s %s", file, c.what, name)
				}
			}
			for _, name := range inDoc {
				if !slices.Contains(inCode, name) {
					t.Errorf("%s names the %s %s; there is none", file, c.what, name)
				}
			}
		}
	}
}

func names(text, pattern string) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// shown are the languages of blocks that are not run.
var shown = []string{"text", "mermaid", "json", "go", "js", "php", "java", "python", "csharp"}

// The blocks of a document are run one after the other, as its reader would,
// beside a simulated WeChat:
//
//	```sh                  is run; its commands must succeed
//	```sh stays            runs on; the next one of its kind ends it
//	```sh norun: why       is not run
//	```json                right after: the keys and types of what was printed
//	```yaml                is saved as hufu.yaml and must pass hufu check
func TestDocumentedExamplesRun(t *testing.T) {
	t.Parallel()
	for _, file := range documents(t) {
		all := blocks(t, file)
		runs := func(b block) bool { return b.lang == "sh" && !strings.HasPrefix(b.info, "norun: ") }
		if !slices.ContainsFunc(all, runs) {
			continue
		}
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			for _, tool := range []string{"bash", "curl"} {
				if _, err := exec.LookPath(tool); err != nil {
					missing(t, tool+", which the examples use: apt-get install "+tool)
				}
			}
			r := newReader(t, file)
			for _, b := range all {
				switch {
				case runs(b):
					r.run(b)
				case b.lang == "yaml":
					r.save(b)
				case b.lang == "json" && b.follows:
					r.expect(b)
				case b.lang != "sh" && !slices.Contains(shown, b.lang):
					t.Errorf("%s:%d: what is a block of %s?", file, b.line, b.lang)
				}
			}
			r.read()
		})
	}
}

// reader is somebody who does what a document says, in a shell of their own.
type reader struct {
	t      *testing.T
	file   string
	dir    string
	sim    *wxsim.Sim
	script strings.Builder
	paste  *strings.Replacer // what a reader puts in place of what stands there
	wants  map[string]string // by the file that holds the answer
	last   string
}

func newReader(t *testing.T, file string) *reader {
	r := &reader{t: t, file: file, dir: t.TempDir(), sim: newSim(t), wants: map[string]string{}}
	hufu := binary(t)
	key, hash := newKey(t)
	listener, err := r.sim.Listen("127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- listener.Serve(t.Context()) }()
	t.Cleanup(func() { <-ended })

	api, web, admin := freePort(t), freePort(t), freePort(t)
	r.paste = strings.NewReplacer("go run ./cmd/hufu ", "hufu ", "hufu_…", key, "9a170ab72651d5a982d53718b82cf2708e118822bee7437a848f5797a21043f3", hash,
		"https://api.weixin.qq.com", listener.APIURL(), "127.0.0.1:8700", "127.0.0.1:"+api, "127.0.0.1:8701", "127.0.0.1:"+web, "127.0.0.1:8702", "127.0.0.1:"+admin)
	fmt.Fprintf(&r.script, `set -eEuo pipefail
trap 'echo "$at: $BASH_COMMAND: exit status $?" >&2' ERR
export PATH=%q:$PATH HOME="$PWD" LC_ALL=C.UTF-8
export HUFU_LISTEN_API=127.0.0.1:%s HUFU_LISTEN_WEB=127.0.0.1:%s HUFU_LISTEN_ADMIN=127.0.0.1:%s
export HUFU_URL=http://127.0.0.1:%s HUFU_WECHAT_API_URL=%s
staying=
end() { if [ -n "$staying" ]; then kill "$staying"; wait "$staying" || true; staying=; fi; }
trap end EXIT
stays() {
	"$@" </dev/null >stays.log 2>&1 &
	staying=$!
	for _ in {1..200}; do
		if curl -fs -o out "$admin/healthz" || grep -q 'token 1 issued' stays.log; then return; fi
		if ! kill -0 "$staying" 2>/dev/null; then break; fi
		sleep 0.05
	done
	cat stays.log >&2
	return 1
}
admin=http://127.0.0.1:%s
`, filepath.Dir(hufu), api, web, admin, api, listener.APIURL(), admin)
	return r
}

func (r *reader) run(b block) {
	r.last = fmt.Sprintf("out.%d", b.line)
	fmt.Fprintf(&r.script, "at=%s:%d\n", r.file, b.line)
	text := r.paste.Replace(b.text)
	if b.info == "stays" {
		// Its last line is what stays; what stands before are settings.
		lines := strings.Split(strings.TrimSpace(text), "\n")
		command := lines[len(lines)-1]
		fmt.Fprintf(&r.script, "end\n%s\n", strings.Join(lines[:len(lines)-1], "\n"))
		if settings := regexp.MustCompile(`^(?:[A-Z_]+=\S+ )+`).FindString(command); settings != "" {
			fmt.Fprintf(&r.script, "%sstays %s\n", settings, command[len(settings):])
			return
		}
		fmt.Fprintf(&r.script, "stays %s\n", command)
		return
	}
	fmt.Fprintf(&r.script, "{\n%s} >%s\n", text, r.last)
}

func (r *reader) save(b block) {
	fmt.Fprintf(&r.script, "at=%s:%d\ncat >hufu.yaml <<'YAML'\n%sYAML\nchmod 600 hufu.yaml\nSHOP_SECRET=%s hufu check --config hufu.yaml >out\n", r.file, b.line, r.paste.Replace(b.text), appSecret)
}

func (r *reader) expect(b block) { r.wants[r.last] = b.text }

// read does all of it, and compares.
func (r *reader) read() {
	t := r.t
	cmd := exec.CommandContext(t.Context(), "bash", "-c", r.script.String())
	cmd.Dir = r.dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it ends what stays
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		log, _ := os.ReadFile(filepath.Join(r.dir, "stays.log"))
		t.Fatalf("%v\n%s\nwhat was running beside it said:\n%s", err, out, log)
	}
	for file, text := range r.wants {
		got := read(t, filepath.Join(r.dir, file))
		var is, want any
		if err := json.Unmarshal([]byte(got), &is); err != nil {
			t.Errorf("%s:%s: the answer is no JSON: %v\n%s", r.file, file[len("out."):], err, got)
			continue
		}
		unmarshal(t, text, &want)
		if at, ok := sameShape(is, want, ""); !ok {
			t.Errorf("%s:%s: the answer differs at %q from what stands there:\n%s", r.file, file[len("out."):], at, got)
		}
	}
	if !strings.Contains(r.file, "migrate") { // there, others do wrong
		for _, v := range r.sim.Violations() {
			t.Errorf("%s: WeChat would mind: %+v", r.file, v)
		}
	}
}

// sameShape reports whether two JSON values have the same keys and types, and
// where they do not.
func sameShape(is, want any, at string) (string, bool) {
	switch want := want.(type) {
	case map[string]any:
		is, ok := is.(map[string]any)
		if !ok {
			return at, false
		}
		for k := range is {
			if _, ok := want[k]; !ok {
				return at + "." + k, false
			}
		}
		for k := range want {
			if _, ok := is[k]; !ok {
				return at + "." + k, false
			}
			if where, ok := sameShape(is[k], want[k], at+"."+k); !ok {
				return where, false
			}
		}
		return "", true
	case []any:
		is, ok := is.([]any)
		if !ok || len(is) != len(want) {
			return at, false
		}
		for i := range want {
			if where, ok := sameShape(is[i], want[i], fmt.Sprintf("%s[%d]", at, i)); !ok {
				return where, false
			}
		}
		return "", true
	}
	return at, fmt.Sprintf("%T", is) == fmt.Sprintf("%T", want)
}

// newSim is a WeChat with the app of the documentation, in a good mood.
func newSim(t *testing.T) *wxsim.Sim {
	t.Helper()
	sim := wxsim.New(wxsim.Options{Quirks: wxsim.NoQuirks})
	if err := sim.AddApp(wxsim.App{ID: appID, Secret: appSecret}); err != nil {
		t.Fatal(err)
	}
	return sim
}

// missing skips a test that cannot run here; in CI it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("this test needs %s", what)
	}
	t.Skipf("this test needs %s", what)
}

var ports struct {
	sync.Mutex
	next int
}

// freePort finds a port that nobody listens on, below those that the system
// gives to outgoing connections, and gives no port twice.
func freePort(t *testing.T) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.next == 0 {
		ports.next = 20000 + os.Getpid()*13%8000
	}
	for range 1000 {
		ports.next++
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports.next))
		if err == nil {
			_ = l.Close()
			return fmt.Sprint(ports.next)
		}
	}
	t.Fatal("no port is free")
	return ""
}

// eventually asks until it is so, for ten seconds at most.
func eventually(t *testing.T, f func() (string, bool)) string {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	for now := range time.Tick(20 * time.Millisecond) {
		if v, ok := f(); ok {
			return v
		}
		if now.After(end) {
			t.Fatal("it did not happen within 10 s")
		}
	}
	return ""
}

// get asks with a client key and reads the answer into v. The status is 0
// where nobody answers.
func get(t *testing.T, url, key string, v any) (status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if v != nil && resp.StatusCode == http.StatusOK {
		if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode
}

func unmarshal(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
