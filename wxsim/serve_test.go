package wxsim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestListensWhereNoStrangerIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		addr    string
		private bool
		ok      bool
	}{
		{"127.0.0.1:0", false, true},
		{"localhost:0", false, true},
		{"[::1]:0", false, true},
		{"0.0.0.0:0", false, false},
		{":0", false, false},
		{"0.0.0.0:0", true, false},
		{"10.0.0.1:0", false, false},
		{"10.0.0.1:0", true, true},
		{"203.0.113.9:0", true, false},
		{"example.com:0", true, false},
		{"127.0.0.1", false, false},
	} {
		err := New(Options{AllowNonLoopback: c.private}).nearby(c.addr)
		if (err == nil) != c.ok {
			t.Errorf("%s, private %v: got %v", c.addr, c.private, err)
		}
		if err != nil && c.addr != "127.0.0.1" && !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("%s: no hint in %v", c.addr, err)
		}
	}
	if err := New(Options{}).Serve(t.Context(), "127.0.0.1:0", "0.0.0.0:0"); err == nil {
		t.Error("the management interface listened everywhere")
	}
}

func TestServeAnswersUntilToldToEnd(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	srv := listenLow(t, k)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	get := func(url string) error {
		resp, err := client.Get(url)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	must(t, get(srv.APIURL()+classicURL(appID, secret)))
	must(t, get(srv.ManageURL()+"/apps"))

	k.Fail(Fault{Mode: Outage})
	refused := func() bool { return errors.Is(get(srv.APIURL()+"/"), syscall.ECONNREFUSED) }
	until(t, "the outage closes the port", refused)
	must(t, get(srv.ManageURL()+"/apps"))
	k.ClearFaults()
	until(t, "the port opens again", func() bool { return get(srv.APIURL()+"/") == nil })

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("got %v", err)
	}
	if !refused() {
		t.Error("the port is still open")
	}
	k.wantRules("a base URL of our own is no foreign host")
}

// listenLow listens below the ports that the system gives to clients: while
// the port is closed, a client of this test, or of another, could be given it
// as its own, and even connect to itself.
func listenLow(t *testing.T, k *kit) *Server {
	t.Helper()
	for range 100 {
		srv, err := k.Listen(fmt.Sprint("127.0.0.1:", 20000+rand.IntN(10000)), "127.0.0.1:0")
		if err == nil {
			return srv
		}
	}
	t.Fatal("no port is free")
	return nil
}

// until waits for what another goroutine does without telling anybody.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); {
		if time.Since(begin) > 5*time.Second {
			t.Fatalf("%s: not within 5 s", what)
		}
	}
}
