package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/server"
	"github.com/hufu-project/hufu/wxsim"
)

// demoSpeed makes two hours pass in two minutes.
const demoSpeed = 60

// The apps of the demo: one per source, so that both ways of renewal are seen.
// The classic one is renewed after about 90 seconds, the stable one after 115.
var demoApps = []struct{ id, secret, name, source string }{
	{"wxc1a551c000000001", "c1a551c0c1a551c0c1a551c0c1a551c0", "classic shop", config.Classic},
	{"wx57ab1e0000000002", "57ab1e0057ab1e0057ab1e0057ab1e00", "stable shop", config.Stable},
}

// demo runs the simulator, a server and a small program that uses them, in one
// process, and shows what happens.
func (p *program) demo() *cobra.Command {
	var asJSON bool
	var limit time.Duration
	c := p.command("demo", cobra.NoArgs, func(c *cobra.Command, _ []string) error {
		if limit < 0 {
			return misused(p.say("demo.for"), p.say("demo.for.hint"))
		}
		dir, err := os.MkdirTemp("", "hufu-demo-")
		if err != nil {
			return failed(err.Error(), "")
		}
		defer os.RemoveAll(dir)
		d, err := p.stage(dir)
		if err != nil {
			return err
		}
		ctx, stop := untilStopped(c.Context())
		defer stop()
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		return d.run(ctx, p.screen(asJSON))
	})
	p.jsonFlag(c, &asJSON)
	c.Flags().DurationVar(&limit, "for", 0, p.say("flag.for"))
	return c
}

// screen is how the demo is shown here.
func (p *program) screen(asJSON bool) screen {
	switch {
	case asJSON:
		return &jsonScreen{out: p.out}
	case p.outTTY:
		return &liveScreen{program: p}
	}
	return &plainScreen{program: p}
}

// demonstration is the demo with everything in place.
type demonstration struct {
	*program
	sim    *wxsim.Sim
	wechat *wxsim.Server
	server *server.Server
	remote *remote
	file   string // the configuration
}

// stage puts the demo's things into a folder and opens its ports: the usual
// ones, or any where they are taken.
func (p *program) stage(dir string) (*demonstration, error) {
	d := &demonstration{program: p, sim: wxsim.New(wxsim.Options{Speed: demoSpeed}), file: filepath.Join(dir, "hufu.yaml")}
	for _, a := range demoApps {
		if err := d.sim.AddApp(wxsim.App{ID: a.id, Secret: a.secret, Followers: []string{sampleUser}}); err != nil {
			return nil, err
		}
	}
	log, err := d.logFile(filepath.Join(dir, "hufu.log"))
	if err != nil {
		return nil, failed(err.Error(), "")
	}
	err = usualOrAny(func(port func(usual string) string) (err error) {
		d.wechat, err = d.sim.Listen(port("8780"), port("8781"))
		return err
	})
	if err != nil {
		return nil, failed(err.Error(), "")
	}
	key, hash := access.NewKey()
	err = usualOrAny(func(port func(usual string) string) error {
		text := d.configText(port, hex.EncodeToString(hash[:]))
		if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
			return err
		}
		// The demo is what its file says, whatever the user's environment.
		cfg, err := config.Load(d.file, func(string) (string, bool) { return "", false })
		if err != nil {
			return fmt.Errorf("the demo's configuration: %w", err)
		}
		d.server, err = server.New(cfg, server.Options{Log: log, Version: version})
		return err
	})
	if err != nil {
		return nil, err
	}
	d.remote = p.remoteAt(d.server.URL("api"), key.Reveal())
	return d, nil
}

// usualOrAny opens something on its usual ports of loopback, or on any where
// one of them is taken.
func usualOrAny(open func(port func(usual string) string) error) error {
	err := open(func(usual string) string { return "127.0.0.1:" + usual })
	if errors.Is(err, syscall.EADDRINUSE) {
		err = open(func(string) string { return "127.0.0.1:0" })
	}
	return err
}

// configText is the demo's configuration file, which a person may look at and
// even edit while the demo runs.
func (d *demonstration) configText(port func(usual string) string, keyHash string) string {
	text := fmt.Sprintf(`listen: {api: "%s", web: "%s", admin: "%s"}
store: bolt:hufu.db
master_key_file: hufu.key
audit: {file: audit.jsonl}
wechat:
  api_url: %s
  life: %s
clients:
  - name: demo
    key_sha256: [%s]
    apps: ["*"]
    allow: [token, admin]
    tokens: real
apps:
`, port("8700"), port("8701"), port("8702"), d.wechat.APIURL(), 2*time.Hour/demoSpeed, keyHash)
	for _, a := range demoApps {
		text += fmt.Sprintf("  - {appid: %s, name: %s, secret: %s, source: %s}\n", a.id, a.name, a.secret, a.source)
	}
	return text
}

// logFile is a log beside the demo's other files: the terminal is for the view.
func (d *demonstration) logFile(path string) (*slog.Logger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	log := slog.New(excuser{slog.NewJSONHandler(f, nil), d.sim, nil})
	slog.SetDefault(log)
	return log, nil
}

// run runs everything until ctx ends or a part fails.
func (d *demonstration) run(ctx context.Context, show screen) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	parts := []func(context.Context) error{d.wechat.Serve, d.server.Run}
	ended := make(chan error, len(parts))
	for _, f := range parts {
		go func() {
			err := f(ctx)
			stop() // one without the other is of no use
			ended <- err
		}()
	}
	show.begin(d)
	newWatch(d, show).run(ctx)
	stop()
	var errs []error
	for range parts {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}
