package hufu_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// instruction is one of the Dockerfile, with its continued lines joined.
type instruction struct{ name, args string }

// dockerfile gives the instructions, by stage: the first ones stand before any
// FROM.
func dockerfile(t *testing.T) (stages [][]instruction) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(read(t, "Dockerfile"), "")
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")
	stages = [][]instruction{nil}
	for line := range strings.Lines(text) {
		name, args, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		if name == "FROM" {
			stages = append(stages, nil)
		}
		last := &stages[len(stages)-1]
		*last = append(*last, instruction{name, strings.TrimSpace(args)})
	}
	return stages
}

// find gives the arguments of every instruction of that name in a stage.
func find(stage []instruction, name string) (all []string) {
	for _, i := range stage {
		if i.name == name {
			all = append(all, i.args)
		}
	}
	return all
}

func TestDockerfileIsPinnedAndBare(t *testing.T) {
	t.Parallel()
	stages := dockerfile(t)
	if len(stages) != 3 {
		t.Fatalf("%d stages, want what stands before the first FROM, the build and the image", len(stages))
	}
	whole := read(t, "Dockerfile")
	for _, stage := range stages {
		for _, arg := range find(stage, "ARG") {
			name, value, _ := strings.Cut(arg, "=")
			if !strings.Contains(whole, "${"+name+"}") {
				t.Errorf("ARG %s is not used", name)
			}
			if value == "" {
				t.Errorf("ARG %s has no default, so a plain docker build fails", name)
			}
		}
	}
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
	base := find(stages[1], "FROM")[0]
	if ok, _ := regexp.MatchString(`^\$\{BASE_REGISTRY\}/golang:`+regexp.QuoteMeta(goVersion)+`\.\d+-alpine AS build$`, base); !ok {
		t.Errorf("FROM %s: want Go %s with its patch release, from BASE_REGISTRY", base, goVersion)
	}

	image := stages[2]
	if from := find(image, "FROM"); from[0] != "scratch" {
		t.Errorf("FROM %s, want scratch", from[0])
	}
	for _, name := range []string{"RUN", "ADD", "SHELL", "HEALTHCHECK"} {
		if got := find(image, name); got != nil {
			t.Errorf("%s %s: there is no shell and nothing to fetch with in the image", name, got)
		}
	}
	if user := find(image, "USER"); len(user) != 1 || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user[0]) {
		t.Errorf("USER %q, want one that is not root, by number", user)
	}
	for _, name := range []string{"ENTRYPOINT", "CMD"} {
		if got := find(image, name); len(got) != 1 || !strings.HasPrefix(got[0], "[") {
			t.Errorf("%s %q, want the form that needs no shell", name, got)
		}
	}
	if got := find(image, "VOLUME"); len(got) != 1 || got[0] != find(image, "WORKDIR")[0] {
		t.Errorf("VOLUME %q, want the working directory, where everything is written", got)
	}
	for _, stage := range stages {
		for _, setting := range append(find(stage, "ENV"), find(stage, "ARG")...) {
			if secret := regexp.MustCompile(`(?i)(secret|password|_key|token)\w*=`).FindString(setting); secret != "" {
				t.Errorf("%s… looks like a secret, which stays in the layers of the image", secret)
			}
		}
	}
}

// What may lie about in a working tree stays out of the image's layers.
func TestDockerContextHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	rules := ignoreRules(read(t, ".dockerignore"))
	for _, file := range []string{
		"hufu.key", "client.key", "hufu.db", "hufu.yaml", ".env", ".git/config", "audit.jsonl", "cmd/hufu/hufu.key", "internal/server/hufu.db",
		"cmd/hufu/testdata/script/serve.txtar", "architecture_test.go",
	} {
		if !ignored(rules, file) {
			t.Errorf("%s comes into the build context", file)
		}
	}
	for _, file := range []string{"go.mod", "cmd/hufu/main.go", "internal/config/sample.yaml", "LICENSE"} {
		if ignored(rules, file) {
			t.Errorf("%s does not come into the build context", file)
		}
	}
}

func ignoreRules(text string) []string {
	return strings.Fields(regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(text, ""))
}

// ignored reports whether .dockerignore keeps a file out: the last rule that
// matches it, or a folder that it is in, decides.
func ignored(rules []string, file string) (out bool) {
	for _, rule := range rules {
		pattern, back := strings.CutPrefix(rule, "!")
		pattern, anywhere := strings.CutPrefix(pattern, "**/")
		for parts := strings.Split(file, "/"); len(parts) > 0; parts = parts[:len(parts)-1] {
			name := strings.Join(parts, "/")
			if anywhere {
				name = parts[len(parts)-1]
			}
			if ok, _ := path.Match(pattern, name); ok {
				out = !back
			}
		}
	}
	return out
}

var imageBinary = sync.OnceValues(buildAsTheImageDoes)

// binary is the hufu that the container image would hold, built by the RUN line
// of the Dockerfile out of what .dockerignore lets through. It is built once.
func binary(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the Dockerfile's commands need a shell")
	}
	file, err := imageBinary()
	if err != nil {
		t.Fatalf("build as the Dockerfile does: %v", err)
	}
	return file
}

// scratch is removed when all tests are over.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hufu-test-")
	if err != nil {
		panic(err)
	}
	scratch = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func buildAsTheImageDoes() (string, error) {
	rules, err := os.ReadFile(".dockerignore")
	if err != nil {
		return "", err
	}
	context := filepath.Join(scratch, "context")
	if err := copyContext(ignoreRules(string(rules)), context); err != nil {
		return "", err
	}
	whole, err := os.ReadFile("Dockerfile")
	if err != nil {
		return "", err
	}
	run := regexp.MustCompile(`(?m)^RUN (.* go build .*)$`).FindStringSubmatch(string(whole))
	out := filepath.Join(scratch, "hufu")
	build := exec.Command("sh", "-c", strings.ReplaceAll(run[1], "/out/hufu", out))
	build.Dir = context
	build.Env = append(os.Environ(), "VERSION=test")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, said)
	}
	return out, nil
}

func copyContext(rules []string, to string) error {
	return filepath.WalkDir(".", func(file string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (file == ".git" || file == "bin"):
			return filepath.SkipDir
		case d.IsDir() || !d.Type().IsRegular() || ignored(rules, filepath.ToSlash(file)):
			return nil
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(file)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, file), b, 0o644)
	})
}
