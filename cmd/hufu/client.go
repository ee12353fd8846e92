package main

import (
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hufu-project/hufu/internal/access"
)

func (p *program) client() *cobra.Command {
	c := p.command("client", cobra.NoArgs, nil)
	c.AddCommand(p.clientKey())
	return c
}

// clientKey makes a client key. It is shown once, here; Hufu keeps the hash.
func (p *program) clientKey() *cobra.Command {
	var asJSON bool
	c := p.command("key", cobra.NoArgs, func(*cobra.Command, []string) error {
		key, sum := access.NewKey()
		hash := hex.EncodeToString(sum[:])
		if asJSON {
			return p.printJSON(struct {
				Key  string `json:"key"`
				Hash string `json:"key_sha256"`
			}{key.Reveal(), hash})
		}
		table(p.out, []string{"key:", key.Reveal()}, []string{"key_sha256:", hash})
		fmt.Fprintln(p.err, p.say("key.keep"))
		return nil
	})
	p.jsonFlag(c, &asJSON)
	return c
}
