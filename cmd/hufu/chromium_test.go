package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	requests "github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience is how long a step of a browser may take on a busy machine.
const patience = time.Minute

// chromium is one process for all tests of this package, started by the first
// that needs it and ended by TestMain. Each browser in it has its own cookies.
var chromium struct {
	sync.Mutex
	ctx  context.Context
	stop func()
}

// withChromium runs the tests and then ends what they started.
type withChromium struct{ *testing.M }

func (m withChromium) Run() int {
	code := m.M.Run()
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.stop != nil {
		chromium.stop()
	}
	return code
}

// startChromium gives the context of the process.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = cmp.Or(path, p)
		}
	}
	if path == "" {
		missing(t, "a browser: apt-get install chromium")
	}
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.ctx != nil {
		return chromium.ctx
	}
	profile, err := os.MkdirTemp("", "hufu-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		// The back button asks for pages anew, which is the harder case.
		chromedp.Flag("disable-features", "Translate,BackForwardCache"),
	)
	if os.Geteuid() == 0 {
		flags = append(flags, chromedp.NoSandbox) // which root cannot have
	}
	process, stop := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, last := chromedp.NewContext(process)
	end := func() {
		last()
		stop()
		_ = os.RemoveAll(profile)
	}
	if err := chromedp.Do(ctx); err != nil {
		end()
		t.Fatalf("start %s: %v", path, err)
	}
	chromium.ctx, chromium.stop = ctx, end
	return ctx
}

// missing skips a test that cannot run here; in CI it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("this test needs %s", what)
	}
	t.Skipf("this test needs %s", what)
}

// tab is one page of a browser. Its methods end the test when they cannot do
// what they are for.
type tab struct {
	t      *testing.T
	ctx    context.Context
	mu     sync.Mutex
	errors []log.Entry
	sent   []string // the addresses of all requests
	fine   map[network.RequestID]bool
}

// newBrowser opens a browser that has no cookies yet. proxy, if any, is its
// only way out.
func newBrowser(t *testing.T, proxy string) *tab {
	t.Helper()
	return newTab(t, startChromium(t), chromedp.WithNewBrowserContext(func(p *target.CreateBrowserContextParams) {
		p.ProxyServer = proxy
	}))
}

// another is one more tab of the same browser.
func (p *tab) another() *tab { p.t.Helper(); return newTab(p.t, p.ctx) }

func newTab(t *testing.T, parent context.Context, o ...chromedp.ContextOption) *tab {
	t.Helper()
	p := &tab{t: t, fine: map[network.RequestID]bool{}}
	var closed context.CancelFunc
	p.ctx, closed = chromedp.NewContext(parent, append(o, chromedp.WithListener(p.listen))...)
	t.Cleanup(closed)
	if err := chromedp.Do(p.ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return p
}

// listen keeps what the browser's console would show in red.
func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.sent = append(p.sent, e.Request.URL)
		// A page that is shown with a status such as 400 is an error for Chromium
		// and not for us; nor is what the simulated WeChat fetches and throws away.
		p.fine[e.RequestID] = e.Type == network.ResourceTypeDocument || e.Type == network.ResourceTypeFetch
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.errors = append(p.errors, *e.Entry)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			p.errors = append(p.errors, log.Entry{Text: fmt.Sprint("console.error", e.Args)})
		}
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, log.Entry{Text: e.ExceptionDetails.Text, URL: e.ExceptionDetails.URL})
	}
}

// console minds every error since the last time.
func (p *tab) console() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.errors {
		if e.NetworkRequestID == "" || !p.fine[e.NetworkRequestID] {
			p.t.Errorf("the console says %s (%s)", e.Text, e.URL)
		}
	}
	p.errors = nil
}

// do runs steps; what says what they are for.
func (p *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, patience)
	defer stop()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v\n%s", what, err, p.where())
	}
}

// where is what the browser shows, for the report of a failure.
func (p *tab) where() string {
	ctx, stop := context.WithTimeout(p.ctx, 5*time.Second)
	defer stop()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location + "\nbody#" + document.body?.id + "\n" + document.body?.innerText`))
	if err != nil {
		return fmt.Sprint("the browser does not say what it shows: ", err)
	}
	return "the browser shows " + text
}

// get is the value of an expression on the page.
func get[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, patience)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", expression, err, p.where())
	}
	return v
}

// open types an address.
func (p *tab) open(address string) {
	p.t.Helper()
	p.do("open "+address, chromedp.Navigate(address))
}

// at waits until the page shows what the selector finds, such as "body#home".
func (p *tab) at(selector string) {
	p.t.Helper()
	p.do("come to "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
	p.console()
}

// press presses what the selector finds.
func (p *tab) press(selector string) {
	p.t.Helper()
	p.do("press "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// follow presses what leads to another page, or to the same anew, and waits
// until it is there.
func (p *tab) follow(selector string) {
	p.t.Helper()
	p.do("follow "+selector, func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
		_, err = chromedp.WaitEvent(page.LoadEventFired, nil, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))(ctx, t)
		return v, err
	})
}

// back presses the browser's own button.
func (p *tab) back() { p.t.Helper(); p.do("go back", chromedp.NavigateBack()) }

// asked is how many requests went to an address.
func (p *tab) asked(address string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, sent := range p.sent {
		if sent == address {
			n++
		}
	}
	return n
}

// text is what an element shows.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return strings.TrimSpace(get[string](p, fmt.Sprintf("document.querySelector(%q).innerText", selector)))
}

func (p *tab) url() string { p.t.Helper(); return get[string](p, "location.href") }

// held is a request of the browser that has not gone out yet.
type held struct {
	p   *tab
	url string
	id  requests.RequestID
}

// hold keeps the first request back that goes to such an address and that
// press leads to. A * stands for any characters.
func (p *tab) hold(pattern string, press func()) held {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, patience)
	defer stop()
	paused := chromedp.Events(ctx, requests.RequestPaused)
	_, err := chromedp.Call(ctx, requests.Enable, requests.EnableParams{Patterns: []*requests.RequestPattern{{URLPattern: pattern}}})
	if err != nil {
		p.t.Fatal(err)
	}
	press()
	for e, err := range paused {
		if err != nil {
			p.t.Fatalf("nothing goes to %s: %v\n%s", pattern, err, p.where())
		}
		return held{p, e.Request.URL, e.RequestID}
	}
	panic("not reached")
}

// let lets it go.
func (h held) let() {
	h.p.t.Helper()
	_, err := chromedp.Call(h.p.ctx, requests.ContinueRequest, requests.ContinueRequestParams{RequestID: h.id})
	if err == nil {
		_, err = chromedp.Call(h.p.ctx, requests.Disable, cdp.Empty{})
	}
	if err != nil {
		h.p.t.Fatal(err)
	}
}
