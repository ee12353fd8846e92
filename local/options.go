package local

import (
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store/engine"
)

// Options say where a Keeper keeps things and for which apps. They print
// without what is secret in them.
type Options struct {
	// Store is bolt:FILE, a file that one process at a time may open, or the
	// address of a store for several: redis://…, rediss://…, postgres://… or
	// mysql://…, written as for the server (docs/operations.md). Empty is
	// bolt:hufu.db.
	Store string `json:"-"`

	// MasterKeyFile encrypts what is stored. Empty is hufu.key: beside an
	// embedded store, else in the working directory. It is made with an empty
	// embedded store, and never for one that is shared: there all processes need
	// the same file, and Open says how to make it.
	MasterKeyFile string

	// Apps are the apps to keep. Those that a server has added to a shared store
	// at run time are kept, too.
	Apps []App

	// APIURL is where WeChat's API is; empty is https://api.weixin.qq.com.
	APIURL string

	// ProxyURL is an http or https proxy for the calls to WeChat, where one
	// address is on its allow-list. Proxies of the environment are not used.
	ProxyURL string `json:"-"`

	// Life is how long a token lives, as the platform promises; zero is
	// WeChat's two hours. Another life is for a simulator.
	Life time.Duration

	// Log takes what happens, without secrets: renewals, and what a person
	// should see to while a live value is still in hand. Nil is slog.Default.
	Log *slog.Logger `json:"-"`

	transport http.RoundTripper // to WeChat; of tests
}

// App is an app to keep. It prints without its AppSecrets.
type App struct {
	AppID string

	// Secret is the AppSecret. OldSecret is tried after it, for the time in
	// which an AppSecret is being changed; usually empty.
	Secret, OldSecret string `json:"-"`

	// Source is the line that the token comes from: "stable", where all who ask
	// are given the same token, or "classic", where a new one ends the old.
	// Empty is stable. Fallback is "classic" for a stable app that may cross
	// over when the line has run dry; empty is never.
	Source, Fallback string

	// Type is "official_account" or "mini_program"; empty is the first. A mini
	// program has no tickets.
	Type string

	// DailyQuota is how many tokens WeChat issues to the app in a day; zero is
	// 2000.
	DailyQuota int
}

// Format prints the options without the store's address and the proxy's, which
// may hold passwords, for every verb of fmt.
func (o Options) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "options for %d apps", len(o.Apps)) }

// Format prints the appid, for every verb of fmt.
func (a App) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "app %s", a.AppID) }

// config is what the options mean, checked. The one client that it declares is
// the program.
func (o Options) config(key config.KeyHash) (*config.Config, error) {
	c := config.Default[config.Config]()
	if o.Store != "" {
		c.Store = credential.NewSecret(o.Store)
	}
	if file, ok := engine.File(&c); ok {
		c.MasterKeyFile = filepath.Join(filepath.Dir(file), c.MasterKeyFile)
	}
	set(&c.MasterKeyFile, o.MasterKeyFile)
	set(&c.WeChat.APIURL, o.APIURL)
	set(&c.WeChat.Life, o.Life)
	c.WeChat.ProxyURL = credential.NewSecret(o.ProxyURL)

	client := config.Default[config.Client]()
	client.Name, client.KeySHA256, client.Tokens = "local", []config.KeyHash{key}, config.Real
	client.Apps, client.Allow = []credential.App{config.AllApps}, config.Actions{config.Token, config.Ticket}
	c.Clients = []config.Client{client}
	return declare(c, o.Apps)
}

// declare gives the configuration with these apps, checked.
func declare(c config.Config, apps []App) (*config.Config, error) {
	c.Apps = nil
	for _, a := range apps {
		app := config.Default[config.App]()
		app.AppID, app.Fallback = credential.App(a.AppID), a.Fallback
		app.Secrets = []credential.Secret{credential.NewSecret(a.Secret)}
		if a.OldSecret != "" {
			app.Secrets = append(app.Secrets, credential.NewSecret(a.OldSecret))
		}
		set(&app.Source, a.Source)
		set(&app.Type, a.Type)
		set(&app.DailyQuota, a.DailyQuota)
		c.Apps = append(c.Apps, app)
	}
	return &c, c.Check()
}

// set sets what is given over its default.
func set[T comparable](to *T, given T) {
	var none T
	if given != none {
		*to = given
	}
}
