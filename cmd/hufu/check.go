package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hufu-project/hufu/internal/config"
)

// checked is what `hufu check --json` prints.
type checked struct {
	Passes   bool            `json:"passes"`
	Problems []configProblem `json:"problems"`
	// Store is what became of opening the store; only with --online.
	Store *storeFinding `json:"store,omitempty"`
	// Online is what WeChat said to each AppSecret; only with --online.
	Online []finding `json:"online,omitempty"`
}

type configProblem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Warning bool   `json:"warning,omitempty"`
}

// check says everything that is wrong with a configuration, and with --online
// what WeChat says to its apps.
func (p *program) check() *cobra.Command {
	var file string
	var online, asJSON, show, sample bool
	c := p.command("check", cobra.NoArgs, func(c *cobra.Command, _ []string) error {
		if sample {
			_, err := p.out.Write(config.Sample())
			return err
		}
		cfg, err := p.configuration(file)
		var problems config.Problems
		if err != nil && !errors.As(err, &problems) {
			return err
		}
		result := checked{Passes: err == nil}
		if cfg != nil {
			problems = slices.Concat(cfg.Warnings, strangers())
		}
		result.Problems = jsonProblems(problems)
		if !asJSON {
			p.printProblems(p.out, problems)
		}
		if cfg != nil && show {
			_, _ = p.out.Write(config.Redacted(cfg))
		}
		if cfg != nil && !asJSON {
			fmt.Fprintln(p.out, p.say("check.passes", len(cfg.Apps), len(cfg.Clients)))
		}
		if cfg != nil && online {
			opened := p.onlineStore(c.Context(), cfg, asJSON)
			result.Store = &opened
			result.Online, err = p.online(c.Context(), cfg, asJSON)
			if err != nil {
				return err
			}
		}
		if asJSON {
			if err := p.printJSON(result); err != nil {
				return err
			}
		}
		return result.verdict(p)
	})
	p.configFlag(c, &file)
	p.jsonFlag(c, &asJSON)
	c.Flags().BoolVar(&online, "online", false, p.say("flag.online"))
	c.Flags().BoolVar(&show, "show", false, p.say("flag.show"))
	c.Flags().BoolVar(&sample, "sample", false, p.say("flag.sample"))
	c.MarkFlagsMutuallyExclusive("json", "show")
	return c
}

func jsonProblems(problems config.Problems) []configProblem {
	out := make([]configProblem, len(problems))
	for i, pr := range problems {
		out[i] = configProblem(pr)
	}
	return out
}

// verdict is the error to exit with, if any.
func (c checked) verdict(p *program) error {
	if !c.Passes {
		return misused(p.say("config.bad"), "")
	}
	if c.Store != nil && !c.Store.Opens {
		return failed(p.say("store.failed"), c.Store.Hint)
	}
	for _, f := range c.Online {
		switch f.Result {
		case accepted:
		case unreachable:
			return failed(p.say("online.unreachable"), f.Hint)
		default:
			return failed(p.say("online.failed"), "")
		}
	}
	return nil
}
