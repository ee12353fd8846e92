package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// apps lists the apps; its commands add one at run time and take it out.
func (p *program) apps() *cobra.Command {
	var asJSON bool
	c := p.command("apps", cobra.NoArgs, func(c *cobra.Command, _ []string) error {
		r, err := p.remote()
		if err != nil {
			return err
		}
		apps, err := r.apps(c.Context())
		if err != nil {
			return r.explain(err)
		}
		if asJSON {
			return p.printJSON(apps)
		}
		if len(apps) == 0 {
			fmt.Fprintln(p.out, p.say("apps.none"))
			return nil
		}
		rows := [][]string{p.headings("app", "name", "type", "source", "from")}
		for _, a := range apps {
			from := p.say("apps.stored")
			if a.Declared {
				from = p.say("apps.declared")
			}
			rows = append(rows, []string{a.App, a.Name, a.Type, a.Source, from})
		}
		table(p.out, rows...)
		return nil
	})
	p.jsonFlag(c, &asJSON)
	c.AddCommand(p.appsPut(), p.appsDelete())
	return c
}

func appPath(app string) string { return "/v1/apps/" + url.PathEscape(app) }

// appsPut adds an app or replaces it. The AppSecret comes from a file or from
// standard input: a command line can be read by everybody on the machine.
func (p *program) appsPut() *cobra.Command {
	var name, source, kind, secretFile string
	c := p.command("put APPID", p.oneApp(), func(c *cobra.Command, args []string) error {
		r, err := p.remote()
		if err != nil {
			return err
		}
		secret, err := readSecret(c.InOrStdin(), secretFile)
		if err != nil {
			return failed(p.say("put.secret", err), p.say("put.secret.hint"))
		}
		body := map[string]any{"secret": []string{secret}}
		for key, v := range map[string]string{"name": name, "source": source, "type": kind} {
			if v != "" {
				body[key] = v
			}
		}
		if err := r.do(c.Context(), "PUT", appPath(args[0]), body, nil); err != nil {
			return r.explain(err)
		}
		fmt.Fprintln(p.out, p.say("put.done", args[0]))
		return nil
	})
	f := c.Flags()
	f.StringVar(&secretFile, "secret-file", "-", p.say("flag.secret-file"))
	f.StringVar(&name, "name", "", p.say("flag.name"))
	f.StringVar(&source, "source", "", p.say("flag.source"))
	f.StringVar(&kind, "type", "", p.say("flag.type"))
	return c
}

func (p *program) appsDelete() *cobra.Command {
	return p.command("delete APPID", p.oneApp(), func(c *cobra.Command, args []string) error {
		r, err := p.remote()
		if err != nil {
			return err
		}
		if err := r.do(c.Context(), "DELETE", appPath(args[0]), nil, nil); err != nil {
			return r.explain(err)
		}
		fmt.Fprintln(p.out, p.say("delete.done", args[0]))
		return nil
	})
}

// readSecret reads a secret without the line's end; "-" is standard input.
func readSecret(stdin io.Reader, file string) (string, error) {
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(io.LimitReader(stdin, 4096))
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return "", cause(err)
	}
	secret := strings.TrimRight(string(data), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("it is empty")
	}
	return secret, nil
}
