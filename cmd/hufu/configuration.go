package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/hufu-project/hufu/internal/config"
)

// configFlag adds --config to a command.
func (p *program) configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "config", "c", p.variable("HUFU_CONFIG"), p.say("flag.config"))
}

// configuration reads the file, or the environment where there is none. What
// is wrong with it comes as config.Problems.
func (p *program) configuration(file string) (*config.Config, error) {
	switch {
	case file != "":
		return config.Load(file, p.env)
	case p.variable("HUFU_APPID") != "":
		return config.FromEnv(p.env)
	}
	hint := p.say("config.none.hint")
	if _, err := os.Stat("hufu.yaml"); !errors.Is(err, fs.ErrNotExist) {
		hint = p.say("config.here.hint")
	}
	return nil, misused(p.say("config.none"), hint)
}

// configured is configuration for commands that go on only with one that
// passes: what is wrong goes to stderr.
func (p *program) configured(file string) (*config.Config, error) {
	cfg, err := p.configuration(file)
	var problems config.Problems
	if errors.As(err, &problems) {
		p.printProblems(p.err, problems)
		return nil, misused(p.say("config.bad"), p.say("config.bad.hint"))
	}
	return cfg, err
}

// printProblems prints each problem as compilers do, so that editors find the
// place.
func (p *program) printProblems(w io.Writer, problems config.Problems) {
	for _, pr := range problems {
		hint := pr.Hint
		pr.Hint = ""
		if pr.Warning {
			pr.Message = p.say("config.warning") + pr.Message
		}
		fmt.Fprintln(w, pr.Error())
		if hint != "" {
			fmt.Fprintln(w, "    "+p.say("config.hint")+hint)
		}
	}
}

// strangers are the HUFU_ variables that mean nothing.
func strangers() config.Problems { return config.UnknownEnv(os.Environ()) }
