package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// staged is a demo in Chinese that runs until the test ends, without a screen.
func staged(t *testing.T, quirks wxsim.Quirk) *demonstration {
	t.Helper()
	none := func(string) (string, bool) { return "", false }
	d, err := (&program{words: words{chinese, true}, out: new(bytes.Buffer), err: new(bytes.Buffer), env: none}).stage(t.TempDir(), quirks)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	parts := d.parts()
	ended := make(chan error, len(parts))
	for _, part := range parts {
		go func() { ended <- part(ctx) }()
	}
	t.Cleanup(func() {
		stop()
		if log, err := os.ReadFile(filepath.Join(filepath.Dir(d.file), "hufu.log")); t.Failed() && err == nil {
			t.Logf("the log:\n%s", log)
		}
		for range parts {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return d
}

// generation waits until an app's token has at least a generation.
func (d *demonstration) generation(t *testing.T, app string, n uint64) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if c, err := d.remote.later(t.Context(), app, n-1); err == nil && c.Generation >= n {
			return
		}
	}
	t.Fatalf("%s has no generation %d", app, n)
}

func TestRenewingByHandIsNoViolationInTheDemo(t *testing.T) {
	t.Parallel()
	d := staged(t, neverBusy)
	for _, app := range demoApps {
		d.generation(t, app.id, 1)
		if err := d.remote.do(t.Context(), "POST", credentialPath(app.id, "access_token")+"/renew", map[string]string{"reason": "leak"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, app := range demoApps {
		d.generation(t, app.id, 3)
	}
	if v := d.sim.Violations(); len(v) > 0 {
		t.Errorf("the simulator minds: %v", v)
	}
	// It still judges: nobody is excused who does not come from an operator.
	for range 3 {
		resp, err := d.remote.http.Get(d.wechat.APIURL() + "/cgi-bin/token?grant_type=client_credential&appid=" + demoApps[0].id + "&secret=" + demoApps[0].secret)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if len(d.sim.Violations()) == 0 {
		t.Error("the simulator minds nothing any more")
	}
}

func TestEveryRuleOfTheJudgeHasItsWords(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../wxsim/judge.go")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`Rule = "([a-z-]+)"`).FindAllStringSubmatch(string(src), -1)
	if len(rules) < 10 {
		t.Fatalf("found the rules %q", rules)
	}
	p := &program{words: words{chinese, true}}
	for _, r := range rules {
		if chinese["rule."+r[1]] == "" {
			t.Errorf("%s has no words", r[1])
		}
		if got := p.eventWords(event{Event: violated, Rule: wxsim.Rule(r[1]), Text: "in English"}); strings.Contains(got, "English") {
			t.Errorf("%s: %s", r[1], got)
		}
	}
}

// A terminal of 80 columns and 24 lines shows what is to be typed first and all
// that changes, and no line of it wraps.
func TestLiveScreenFitsASmallTerminal(t *testing.T) {
	t.Parallel()
	for _, w := range []words{{english, false}, {chinese, true}} {
		var out bytes.Buffer
		s := &liveScreen{program: &program{words: w, out: &out, columns: func() int { return 80 }}, shop: "http://localhost:65535"}
		if line := "  " + s.say("demo.shop", s.shop); width(line) > 80 {
			t.Errorf("the first line is cut: %s", line)
		}
		now := time.Now()
		var apps []appState
		for _, a := range demoApps {
			apps = append(apps, appState{App: a.id, Credentials: []credentialState{{
				Kind: "access_token", State: "due", InDoubt: true, Source: a.source, Generation: 12345,
				IssuedAt: now.Add(-time.Hour), NextAt: now.Add(time.Hour),
			}}})
		}
		for range 9 {
			s.happened(event{Event: violated, Time: now, Line: "classic", Rule: wxsim.AskedAgain, Text: strings.Repeat("a token of generation 3 was given out ", 5)})
		}
		out.Reset()
		s.draw(apps, totals{123456, 12345, 123456, 12345, 12345})
		text := regexp.MustCompile(`\x1b\[\d*[A-Z]`).ReplaceAllString(out.String(), "")
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		for _, l := range lines {
			if width(l) > 80 {
				t.Errorf("%d columns: %s", width(l), l)
			}
		}
		// The line export … wraps once, and an empty one follows it.
		if len(lines)+3 > 23 {
			t.Errorf("%d lines leave no room", len(lines))
		}
	}
}

func TestDemoSaysLastWhatComesFirst(t *testing.T) {
	t.Parallel()
	d := staged(t, neverBusy)
	lines := strings.Split(strings.TrimSpace(d.introduction(d)), "\n")
	if i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "  export HUFU_URL=") }); i != len(lines)-1 {
		t.Errorf("line %d of %d says export", i+1, len(lines))
	}
}
