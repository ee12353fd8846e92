package sdktest

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// SDK is a program that uses one.
type SDK struct {
	// Call asks WeChat's API about Follower. Calls with different numbers are made
	// at the same time, up to a hundred.
	Call func(number int) error
	// Authorize makes the address that a browser is sent to, and User exchanges
	// the code that comes back.
	Authorize func(callback, state string) (string, error)
	User      func(code string) (openid string, err error)
	// Passed, if set, is told how much time has passed: for what does not live in
	// the bubble.
	Passed func(time.Duration)
	// Close, if set, ends what the SDK has begun.
	Close func()
}

// Try puts an SDK to the trials. begin makes the program, in each bubble anew.
func Try(t *testing.T, begin func(*testing.T, *Hufu) SDK) {
	for _, source := range []string{"stable", "classic"} {
		try := func(name string, trial func(*Hufu, SDK)) {
			t.Run(name+"/"+source, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := start(t, source)
					sdk := begin(t, h)
					if sdk.Close != nil {
						defer sdk.Close()
					}
					h.do("the first call", func() error { return sdk.Call(0) })
					trial(h, sdk)
					for _, v := range h.Sim.Violations() {
						t.Errorf("WeChat would mind: %+v", v)
					}
				})
			})
		}
		try("six hours", (*Hufu).sixHours)
		try("a hundred calls on a token that WeChat ended", (*Hufu).revoked)
		try("a login", (*Hufu).Login)
	}
}

// sixHours are three lives and more of a token. The program calls every half a
// minute, and every half a second while a new token is on its way through
// WeChat's machines. Every call succeeds, and none is refused on the way, which
// SDKs hide. WeChat issues three tokens or more, never one soon after another.
func (h *Hufu) sixHours(sdk SDK) {
	last := time.Now()
	call := func(when string) {
		h.do(when, func() error {
			if sdk.Passed != nil {
				sdk.Passed(time.Since(last))
			}
			last = time.Now()
			return sdk.Call(0)
		})
	}
	for began := time.Now(); time.Since(began) < 6*time.Hour; {
		select {
		case <-time.After(30 * time.Second):
		case <-h.issued:
			for range 10 {
				call("on a new token")
				time.Sleep(time.Second / 2)
			}
		}
		call("")
	}
	issues := h.issues()
	for i := range len(issues) - 1 {
		if gap := issues[i+1].Sub(issues[i]); gap < time.Hour {
			h.t.Errorf("WeChat issued token %d after %v", i+2, gap)
		}
	}
	if len(issues) < 3 {
		h.t.Errorf("%d tokens were issued, want two renewals", len(issues))
	}
	if all, refused := h.calls.all.Load(), h.calls.refused.Load(); all < 700 || refused > 0 {
		h.t.Errorf("%d of %d calls were refused", refused, all)
	}
}

// revoked is that WeChat ends the app's token, and then a hundred calls come at
// once. All succeed and cost one new token together, although that one comes
// late.
func (h *Hufu) revoked(sdk SDK) {
	time.Sleep(time.Hour)
	before := len(h.issues())
	h.must(h.Sim.Revoke(AppID))
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() { h.do(fmt.Sprintf("call %d", i), func() error { return sdk.Call(i) }) })
	}
	all.Wait()
	if n := len(h.issues()) - before; n != 1 {
		h.t.Errorf("%d tokens were issued, want 1", n)
	}
	if n := h.calls.refused.Load(); n > 0 {
		h.t.Errorf("%d calls were refused on the way", n)
	}
}

// Login is a user who goes where the program sends them and says yes.
func (h *Hufu) Login(sdk SDK) {
	to, err := sdk.Authorize(Site, "aState")
	h.must(err)
	phone := wxsim.Browser{Sim: h.Sim, User: "xiaoming", Transport: browser{}}
	resp, err := phone.Visit(h.t.Context(), to)
	h.must(err)
	defer resp.Body.Close()
	at, query, _ := strings.Cut(resp.Request.URL.String(), "?")
	back, err := url.ParseQuery(query)
	if err != nil || at != Site || back.Get("state") != "aState" {
		text, _ := io.ReadAll(resp.Body)
		h.t.Fatalf("the login ended at %s?%s: %d %.300s", at, query, resp.StatusCode, text)
	}
	openid, err := sdk.User(back.Get("code"))
	if want := wxsim.OpenID(AppID, "xiaoming"); err != nil || openid != want {
		h.t.Errorf("%q logged in, want %q: %v", openid, want, err)
	}
}

// browser is the way of the user's browser; the site shows an empty page.
type browser struct{}

func (browser) RoundTrip(r *http.Request) (*http.Response, error) {
	if "https://"+r.URL.Host+r.URL.Path == Site {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}

// do does what must succeed.
func (h *Hufu) do(what string, f func() error) {
	h.t.Helper()
	if err := f(); err != nil {
		h.t.Errorf("%s %s: %v", time.Now().UTC().Format(time.TimeOnly), what, err)
	}
}

// issues are when WeChat issued a token of the app's.
func (h *Hufu) issues() (at []time.Time) {
	for _, r := range h.Sim.History() {
		if r.Issued && r.Line != "" {
			at = append(at, r.Time)
		}
	}
	return at
}
