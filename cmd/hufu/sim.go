package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/wxsim"
)

// The app that a simulator has when it is told of none.
const (
	sampleApp    = "wx0123456789abcdef"
	sampleSecret = "0123456789abcdef0123456789abcdef"
)

// simTypes are the types of apps by the words of the configuration.
var simTypes = map[string]wxsim.AppType{
	config.OfficialAccount: wxsim.ServiceAccount,
	config.MiniProgram:     wxsim.MiniProgram,
	config.Website:         wxsim.Website,
}

// loginPage is where a browser begins a login with an app of a type, given the
// appid and the callback; "" if none can.
func loginPage(t wxsim.AppType) string {
	switch t {
	case wxsim.ServiceAccount:
		return "/connect/oauth2/authorize?appid=%s&redirect_uri=%s&response_type=code&scope=snsapi_userinfo&state=1#wechat_redirect"
	case wxsim.Website:
		return "/connect/qrconnect?appid=%s&redirect_uri=%s&response_type=code&scope=snsapi_login&state=1#wechat_redirect"
	}
	return ""
}

// sim runs the simulator alone.
func (p *program) sim() *cobra.Command {
	var api, manage string
	var speed float64
	var apps []string
	var appType string
	var callbacks []string
	var tame, callbackPorts bool
	c := p.command("sim", cobra.NoArgs, func(c *cobra.Command, _ []string) error {
		if speed <= 0 || speed > 1000 {
			return misused(p.say("sim.speed"), p.say("sim.speed.hint"))
		}
		kind, ok := simTypes[appType]
		if !ok {
			return misused(p.say("sim.type"), p.say("sim.type.hint"))
		}
		o := wxsim.Options{Speed: speed, Quirks: wxsim.DefaultQuirks}
		if tame {
			o.Quirks = wxsim.NoQuirks
		}
		if callbackPorts {
			o.Quirks |= wxsim.CallbackPorts
		}
		s := wxsim.New(o)
		for _, a := range apps {
			id, secret, ok := strings.Cut(a, ":")
			if !ok {
				return misused(p.say("sim.app"), p.say("sim.app.hint"))
			}
			if err := s.AddApp(wxsim.App{ID: id, Secret: secret, Type: kind, CallbackDomains: callbacks}); err != nil {
				hint := p.say("sim.app.hint")
				if len(callbacks) > 0 {
					hint = p.say("sim.callback.hint")
				}
				return misused(err.Error(), hint)
			}
		}
		l, err := s.Listen(api, manage)
		if err != nil {
			return failed(err.Error(), p.say("sim.listen.hint"))
		}
		id, secret, _ := strings.Cut(apps[0], ":")
		life := time.Duration(float64(2*time.Hour) / speed)
		fmt.Fprint(p.out, p.say("sim.hello", l.APIURL(), l.ManageURL(), speed, life, id, secret))
		if page := loginPage(kind); page != "" && len(callbacks) > 0 {
			fmt.Fprint(p.out, p.say("sim.login", l.APIURL()+fmt.Sprintf(page, id, url.QueryEscape("http://"+callbacks[0]+"/callback"))))
		}
		return untilDone(c.Context(), l.Serve)
	})
	f := c.Flags()
	f.StringVar(&api, "api", "127.0.0.1:8780", p.say("flag.sim.api"))
	f.StringVar(&manage, "manage", "127.0.0.1:8781", p.say("flag.sim.manage"))
	f.Float64Var(&speed, "speed", 1, p.say("flag.sim.speed"))
	f.StringArrayVar(&apps, "app", []string{sampleApp + ":" + sampleSecret}, p.say("flag.sim.app"))
	f.StringVar(&appType, "type", config.OfficialAccount, p.say("flag.sim.type"))
	f.StringArrayVar(&callbacks, "callback", nil, p.say("flag.sim.callback"))
	f.BoolVar(&callbackPorts, "callback-ports", false, p.say("flag.sim.callback-ports"))
	f.BoolVar(&tame, "tame", false, p.say("flag.sim.tame"))
	return c
}

// untilDone runs f until it ends by itself or the user ends it.
func untilDone(ctx context.Context, f func(context.Context) error) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	return f(ctx)
}
