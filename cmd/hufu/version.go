package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func (p *program) version() *cobra.Command {
	var asJSON bool
	c := p.command("version", cobra.NoArgs, func(*cobra.Command, []string) error {
		if asJSON {
			return p.printJSON(map[string]string{
				"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
			})
		}
		fmt.Fprintln(p.out, versionLine())
		return nil
	})
	p.jsonFlag(c, &asJSON)
	return c
}

// jsonFlag adds --json to a command.
func (p *program) jsonFlag(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, p.say("flag.json"))
}
