package config

import (
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/credential"
)

// A configuration that is made in code is held to the same as one that is read.
func TestAConfigurationMadeInCodeIsChecked(t *testing.T) {
	t.Parallel()
	c := Default[Config]()
	c.Store, c.MasterKeyFile = credential.NewSecret("bolt:/data/hufu.db"), "/etc/hufu.key"
	app := Default[App]()
	app.AppID, app.Secrets = "wx0123456789abcdef", []credential.Secret{credential.NewSecret("0123456789abcdef0123456789abcdef")}
	client := Default[Client]()
	client.Name, client.KeySHA256, client.Tokens = "shop", []KeyHash{{1}}, Real
	client.Apps, client.Allow = []credential.App{AllApps}, Actions{Token}
	c.Apps, c.Clients = []App{app}, []Client{client}
	if err := c.Check(); err != nil || len(c.Warnings) > 0 || c.Apps[0].Name != "wx0123456789abcdef" {
		t.Errorf("%v, warnings %v, the app's name %q", err, c.Warnings, c.Apps[0].Name)
	}

	c.Apps = append(c.Apps, app, App{})
	c.WeChat.APIURL = "http://api.example.com"
	err := c.Check()
	if err == nil {
		t.Fatal("it passes")
	}
	for _, want := range []string{"apps[1].appid", "apps[2].appid: is missing", "apps[2].source: is empty", "wechat.api_url: warning: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
}
