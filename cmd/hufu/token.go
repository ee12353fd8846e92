package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/hufu-project/hufu/internal/config"
)

// handout is an answer of the API's, see api.writeCredential.
type handout struct {
	App        string    `json:"app"`
	Kind       string    `json:"kind"`
	Value      string    `json:"value,omitempty"`
	Tokens     string    `json:"tokens,omitempty"` // "phantom": the value is one
	Generation uint64    `json:"generation,omitempty"`
	IssuedAt   time.Time `json:"issued_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	ExpiresIn  int       `json:"expires_in"`
	MaxAge     int       `json:"max_age"`
}

func credentialPath(app, kind string) string {
	return "/v1/apps/" + url.PathEscape(app) + "/credentials/" + url.PathEscape(kind)
}

// phantom reports whether the value is a phantom token.
func (h handout) phantom() bool { return h.Tokens == config.Phantom }

// token prints the bare value, so that $(hufu token wx…) works. That it is a
// phantom token stands beside it, where people see it and scripts do not.
func (p *program) token() *cobra.Command {
	var asJSON bool
	var kind string
	c := p.command("token APPID", p.oneApp(), func(c *cobra.Command, args []string) error {
		r, err := p.remote()
		if err != nil {
			return err
		}
		var got handout
		if err := r.do(c.Context(), "GET", credentialPath(args[0], kind), nil, &got); err != nil {
			return r.explain(err)
		}
		if asJSON {
			return p.printJSON(got)
		}
		fmt.Fprintln(p.out, got.Value)
		if got.phantom() {
			fmt.Fprintln(p.err, p.say("token.phantom", r.url))
		}
		return nil
	})
	p.jsonFlag(c, &asJSON)
	c.Flags().StringVar(&kind, "kind", "access_token", p.say("flag.kind"))
	return c
}

// renew has a new value issued.
func (p *program) renew() *cobra.Command {
	var asJSON, leak bool
	var kind string
	c := p.command("renew APPID", p.oneApp(), func(c *cobra.Command, args []string) error {
		r, err := p.remote()
		if err != nil {
			return err
		}
		body := map[string]string{}
		if leak {
			body["reason"] = "leak"
		}
		var got handout
		if err := r.do(c.Context(), "POST", credentialPath(args[0], kind)+"/renew", body, &got); err != nil {
			return r.explain(err)
		}
		if asJSON {
			got.Value = ""
			return p.printJSON(got)
		}
		if got.phantom() { // its generation is not that of the token
			fmt.Fprintln(p.out, p.say("renew.phantom", got.App, got.Kind))
		} else {
			fmt.Fprintln(p.out, p.say("renew.done", got.App, got.Kind, got.Generation))
		}
		if leak {
			fmt.Fprintln(p.err, p.say("renew.leak"))
		}
		return nil
	})
	p.jsonFlag(c, &asJSON)
	c.Flags().BoolVar(&leak, "leak", false, p.say("flag.leak"))
	c.Flags().StringVar(&kind, "kind", "access_token", p.say("flag.kind"))
	return c
}

// oneApp wants one appid.
func (p *program) oneApp() cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return misused(p.say("args.app"), c.UseLine())
		}
		return nil
	}
}
