package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// root puts the commands together; each has a file of its own.
func (p *program) root(running *bool) *cobra.Command {
	root := &cobra.Command{
		Use: "hufu", Version: version,
		Short: p.say("root.short"), Long: p.say("root.long"),
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRun: func(*cobra.Command, []string) { *running = true },
	}
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { p.help(c) })
	root.AddCommand(
		p.demo(), p.serve(), p.sim(), p.check(), p.client(),
		p.status(), p.token(), p.renew(), p.apps(), p.rekey(), p.version(),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help", "completion":
			c.Short = p.say(c.Name() + ".short")
		}
	}
	return root
}

// command makes a command whose texts stand in the message table under its
// name.
func (p *program) command(use string, args cobra.PositionalArgs, run func(c *cobra.Command, args []string) error) *cobra.Command {
	name, _, _ := strings.Cut(use, " ")
	return &cobra.Command{
		Use: use, Args: args, RunE: run, DisableFlagsInUseLine: true,
		Short: p.say(name + ".short"), Long: p.say(name + ".long"),
	}
}

// help prints what a command is for. It takes the place of cobra's templates,
// which know one language.
func (p *program) help(c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(p.out, "%s\n\n%s\n", text, p.say("help.usage"))
	if c.Runnable() {
		fmt.Fprintf(p.out, "  %s\n", strings.TrimSpace(c.UseLine()))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(p.out, "  %s %s\n\n%s\n", c.CommandPath(), p.say("help.command"), p.say("help.commands"))
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(p.out, "  %-12s %s\n", sub.Name(), sub.Short)
			}
		}
	}
	if c.Flags().HasAvailableFlags() {
		for name, text := range map[string]string{"help": "flag.help", "version": "flag.version"} {
			if f := c.Flags().Lookup(name); f != nil {
				f.Usage = p.say(text) // cobra's own is English
			}
		}
		usages := strings.ReplaceAll(c.Flags().FlagUsages(), " (default ", " "+p.say("help.default")+" ")
		fmt.Fprintf(p.out, "\n%s\n%s", p.say("help.flags"), usages)
	}
}
