package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/server"
	"github.com/hufu-project/hufu/wxsim"
)

// The hosts of a stand. Browsers reach them through its proxy, and nothing
// else in the world.
const (
	authHost  = "auth.test"
	openHost  = "open.test"
	siteHost  = "site.test:8080"
	standApp  = "wx0123456789abcdef"
	standSite = "wxaaaaaaaaaaaaaaaa" // a website's
)

// stand is a server with a WeChat and a site, under names of their own.
type stand struct {
	sim   *wxsim.Sim
	proxy string // for browsers
}

// newStand opens one. open is where WeChat's pages are, "" for the simulator.
func newStand(t *testing.T, quirks wxsim.Quirk, open string) *stand {
	t.Helper()
	s := &stand{sim: wxsim.New(wxsim.Options{Quirks: quirks, Hosts: []string{openHost}, Seed: 1})}
	const secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	for _, a := range []wxsim.App{{ID: standApp}, {ID: standSite, Type: wxsim.Website, Denial: wxsim.DenialSilent}} {
		a.Secret, a.CallbackDomains = secret, []string{authHost}
		if err := s.sim.AddApp(a); err != nil {
			t.Fatal(err)
		}
	}
	wechat := httptest.NewServer(s.sim)
	t.Cleanup(wechat.Close)
	if open == "" {
		open = "http://" + openHost
	}
	_, hash := access.NewKey()
	_, other := access.NewKey()
	file := filepath.Join(t.TempDir(), "hufu.yaml")
	err := os.WriteFile(file, fmt.Appendf(nil, `
listen: {api: "127.0.0.1:0", web: "127.0.0.1:0", admin: "127.0.0.1:0"}
store: bolt:hufu.db
master_key_file: hufu.key
audit: {file: audit.jsonl}
web_url: http://%s
wechat: {api_url: %q, open_url: %q}
apps:
  - {appid: %s, secret: %[5]s}
  - {appid: %[6]s, secret: %[5]s, type: website}
clients:
  - {name: site, key_sha256: [%[7]s], apps: ["*"], allow: [login], dev: true, home_url: "http://%[9]s/", redirect_uris: ["http://%[9]s/callback"]}
  - {name: careful, key_sha256: [%[8]s], apps: ["*"], allow: [login], dev: true, home_url: "http://%[9]s/", redirect_uris: ["http://%[9]s/careful"], snapshot: refuse}
`, authHost, wechat.URL, open, standApp, secret, standSite, hex.EncodeToString(hash[:]), hex.EncodeToString(other[:]), siteHost), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	hufu, err := server.New(cfg, server.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: version})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- hufu.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	web, err := url.Parse(hufu.URL("web"))
	if err != nil {
		t.Fatal(err)
	}
	way := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(web); r.Out.Host = r.In.Host }}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Host {
		case authHost:
			way.ServeHTTP(w, r)
		case openHost:
			s.sim.ServeHTTP(w, r)
		case siteHost:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><body id="site"><h1>Site</h1>`)
		default:
			http.Error(w, "no such host", http.StatusBadGateway)
		}
	}))
	t.Cleanup(proxy.Close)
	s.proxy = proxy.URL
	return s
}

// login is the address by which the site sends a browser to Hufu.
func (s *stand) login(app, path, scope string) string {
	way := "/connect/oauth2/authorize"
	if scope == "snsapi_login" {
		way = "/connect/qrconnect"
	}
	return "http://" + authHost + way + "?appid=" + app + "&redirect_uri=" + url.QueryEscape("http://"+siteHost+path) +
		"&response_type=code&scope=" + scope + "&state=S#wechat_redirect"
}
