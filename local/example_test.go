package local_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/local"
	"github.com/hufu-project/hufu/wxsim"
)

// place is a simulated WeChat, and a working directory, for an example.
type place struct {
	sim    *wxsim.Sim
	wechat string
	end    func()
}

func run() *place {
	sim := wxsim.New(wxsim.Options{Quirks: wxsim.NoQuirks})
	check(sim.AddApp(wxsim.App{ID: "wx0123456789abcdef", Secret: "0123456789abcdef0123456789abcdef"}))
	platform := httptest.NewServer(sim)
	before, err := os.Getwd()
	check(err)
	dir, err := os.MkdirTemp("", "hufu-example-")
	check(err)
	check(os.Chdir(dir)) // examples run one after the other
	return &place{sim, platform.URL, func() {
		platform.Close()
		check(os.Chdir(before))
		check(os.RemoveAll(dir))
	}}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// options are what a program would write, and the simulator in WeChat's place.
func (p *place) options() local.Options {
	return local.Options{
		Store:  "bolt:hufu.db",
		Apps:   []local.App{{AppID: "wx0123456789abcdef", Secret: "0123456789abcdef0123456789abcdef"}},
		APIURL: p.wechat,
		Log:    slog.New(slog.DiscardHandler),
	}
}

func Example() {
	simulated := run()
	defer simulated.end()
	os.Setenv("SHOP_SECRET", "0123456789abcdef0123456789abcdef")
	ctx := context.Background()

	options := local.Options{
		Store: "bolt:hufu.db", // or redis://…, rediss://…, postgres://…, mysql://…
		Apps:  []local.App{{AppID: "wx0123456789abcdef", Secret: os.Getenv("SHOP_SECRET")}},
	}
	options.APIURL = simulated.wechat // in place of https://api.weixin.qq.com
	options.Log = slog.New(slog.DiscardHandler)
	keeper, err := local.Open(ctx, options)
	if err != nil {
		panic(err)
	}
	defer keeper.Close()

	token, err := keeper.Token(ctx, "wx0123456789abcdef")
	fmt.Println(simulated.sim.Valid("wx0123456789abcdef", token), err)
	// Output: true <nil>
}

// What takes a *hufu.Client need not know whether there is a server.
func ExampleKeeper() {
	simulated := run()
	defer simulated.end()
	keeper, err := local.Open(context.Background(), simulated.options())
	check(err)
	defer keeper.Close()

	greet := func(client *hufu.Client) {
		wechat := &http.Client{Transport: client.Transport("wx0123456789abcdef", nil)}
		resp, err := wechat.Get(simulated.wechat + "/cgi-bin/get_api_domain_ip") // https://api.weixin.qq.com/…
		check(err)
		resp.Body.Close()
		fmt.Println(resp.Status)
	}
	greet(keeper.Client)
	check(simulated.sim.Revoke("wx0123456789abcdef")) // healed before anybody notices
	greet(keeper.Client)

	source := keeper.Source("wx0123456789abcdef") // for an SDK
	token, err := source.Token()
	fmt.Println(simulated.sim.Valid("wx0123456789abcdef", token), err)

	ticket, err := keeper.Ticket(context.Background(), "wx0123456789abcdef", hufu.JSAPITicket)
	fmt.Println(len(ticket) > 0, err)
	page, err := keeper.Sign(context.Background(), "wx0123456789abcdef", "https://shop.example.com/?id=7")
	fmt.Println(len(page.Signature), err)
	// Output:
	// 200 OK
	// 200 OK
	// true <nil>
	// true <nil>
	// 40 <nil>
}

func ExampleOpen() {
	simulated := run()
	defer simulated.end()
	options := simulated.options()
	keeper, err := local.Open(context.Background(), options)
	check(err)
	defer keeper.Close()

	// A file is for one process at a time, and for one Keeper.
	_, err = local.Open(context.Background(), options)
	if e, ok := errors.AsType[*hufu.Error](err); ok {
		fmt.Println(e.Hint)
	}
	// Output: one process at a time opens a file; several share a redis://, postgres:// or mysql:// store, or ask a server
}

func ExampleKeeper_Declare() {
	simulated := run()
	defer simulated.end()
	keeper, err := local.Open(context.Background(), simulated.options())
	check(err)
	defer keeper.Close()

	// Another app, while the program runs.
	check(simulated.sim.AddApp(wxsim.App{ID: "wxfedcba9876543210", Secret: "fedcba9876543210fedcba9876543210"}))
	err = keeper.Declare(
		local.App{AppID: "wx0123456789abcdef", Secret: "0123456789abcdef0123456789abcdef"},
		local.App{AppID: "wxfedcba9876543210", Secret: "fedcba9876543210fedcba9876543210", Type: "mini_program"},
	)
	check(err)
	token, err := keeper.Token(context.Background(), "wxfedcba9876543210")
	fmt.Println(simulated.sim.Valid("wxfedcba9876543210", token), err)
	// Output: true <nil>
}
