// Package sdktest is what is asked of every SDK in examples/. It runs a whole
// Hufu with a simulated WeChat behind it, on a network in memory, so that hours
// pass in a moment. Try is the trials: six hours across renewals, a hundred calls
// at once on a token that WeChat has ended, a login.
//
// It takes the place of http.DefaultTransport, which is what SDKs use unless
// told otherwise. So they run as they are, and a call that leads anywhere but to
// Hufu finds nobody there.
package sdktest

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/pipenet"
	"github.com/hufu-project/hufu/internal/server"
	"github.com/hufu-project/hufu/wxsim"
)

// Where everything is. The SDKs reach the first two, browsers the others.
const (
	API  = "http://127.0.0.1:8700"
	Web  = "https://auth.example.com"
	Site = "https://shop.example.com/callback" // the program's own

	AppID    = "wx0123456789abcdef"
	Follower = "oFOLLOWER0000000000000000000" // the openid of the app's one follower

	secret = "0123456789abcdef0123456789abcdef"
)

// Hufu is the server, and the WeChat behind it.
type Hufu struct {
	Sim *wxsim.Sim
	Key string // the client key, which stands where the AppSecret stood

	t      *testing.T
	source string
	net    pipenet.Network
	calls  *calls
	issued chan struct{} // has one whenever there is a new token
}

// start starts everything, for an app of this source, and waits until the app's
// first token is there. It ends with the test, which is a bubble.
func start(t *testing.T, source string) *Hufu {
	t.Helper()
	key, hash := access.NewKey()
	h := &Hufu{
		Sim: wxsim.New(wxsim.Options{Quirks: wxsim.NoQuirks}), Key: key.Reveal(),
		t: t, source: source, calls: &calls{}, issued: make(chan struct{}, 1),
	}
	h.must(h.Sim.AddApp(wxsim.App{ID: AppID, Secret: secret, Followers: []string{Follower}, CallbackDomains: []string{"auth.example.com"}}))

	s, err := server.New(h.config(hex.EncodeToString(hash[:])), server.Options{
		Log: slog.New(h.calls), Version: "test", Listen: h.net.Listen, Transport: wechat{h},
	})
	h.must(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()

	before := http.DefaultTransport
	way := &http.Transport{DialContext: h.dial, DialTLSContext: h.dial, MaxIdleConnsPerHost: 100}
	http.DefaultTransport = way
	t.Cleanup(func() {
		http.DefaultTransport = before
		way.CloseIdleConnections()
		stop()
		h.must(<-ended)
	})
	<-h.issued
	time.Sleep(time.Second) // it is written down and handed out
	return h
}

// dial finds Hufu in the network, listen.web at the name that browsers know. TLS
// is left out.
func (h *Hufu) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if "https://"+address == Web+":443" {
		address = "127.0.0.1:8701"
	}
	return h.net.Dial(ctx, network, address)
}

// config is the configuration: one app, one client, all by default.
func (h *Hufu) config(hash string) *config.Config {
	// A place that is never written to a disk, where there is one: files are not
	// what is tested here.
	dir, err := os.MkdirTemp("/dev/shm", "hufu-test-")
	if err != nil {
		dir = h.t.TempDir()
	}
	h.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "hufu.yaml")
	h.must(os.WriteFile(file, fmt.Appendf(nil, `
web_url: %s
store: bolt:hufu.db
master_key_file: hufu.key
audit: {file: audit.jsonl}
apps: [{appid: %s, secret: %s, source: %s}]
clients: [{name: shop, key_sha256: %s, apps: [%[2]s], allow: [token, ticket, call, login], redirect_uris: ["%[6]s"]}]
`, Web, AppID, secret, h.source, hash, Site), 0o600))
	cfg, err := config.Load(file, func(string) (string, bool) { return "", false })
	h.must(err)
	return cfg
}

func (h *Hufu) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}
