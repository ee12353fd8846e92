package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
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

// demoQuirks are WeChat's, and that this machine may be a callback domain, which
// WeChat would not have.
const demoQuirks = wxsim.DefaultQuirks | wxsim.CallbackPorts

// The apps of the demo: one per source, so that both ways of renewal are seen.
// The classic one is renewed after about 90 seconds, the stable one after 115.
var demoApps = []struct{ id, secret, name, source string }{
	{"wxc1a551c000000001", "c1a551c0c1a551c0c1a551c0c1a551c0", "classic shop", config.Classic},
	{"wx57ab1e0000000002", "57ab1e0057ab1e0057ab1e0057ab1e00", "stable shop", config.Stable},
}

// demo runs the simulator, a server, a shop whose visitors log in, and a small
// program that calls WeChat, in one process, and shows what happens.
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
		d, err := p.stage(dir, demoQuirks)
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
	shop   *storefront
	remote *remote
	file   string // the configuration
	key    string // of the client of examples/
}

// stage puts the demo's things into a folder and opens its ports: the usual
// ones, or any where they are taken.
func (p *program) stage(dir string, quirks wxsim.Quirk) (*demonstration, error) {
	d := &demonstration{program: p, sim: wxsim.New(wxsim.Options{Speed: demoSpeed, Quirks: quirks}), file: filepath.Join(dir, "hufu.yaml")}
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
	if d.shop, err = openStorefront(); err != nil {
		return nil, failed(err.Error(), "")
	}
	key, hash := access.NewKey()
	shopKey, shopHash := access.NewKey()
	exampleKey, exampleHash := access.NewKey()
	d.key = exampleKey.Reveal()
	err = usualOrAny(func(port func(usual string) string) error {
		text := d.configText(port("8700"), port("8701"), port("8702"), hex.EncodeToString(hash[:]), hex.EncodeToString(shopHash[:]), hex.EncodeToString(exampleHash[:]))
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
	callbackDomain := strings.TrimPrefix(d.server.URL("web"), "http://")
	for _, a := range demoApps {
		if err := d.sim.AddApp(wxsim.App{ID: a.id, Secret: a.secret, Followers: []string{sampleUser}, CallbackDomains: []string{callbackDomain}, JSDomains: []string{"localhost"}}); err != nil {
			return nil, err
		}
	}
	d.shop.open(d.server, shopKey.Reveal(), d.wechat.ManageURL())
	d.remote = p.remoteAt(d.server.URL("api"), key.Reveal())
	return d, nil
}

// usualOrAny opens something on its usual ports of loopback, or on free ones
// where one of them is taken. A free port is looked for before it is opened, as
// it must stand in the configuration; somebody may be faster, so it tries again.
func usualOrAny(open func(port func(usual string) string) error) error {
	err := open(func(usual string) string { return "127.0.0.1:" + usual })
	for range 20 {
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		err = open(freeAddresses())
	}
	return err
}

// freeAddresses gives addresses of loopback that nobody listens on at the
// moment, each once.
func freeAddresses() func(string) string {
	given := map[string]bool{}
	return func(string) string {
		for {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return "127.0.0.1:0" // whoever opens it learns what is wrong
			}
			_ = l.Close()
			if address := l.Addr().String(); !given[address] {
				given[address] = true
				return address
			}
		}
	}
}

// configText is the demo's configuration file, which a person may look at and
// even edit while the demo runs.
func (d *demonstration) configText(api, web, admin, keyHash, shopHash, exampleHash string) string {
	text := fmt.Sprintf(`listen: {api: "%s", web: "%s", admin: "%s"}
web_url: http://%[2]s
store: bolt:hufu.db
master_key_file: hufu.key
audit: {file: audit.jsonl}
wechat:
  api_url: %[4]s
  open_url: %[4]s
  life: %[5]s
clients:
  - name: demo
    key_sha256: [%[6]s]
    apps: ["*"]
    allow: [token, ticket, call, admin]
    tokens: real
  - name: shop
    key_sha256: [%[7]s]
    apps: [%[8]s]
    allow: [token, ticket, call, login]
    redirect_uris: ["%[9]s/callback"]
    js_hosts: [localhost]
    home_url: %[9]s/
    dev: true # it is http, on this machine
  - name: examples
    key_sha256: [%[10]s]
    apps: ["*"]
    allow: [token, ticket, call, login]
    redirect_uris: ["http://localhost:8704/callback"]
    dev: true
apps:
`, api, web, admin, d.wechat.APIURL(), 2*time.Hour/demoSpeed, keyHash, shopHash, demoApps[0].id, d.shop.url, exampleHash)
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

// parts are what runs as long as the demo does.
func (d *demonstration) parts() []func(context.Context) error {
	return []func(context.Context) error{d.wechat.Serve, d.server.Run, d.shop.serve}
}

// run runs everything until ctx ends or a part fails.
func (d *demonstration) run(ctx context.Context, show screen) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	parts := d.parts()
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
