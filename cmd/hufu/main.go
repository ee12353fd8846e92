// Command hufu is the one binary of Hufu: the server, a simulator of WeChat,
// a demo of both, and the operator's commands. `hufu help` says more.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// version is set at the build: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	p := &program{
		words: wordsFor(os.LookupEnv),
		out:   os.Stdout, err: os.Stderr, env: os.LookupEnv,
		outTTY: term.IsTerminal(int(os.Stdout.Fd())),
		errTTY: term.IsTerminal(int(os.Stderr.Fd())),
		columns: func() int {
			n, _, err := term.GetSize(int(os.Stdout.Fd()))
			if err != nil {
				return 0
			}
			return n
		},
	}
	os.Exit(p.main(os.Args[1:]))
}

// program is what all commands share: the user's language, where to print, and
// the environment. Output of programs goes to out, everything else to err.
type program struct {
	words
	out, err       io.Writer
	outTTY, errTTY bool
	env            func(string) (string, bool)
	columns        func() int // of the terminal at out; 0: unknown
}

// main runs one command line and returns the exit code: 0, 1 (failed), 2
// (usage, or a configuration that does not pass).
func (p *program) main(args []string) int {
	running := false // a command has begun: what fails now is no usage error
	root := p.root(&running)
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return 0
	}
	f := asFailure(err)
	if !running && f.code == 1 {
		f.text, f.code, f.hint = p.say("usage.bad", f.text), 2, p.say("usage.hint")
	}
	p.complain(f)
	return f.code
}

// variable is an environment variable; empty is as good as unset.
func (p *program) variable(name string) string {
	v, _ := p.env(name)
	return v
}

func versionLine() string {
	return fmt.Sprintf("hufu %s (%s, %s/%s)", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
