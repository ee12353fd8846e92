package registry

import (
	"testing"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

func TestOneClientIsFoundByItsRedirectURI(t *testing.T) {
	t.Parallel()
	client := func(name string, app credential.App, allow config.Action, uris ...string) config.Client {
		return config.Client{Name: name, Apps: []credential.App{app}, Allow: config.Actions{allow}, RedirectURIs: uris}
	}
	r := New(nil, nil)
	r.Declare(nil, []config.Client{
		client("exact", "wx1", config.Login, "https://a.example/cb"),
		client("below", "wx1", config.Login, "https://b.example/in/*"),
		client("token", "wx1", config.Token, "https://c.example/cb"),
		client("twin1", "wx1", config.Login, "https://d.example/cb"),
		client("twin2", config.AllApps, config.Login, "https://d.example/*"),
		client("http", "wx1", config.Login, "http://e.test:8080/cb"),
		client("other", "wx2", config.Login, "https://a.example/cb"),
	})
	for uri, want := range map[string]string{
		"https://a.example/cb": "exact", "https://b.example/in/": "below", "https://b.example/in/x?y=1": "below",
		"https://a.example/cb?x": "", "https://a.example/cb/": "", "https://b.example/in": "", "https://b.example/inside": "",
		"https://b.example/in/../x": "", "https://b.example/in/%2e%2e/x": "", "https://b.example/in/*": "",
		"https://c.example/cb": "", "https://d.example/cb": "", "https://d.example/x": "twin2",
		"http://e.test:8080/cb": "", "": "",
	} {
		c, ok := r.ClientByRedirect("wx1", uri)
		if ok != (want != "") || ok && c.Name != want {
			t.Errorf("%q: %v, %v, want %q", uri, c, ok, want)
		}
	}
	if c, ok := r.ClientByRedirect("wx2", "https://a.example/cb"); !ok || c.Name != "other" {
		t.Error("another app:", c, ok)
	}
}
