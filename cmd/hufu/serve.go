package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/server"
)

func (p *program) serve() *cobra.Command {
	var file string
	c := p.command("serve", cobra.NoArgs, func(c *cobra.Command, _ []string) error {
		cfg, err := p.configured(file)
		if err != nil {
			return err
		}
		log, err := p.logger()
		if err != nil {
			return err
		}
		slog.SetDefault(log)
		for _, w := range slices.Concat(cfg.Warnings, strangers()) {
			log.Warn("configuration", "err", w)
		}
		ctx, stop := untilStopped(c.Context())
		defer stop()
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		s, err := server.New(cfg, server.Options{Log: log, Version: version})
		if err != nil {
			return err
		}
		p.greet(cfg, s, log)
		go func() {
			for range hup {
				s.Reload()
			}
		}()
		return s.Run(ctx)
	})
	p.configFlag(c, &file)
	return c
}

// untilStopped gives a context that ends on the first SIGINT or SIGTERM; a
// second one ends the process the hard way.
func untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// greet tells a person at a terminal what listens where and what to try. A
// client key is shown here and nowhere else, and only to a person; a log is
// told in which file it stands.
func (p *program) greet(cfg *config.Config, s *server.Server, log *slog.Logger) {
	if !p.errTTY {
		if env, ok := s.EnvClient(); ok {
			text := "the client key was read from a file"
			if env.Made {
				text = "a client key was made and written to a file"
			}
			log.Info(text, "file", env.File)
		}
		return
	}
	fmt.Fprintf(p.err, "\n%s\n\n", p.say("greet.title", version, s.Node()))
	table(p.err,
		[]string{"  " + p.say("greet.api"), s.URL("api"), "listen.api"},
		[]string{"  " + p.say("greet.web"), s.URL("web"), "listen.web"},
		[]string{"  " + p.say("greet.admin"), s.URL("admin") + "/healthz /readyz /metrics", "listen.admin"},
	)
	key := p.say("greet.key")
	if env, ok := s.EnvClient(); ok {
		text := "greet.key.read"
		if env.Made {
			text = "greet.key.made"
		}
		fmt.Fprintf(p.err, "\n%s\n  %s\n", p.say(text, env.File), env.Key.Reveal())
		key = "$(cat " + env.File + ")"
	}
	fmt.Fprintf(p.err, "\n%s\n  export HUFU_URL=%s HUFU_KEY=%s\n  %s status\n", p.say("greet.try"), s.URL("api"), key, self())
	if len(cfg.Apps) > 0 {
		app := cfg.Apps[0].AppID
		fmt.Fprintf(p.err, "  %s token %s\n", self(), app)
		fmt.Fprintf(p.err, "  curl -H \"Authorization: Bearer $HUFU_KEY\" %s/v1/apps/%s/credentials/access_token\n", s.URL("api"), app)
	}
	fmt.Fprintf(p.err, "\n%s\n%s\n\n", p.say("greet.check"), p.say("greet.stop"))
}
