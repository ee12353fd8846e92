package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store/engine"
	"github.com/hufu-project/hufu/internal/store/sealed"
)

// storeFinding is what became of opening the store.
type storeFinding struct {
	Store  string   `json:"store"`
	Opens  bool     `json:"opens"`
	Text   string   `json:"text"`
	Hint   string   `json:"hint,omitempty"`
	Doubts []string `json:"doubts,omitempty"` // what may cost records there
}

// onlineStore opens the store of the configuration and says what is wrong.
func (p *program) onlineStore(ctx context.Context, cfg *config.Config, quiet bool) storeFinding {
	doubts, err := engine.Check(ctx, cfg)
	f := storeFinding{Store: cfg.StoreName(), Doubts: doubts, Opens: true}
	unknown, wrongKey := errors.AsType[*sealed.UnknownKey](err)
	switch {
	case err == nil:
		f.Text = p.say("store.opens")
	case errors.Is(err, engine.ErrNoneYet):
		f.Text = p.say("store.none")
	case errors.Is(err, engine.ErrInUse):
		f.Text = p.say("store.used")
	case wrongKey:
		f.Opens = false
		f.Text = p.say("store.key", cfg.MasterKeyFile, strings.Join(unknown.Have, ", "), unknown.ID)
		f.Hint = p.say("store.key.hint")
	case errors.Is(err, fs.ErrNotExist):
		f.Opens, f.Text, f.Hint = false, p.say("store.nokey", cfg.MasterKeyFile), p.say("store.key.hint")
	default:
		f.Opens, f.Text, f.Hint = false, p.say("store.bad", err), p.say("store.bad.hint")
	}
	if quiet {
		return f
	}
	mark := "✓"
	if !f.Opens {
		mark = "✗"
	}
	fmt.Fprintf(p.out, "%s  %s %s\n", f.Store, mark, f.Text)
	if f.Hint != "" {
		fmt.Fprintln(p.out, "    "+p.say("config.hint")+f.Hint)
	}
	for _, d := range doubts {
		fmt.Fprintln(p.out, "    "+p.say("config.warning")+d)
	}
	return f
}
