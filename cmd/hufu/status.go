package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/server"
)

// appState is an app as GET /v1/apps shows it.
type appState struct {
	App         string            `json:"app"`
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Source      string            `json:"source"`
	Declared    bool              `json:"declared"`
	Credentials []credentialState `json:"credentials"`
}

type credentialState struct {
	Kind       string        `json:"kind"`
	State      string        `json:"state"`
	Live       bool          `json:"live"`
	InDoubt    bool          `json:"in_doubt"`
	Source     string        `json:"source,omitempty"`
	Generation uint64        `json:"generation,omitempty"`
	IssuedAt   time.Time     `json:"issued_at,omitzero"`
	ExpiresAt  time.Time     `json:"expires_at,omitzero"`
	NextAt     time.Time     `json:"next_at,omitzero"`
	BudgetLeft int           `json:"budget_left"`
	Failure    *failureState `json:"failure,omitempty"`
}

type failureState struct {
	Class   string    `json:"class"`
	Errcode int       `json:"errcode,omitempty"`
	Text    string    `json:"text"`
	Hint    string    `json:"hint,omitempty"`
	IP      string    `json:"ip,omitempty"`
	At      time.Time `json:"at"`
	Count   int       `json:"count"`
}

// report is what `hufu status --json` prints.
type report struct {
	// Server is nil for a client that may not admin.
	Server *server.Status `json:"server,omitempty"`
	Apps   []appState     `json:"apps"`
}

// status shows the server and the credentials of the apps.
func (p *program) status() *cobra.Command {
	var asJSON bool
	c := p.command("status", cobra.NoArgs, func(c *cobra.Command, _ []string) error {
		r, err := p.remote()
		if err != nil {
			return err
		}
		got, err := r.report(c.Context())
		if err != nil {
			return r.explain(err)
		}
		if asJSON {
			return p.printJSON(got)
		}
		p.printServer(r.url, got.Server)
		p.printApps(got.Apps)
		return nil
	})
	p.jsonFlag(c, &asJSON)
	return c
}

func (r *remote) report(ctx context.Context) (got report, err error) {
	if got.Apps, err = r.apps(ctx); err != nil {
		return got, err
	}
	got.Server = new(server.Status)
	err = r.do(ctx, "GET", "/v1/status", nil, got.Server)
	if p, ok := errors.AsType[*problem](err); ok && p.Status == http.StatusForbidden {
		got.Server, err = nil, nil
	}
	return got, err
}

// apps reads all pages.
func (r *remote) apps(ctx context.Context) ([]appState, error) {
	all := []appState{}
	for cursor := ""; ; {
		var page struct {
			Apps []appState `json:"apps"`
			Next string     `json:"next"`
		}
		if err := r.do(ctx, "GET", "/v1/apps?limit=1000&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Apps...)
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

func (p *program) printServer(url string, s *server.Status) {
	if s == nil {
		return
	}
	fmt.Fprintln(p.out, p.say("status.server", url, s.Node, s.Version, span(time.Duration(s.Uptime)*time.Second)))
	if c := s.Config; !c.Passes {
		fmt.Fprintln(p.out, p.say("status.config.bad", c.LoadedAt.Local().Format(time.DateTime)))
		for _, line := range c.Problems {
			fmt.Fprintln(p.out, "  "+line)
		}
	}
	if !s.Store.Writable {
		fmt.Fprintln(p.out, p.say("status.store.bad", s.Store.Problem))
	}
	if k := s.MasterKey; k.Problem != "" {
		fmt.Fprintln(p.out, p.say("status.key.bad", k.Problem))
	} else if !k.Done() && len(k.File) > 0 {
		fmt.Fprintln(p.out, p.say("status.key.moves"))
	}
	if keys := s.Config.NeedsRestart; len(keys) > 0 {
		fmt.Fprintln(p.out, p.say("status.restart", strings.Join(keys, ", ")))
	}
	fmt.Fprintln(p.out)
}

// printApps prints one line per credential, and below what is wrong with any.
func (p *program) printApps(apps []appState) {
	if len(apps) == 0 {
		fmt.Fprintln(p.out, p.say("apps.none"))
		return
	}
	rows := [][]string{p.headings("app", "name", "kind", "source", "state", "generation", "age", "expires", "next", "budget")}
	var wrong []string
	now := time.Now()
	for _, a := range apps {
		for _, c := range a.Credentials {
			rows = append(rows, []string{
				a.App, a.Name, c.Kind, cmp.Or(c.Source, "-"), p.stateWords(c), number(c.Generation),
				ago(now, c.IssuedAt), until(now, c.ExpiresAt), until(now, c.NextAt), strconv.Itoa(c.BudgetLeft),
			})
			if f := c.Failure; f != nil {
				wrong = append(wrong, p.failureWords(a.App, c.Kind, f))
			}
		}
	}
	table(p.out, rows...)
	for _, w := range wrong {
		fmt.Fprint(p.out, "\n", w, "\n")
	}
}

func (p *program) headings(names ...string) []string {
	row := make([]string, len(names))
	for i, n := range names {
		row[i] = p.say("head." + n)
	}
	return row
}

func (p *program) stateWords(c credentialState) string {
	text := p.say("state." + c.State)
	if c.InDoubt {
		text += " " + p.say("state.doubt")
	}
	return text
}

func (p *program) failureWords(app, kind string, f *failureState) string {
	text, hint := f.Text, f.Hint
	if e, known := errcode.Lookup(f.Errcode); known && f.Errcode != 0 {
		text, hint = p.say("remote.refused", f.Errcode, p.wordsOf(e).Meaning), p.wordsOf(e).Hint
	} else if hint == "" {
		hint = p.say("status.unreachable.hint")
	}
	if f.IP != "" {
		text += " " + p.say("remote.ip", f.IP)
	}
	return fmt.Sprintf("%s %s: %s\n  %s%s", app, kind, text, p.say("config.hint"), hint)
}

func number(n uint64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatUint(n, 10)
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return span(max(0, now.Sub(t)))
}

func until(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return span(max(0, t.Sub(now)))
}
