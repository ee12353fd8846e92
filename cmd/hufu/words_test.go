package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestBothLanguagesSayTheSame(t *testing.T) {
	t.Parallel()
	verb := regexp.MustCompile(`%(\[\d\])?[-+0-9.]*[a-z]`)
	for key, en := range english {
		zh, ok := chinese[key]
		if !ok {
			t.Errorf("%s is missing in Chinese", key)
			continue
		}
		if got, want := verb.FindAllString(zh, -1), verb.FindAllString(en, -1); !sameVerbs(got, want) {
			t.Errorf("%s: Chinese has the verbs %q, English %q", key, got, want)
		}
	}
	for key := range chinese {
		if _, ok := english[key]; !ok {
			t.Errorf("%s is missing in English", key)
		}
	}
}

// sameVerbs wants the same order, unless the verbs say which argument they
// mean.
func sameVerbs(a, b []string) bool {
	if slices.ContainsFunc(a, func(v string) bool { return strings.Contains(v, "[") }) {
		slices.Sort(a)
		slices.Sort(b)
		a, b = slices.Compact(a), slices.Compact(b)
	}
	return slices.Equal(a, b)
}

func TestEveryTextIsThere(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`say\("([a-z._-]+[a-z])"|"((?:demo|greet)\.[a-z.]+)"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, f := range files {
		if strings.HasPrefix(f, "words") || strings.HasSuffix(f, "_test.go") {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(src), -1) {
			key := m[1] + m[2]
			used[key] = true
			if _, ok := english[key]; !ok {
				t.Errorf("%s: there is no text %q", f, key)
			}
		}
	}
	for key := range english {
		// Some keys are put together; their first part is enough.
		family, _, _ := strings.Cut(key, ".")
		if !used[key] && !slices.Contains([]string{"head", "state", "reach", "completion", "help", "rule", "flag"}, family) &&
			!strings.HasSuffix(key, ".short") && !strings.HasSuffix(key, ".long") {
			t.Errorf("nobody says %q", key)
		}
	}
}

func TestEveryCommandHasItsTexts(t *testing.T) {
	t.Parallel()
	for _, table := range []map[string]string{english, chinese} {
		p := &program{words: words{table: table}, env: func(string) (string, bool) { return "", false }}
		var visit func(c *cobra.Command)
		visit = func(c *cobra.Command) {
			if c.Short == "" {
				t.Errorf("%s has no text", c.CommandPath())
			}
			for _, sub := range c.Commands() {
				if sub.Name() != "completion" {
					visit(sub)
				}
			}
		}
		visit(p.root(new(bool)))
	}
}

func TestLanguageFollowsTheLocale(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env     map[string]string
		chinese bool
	}{
		{map[string]string{}, false},
		{map[string]string{"LANG": "en_US.UTF-8"}, false},
		{map[string]string{"LANG": "zh_CN.UTF-8"}, true},
		{map[string]string{"LANG": "C.UTF-8", "LC_ALL": "zh_TW.UTF-8"}, true},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_GB"}, false},
	} {
		_, out, _ := run(t, c.env, "--help")
		if got := strings.Contains(out, "用法"); got != c.chinese {
			t.Errorf("%v: Chinese is %v, want %v", c.env, got, c.chinese)
		}
	}
}

// The server's problems are told in Chinese, too, by their code.
func TestEveryProblemIsToldInChinese(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../internal/web/problem.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bCode: "([a-z_]+)"`).FindAllStringSubmatch(string(src), -1) {
		codes[m[1]] = true
		if problemsInChinese[m[1]].text == "" {
			t.Errorf("%s has no words", m[1])
		}
	}
	if len(codes) < 10 {
		t.Errorf("found the codes %v", codes)
	}
}
