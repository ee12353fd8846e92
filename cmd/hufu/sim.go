package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hufu-project/hufu/wxsim"
)

// The app that a simulator has when it is told of none.
const (
	sampleApp    = "wx0123456789abcdef"
	sampleSecret = "0123456789abcdef0123456789abcdef"
)

// sim runs the simulator alone.
func (p *program) sim() *cobra.Command {
	var api, manage string
	var speed float64
	var apps []string
	var tame bool
	c := p.command("sim", cobra.NoArgs, func(c *cobra.Command, _ []string) error {
		if speed <= 0 || speed > 1000 {
			return misused(p.say("sim.speed"), p.say("sim.speed.hint"))
		}
		o := wxsim.Options{Speed: speed}
		if tame {
			o.Quirks = wxsim.NoQuirks
		}
		s := wxsim.New(o)
		for _, a := range apps {
			id, secret, ok := strings.Cut(a, ":")
			if !ok {
				return misused(p.say("sim.app"), p.say("sim.app.hint"))
			}
			if err := s.AddApp(wxsim.App{ID: id, Secret: secret}); err != nil {
				return misused(err.Error(), p.say("sim.app.hint"))
			}
		}
		l, err := s.Listen(api, manage)
		if err != nil {
			return failed(err.Error(), p.say("sim.listen.hint"))
		}
		id, secret, _ := strings.Cut(apps[0], ":")
		life := time.Duration(float64(2*time.Hour) / speed)
		fmt.Fprint(p.out, p.say("sim.hello", l.APIURL(), l.ManageURL(), speed, life, id, secret))
		return untilDone(c.Context(), l.Serve)
	})
	f := c.Flags()
	f.StringVar(&api, "api", "127.0.0.1:8780", p.say("flag.sim.api"))
	f.StringVar(&manage, "manage", "127.0.0.1:8781", p.say("flag.sim.manage"))
	f.Float64Var(&speed, "speed", 1, p.say("flag.sim.speed"))
	f.StringArrayVar(&apps, "app", []string{sampleApp + ":" + sampleSecret}, p.say("flag.sim.app"))
	f.BoolVar(&tame, "tame", false, p.say("flag.sim.tame"))
	return c
}

// untilDone runs f until it ends by itself or the user ends it.
func untilDone(ctx context.Context, f func(context.Context) error) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	return f(ctx)
}
