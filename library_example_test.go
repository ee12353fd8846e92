package hufu_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/hufutest"
	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	node "github.com/hufu-project/hufu/internal/server"
	"github.com/hufu-project/hufu/wxsim"
)

// running is a Hufu for an example, beside a simulated WeChat, and what an
// operator gives to a program.
type running struct {
	sim         *wxsim.Sim
	wechat, url string
	key         string
	end         func()
}

// run starts the server itself, in this process.
func run() *running {
	sim := wxsim.New(wxsim.Options{Quirks: wxsim.NoQuirks})
	check(sim.AddApp(wxsim.App{ID: appID, Secret: appSecret}))
	platform := httptest.NewServer(sim)
	dir, err := os.MkdirTemp("", "hufu-example-")
	check(err)
	key, sum := access.NewKey()
	file := filepath.Join(dir, "hufu.yaml")
	check(os.WriteFile(file, fmt.Appendf(nil, `
store: bolt:hufu.db
master_key_file: hufu.key
listen: {api: "127.0.0.1:0", web: "127.0.0.1:0", admin: "127.0.0.1:0"}
wechat: {api_url: %q}
audit: {file: audit.jsonl}
apps: [{appid: %s, secret: %s}]
clients: [{name: shop, key_sha256: %s, apps: ["*"], allow: [token, ticket], tokens: real}]
`, platform.URL, appID, appSecret, hex.EncodeToString(sum[:])), 0o600))
	cfg, err := config.Load(file, os.LookupEnv)
	check(err)
	s, err := node.New(cfg, node.Options{Log: slog.New(slog.DiscardHandler), Version: "example"})
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return &running{sim, platform.URL, s.URL("api"), key.Reveal(), func() {
		cancel()
		check(<-ended)
		platform.Close()
		check(os.RemoveAll(dir))
	}}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func Example() {
	hufuServer := run() // a server and a simulated WeChat
	defer hufuServer.end()
	os.Setenv("HUFU_URL", hufuServer.url)
	os.Setenv("HUFU_KEY", hufuServer.key)

	client, err := hufu.FromEnv()
	if err != nil {
		panic(err)
	}
	defer client.Close()

	token, err := client.Token(context.Background(), "wx0123456789abcdef")
	fmt.Println(hufuServer.sim.Valid("wx0123456789abcdef", token), err)
	// Output: true <nil>
}

func ExampleNew() {
	hufuServer := run()
	defer hufuServer.end()
	client, err := hufu.New(hufuServer.url, hufuServer.key) // http://127.0.0.1:8700, hufu_…
	if err != nil {
		panic(err)
	}
	defer client.Close()

	token, err := client.Token(context.Background(), "wx0123456789abcdef")
	fmt.Println(hufuServer.sim.Valid("wx0123456789abcdef", token), err)

	_, err = hufu.New("127.0.0.1:8700", hufuServer.key)
	fmt.Println(err)
	// Output:
	// true <nil>
	// hufu: the server's address is not a URL such as http://127.0.0.1:8700
}

func ExampleClient_Transport() {
	hufuServer := run()
	defer hufuServer.end()
	client, err := hufu.New(hufuServer.url, hufuServer.key)
	if err != nil {
		panic(err)
	}
	defer client.Close()

	wechat := &http.Client{Transport: client.Transport("wx0123456789abcdef", nil)}
	for i := range 2 {
		if i == 1 {
			check(hufuServer.sim.Revoke("wx0123456789abcdef")) // the token is dead; who calls does not notice
		}
		resp, err := wechat.Get(hufuServer.wechat + "/cgi-bin/get_api_domain_ip") // https://api.weixin.qq.com/…
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Printf("%.10s\n", body)
	}
	fmt.Println("issued:", hufuServer.sim.Issues("wx0123456789abcdef"))
	// Output:
	// {"ip_list"
	// {"ip_list"
	// issued: 2
}

func ExampleClient_Report() {
	hufuServer := run()
	defer hufuServer.end()
	client, err := hufu.New(hufuServer.url, hufuServer.key)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	ctx := context.Background()

	token, err := client.Token(ctx, "wx0123456789abcdef")
	check(err)
	check(hufuServer.sim.Revoke("wx0123456789abcdef"))

	// WeChat has answered 40001 to a call with the token.
	next, err := client.Report(ctx, "wx0123456789abcdef", token, 40001)
	fmt.Println(next != token, hufuServer.sim.Valid("wx0123456789abcdef", next), err)
	// Output: true true <nil>
}

// The interfaces of two SDKs, as they stand there.
type (
	// AccessTokenContextHandle is that of github.com/silenceper/wechat/v2/credential.
	AccessTokenContextHandle interface {
		GetAccessToken() (accessToken string, err error)
		GetAccessTokenContext(ctx context.Context) (accessToken string, err error)
	}
	// AccessTokenServer is that of github.com/chanxuehong/wechat/mp/core.
	AccessTokenServer interface {
		Token() (token string, err error)
		RefreshToken(currentToken string) (token string, err error)
		IID01332E16DF5011E5A9D5A4DB30FED8E1()
	}
)

func ExampleClient_Source() {
	hufuServer := run()
	defer hufuServer.end()
	client, err := hufu.New(hufuServer.url, hufuServer.key)
	if err != nil {
		panic(err)
	}
	defer client.Close()

	source := client.Source("wx0123456789abcdef")
	var silenceper AccessTokenContextHandle = source // officialAccount.SetAccessTokenHandle(source)
	var chanxuehong AccessTokenServer = source       // core.NewClient(source, nil)

	one, err := silenceper.GetAccessToken()
	check(err)
	two, err := chanxuehong.Token()
	check(err)
	fmt.Println(one == two, hufuServer.sim.Valid("wx0123456789abcdef", one))
	// Output: true true
}

// OAuth2Token is as golang.org/x/oauth2.Token.
type OAuth2Token struct {
	AccessToken string
	Expiry      time.Time
}

func ExampleTokenSourceOf() {
	hufuServer := run()
	defer hufuServer.end()
	client, err := hufu.New(hufuServer.url, hufuServer.key)
	if err != nil {
		panic(err)
	}
	defer client.Close()

	// oauth2.TokenSource, if it is *oauth2.Token.
	var source interface{ Token() (*OAuth2Token, error) } = hufu.TokenSourceOf(client.Source("wx0123456789abcdef"),
		func(c hufu.Credential) *OAuth2Token { return &OAuth2Token{AccessToken: c.Value} })

	token, err := source.Token()
	fmt.Println(hufuServer.sim.Valid("wx0123456789abcdef", token.AccessToken), err)
	// Output: true <nil>
}

func ExampleClient_Get() {
	hufuServer := run()
	defer hufuServer.end()
	client, err := hufu.New(hufuServer.url, hufuServer.key)
	if err != nil {
		panic(err)
	}
	defer client.Close()

	token, err := client.Get(context.Background(), "wx0123456789abcdef", hufu.AccessToken)
	check(err)
	fmt.Println(token.Generation, token.ExpiresAt.Sub(token.IssuedAt) > time.Hour)

	_, err = client.Get(context.Background(), "wx0000000000000000", hufu.AccessToken)
	fmt.Println(errors.Is(err, hufu.ErrNotFound))
	if e, ok := errors.AsType[*hufu.Error](err); ok {
		fmt.Println(e.Code, e.Status)
	}
	// Output:
	// 1 true
	// true
	// not_found 404
}

func ExampleWithFile() {
	hufuServer := run()
	dir, err := os.MkdirTemp("", "hufu-example-")
	check(err)
	defer os.RemoveAll(dir)
	kept := hufu.WithFile(filepath.Join(dir, "shop.hufu"))
	client, err := hufu.New(hufuServer.url, hufuServer.key, kept)
	check(err)
	token, err := client.Token(context.Background(), "wx0123456789abcdef")
	check(err)
	check(client.Close())

	hufuServer.end() // and while the server is away, the program starts anew
	client, err = hufu.New(hufuServer.url, hufuServer.key, kept)
	check(err)
	defer client.Close()
	again, err := client.Token(context.Background(), "wx0123456789abcdef")
	fmt.Println(again == token, err)
	// Output: true <nil>
}

func ExampleClient_Ticket() {
	hufuServer := run()
	defer hufuServer.end()
	client, err := hufu.New(hufuServer.url, hufuServer.key)
	if err != nil {
		panic(err)
	}
	defer client.Close()

	ticket, err := client.Ticket(context.Background(), "wx0123456789abcdef", hufu.JSAPITicket)
	fmt.Println(len(ticket) > 0, err)
	// Output: true <nil>
}

func ExampleClient_Sign() {
	hufuServer := run()
	defer hufuServer.end()
	client, err := hufu.New(hufuServer.url, hufuServer.key)
	if err != nil {
		panic(err)
	}
	defer client.Close()

	// For wx.config of the page.
	config, err := client.Sign(context.Background(), "wx0123456789abcdef", "https://shop.example.com/?id=7")
	fmt.Println(config.AppID, len(config.NonceStr) > 0, len(config.Signature), err)

	_, err = client.Sign(context.Background(), "wx0123456789abcdef", "shop")
	if e, ok := errors.AsType[*hufu.Error](err); ok {
		fmt.Println(e.Code)
	}
	// Output:
	// wx0123456789abcdef true 40 <nil>
	// bad_request
}

func ExampleWithTransport() {
	server := hufutest.NewServer(map[string]string{"wx0123456789abcdef": "a token"})
	defer server.Close()
	transport := http.DefaultTransport.(*http.Transport).Clone() // with TLSClientConfig, Proxy …
	defer transport.CloseIdleConnections()
	client, err := hufu.New(server.URL, server.Key, hufu.WithTransport(transport))
	if err != nil {
		panic(err)
	}
	defer client.Close()

	fmt.Println(client.Token(context.Background(), "wx0123456789abcdef"))
	// Output: a token <nil>
}
