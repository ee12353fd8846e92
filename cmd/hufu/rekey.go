package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hufu-project/hufu/internal/server"
	"github.com/hufu-project/hufu/internal/store/sealed"
)

// rekeyed is what `hufu rekey --json` prints. Keys are named by their ids.
type rekeyed struct {
	File string   `json:"file"`
	Keys []string `json:"keys"` // in the file now, the newest first
	// Changed: this command wrote the file.
	Changed bool `json:"changed"`
	// Done: the newest key is the only one in the file, and in use.
	Done bool `json:"done"`
	// Server is how far the server of HUFU_URL is; nil without HUFU_KEY.
	Server *sealed.KeyState `json:"server,omitempty"`
}

// rekey puts a new master key into the key file, says how far the nodes are
// with it, and takes the old ones out when they are done. The nodes do the rest.
func (p *program) rekey() *cobra.Command {
	var file string
	var finish, asJSON bool
	c := p.command("rekey", cobra.NoArgs, func(c *cobra.Command, _ []string) error {
		cfg, err := p.configured(file)
		if err != nil {
			return err
		}
		path := cfg.MasterKeyFile
		keys, err := sealed.LoadKeys(path)
		if errors.Is(err, fs.ErrNotExist) {
			return failed(p.say("rekey.none", path), p.say("rekey.none.hint"))
		}
		if err != nil {
			return failed(err.Error(), "")
		}
		result := rekeyed{File: path}
		begin := len(keys) == 1 && !finish
		if p.variable("HUFU_KEY") != "" || finish {
			if result.Server, err = p.keyState(c.Context()); err != nil {
				return err
			}
		}
		switch {
		case finish && len(keys) > 1:
			if result.Server.File[0] != keys[0].ID() || !result.Server.Done() {
				p.rekeyProgress(result.Server)
				return failed(p.say("rekey.early", path), p.say("rekey.early.hint"))
			}
			keys, result.Changed = keys[:1], true
		case begin:
			if s := result.Server; s != nil && (!s.Done() || s.File[0] != keys[0].ID()) {
				p.rekeyProgress(s)
				return failed(p.say("rekey.busy"), p.say("rekey.busy.hint", path))
			}
			keys, result.Changed = append([]sealed.Key{sealed.NewKey()}, keys...), true
		}
		if result.Changed {
			if err := sealed.SaveKeys(path, keys); err != nil {
				return failed(p.say("rekey.write", path, cause(err)), p.say("rekey.write.hint"))
			}
		}
		for _, k := range keys {
			result.Keys = append(result.Keys, k.ID())
		}
		result.Done = len(keys) == 1
		if asJSON {
			return p.printJSON(result)
		}
		switch {
		case finish:
			fmt.Fprintln(p.out, p.say("rekey.finished", path, result.Keys[0]))
			return nil
		case begin:
			fmt.Fprintln(p.out, p.say("rekey.begun", path, result.Keys[0]))
		default:
			fmt.Fprintln(p.out, p.say("rekey.goes", path, strings.Join(result.Keys, ", ")))
			p.rekeyProgress(result.Server)
		}
		fmt.Fprintln(p.out, p.say("rekey.next"))
		return nil
	})
	p.configFlag(c, &file)
	c.Flags().BoolVar(&finish, "finish", false, p.say("flag.finish"))
	p.jsonFlag(c, &asJSON)
	return c
}

// keyState asks the server of HUFU_URL.
func (p *program) keyState(ctx context.Context) (*sealed.KeyState, error) {
	r, err := p.remote()
	if err != nil {
		return nil, err
	}
	var got server.Status
	if err := r.do(ctx, "GET", "/v1/status", nil, &got); err != nil {
		return nil, r.explain(err)
	}
	if len(got.MasterKey.File) == 0 {
		return nil, failed(p.say("remote.stranger", r.url), p.say("remote.stranger.hint"))
	}
	return &got.MasterKey, nil
}

// rekeyProgress says what still has to happen, or that all has.
func (p *program) rekeyProgress(s *sealed.KeyState) {
	if s == nil {
		return
	}
	out := p.out
	if s.Problem != "" {
		fmt.Fprintln(out, "  "+s.Problem)
	}
	switch {
	case s.Done():
		fmt.Fprintln(out, "  "+p.say("rekey.state.done", s.Seals))
	case len(s.Waits) > 0:
		fmt.Fprintln(out, "  "+p.say("rekey.state.waits", strings.Join(s.Waits, ", "), s.File[0]))
	case s.Left > 0:
		fmt.Fprintln(out, "  "+p.say("rekey.state.left", s.Left))
	default:
		fmt.Fprintln(out, "  "+p.say("rekey.state.looks"))
	}
}
