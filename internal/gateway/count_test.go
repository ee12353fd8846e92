package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/wxsim"
)

func TestCallsAreCountedByClientAndPattern(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{life: short})
	for i := range 5 {
		w.ask("GET", userGet, "one", "")
		w.ask("GET", fmt.Sprintf("/cgi-bin/unheard/of%d", i), "one", "")
		w.ask("GET", fmt.Sprintf("/unheard/of%d", i), "one", "")
		w.ask("GET", fmt.Sprintf("/unheard/of%d", i), "wide", "")
	}
	w.ask("POST", sendPath, "narrow", message)
	w.ask("POST", sendPath, "narrow", `{"touser":""}`)
	w.sim.Fail(wxsim.Fault{Path: sendPath, Mode: wxsim.Errcode, Errcode: 45009, Count: 1})
	w.ask("POST", sendPath, "narrow", message)
	w.sim.Fail(wxsim.Fault{Path: sendPath, Mode: wxsim.Reset, Count: 1})
	w.ask("POST", sendPath, "narrow", message)
	must(t, w.sim.Expire(shop))
	w.ask("POST", sendPath, "narrow", message)

	got := map[Route]Count{}
	for _, c := range w.gateway.Counts().Routes {
		got[c.Route] = c
	}
	for route, n := range map[Route]uint64{
		{"one", "/cgi-bin/user/*"}: 5, {"one", "/cgi-bin/*"}: 5, {"wide", "/*"}: 5, {"narrow", sendPath}: 4,
	} {
		if got[route].Results["passed"] != n {
			t.Errorf("%v: %v, want %d passed", route, got[route].Results, n)
		}
	}
	if c := got[Route{"one", ""}]; c.Results["refused"] != 5 || c.Errcodes[48001] != 5 || len(got) != 5 {
		t.Errorf("%v of %v", c, got)
	}
	c := got[Route{"narrow", sendPath}]
	if c.Errcodes[45009] != 1 || c.Errcodes[40003] != 1 || c.Results["failed"] != 1 || c.Heals != 1 || c.Total <= 0 {
		t.Errorf("%+v", c)
	}
	if n := w.gateway.Counts().Apps[shop]; n != 25 {
		t.Errorf("%d calls for the app", n)
	}

	lines := strings.Split(w.log.String(), "\n")
	var calls []string
	for _, l := range lines {
		if strings.Contains(l, "msg=call ") {
			calls = append(calls, l)
		}
	}
	if len(calls) != 25 {
		t.Errorf("%d lines in the log for 25 calls", len(calls))
	}
	last := calls[len(calls)-1]
	for _, want := range []string{"request=", "client=narrow", "app=" + shop, "path=" + sendPath, "result=passed", "errcode=0", "heals=1", "took="} {
		if !strings.Contains(last, want) {
			t.Errorf("%s is not in %s", want, last)
		}
	}
}

func TestAppsAreCountedUpToABound(t *testing.T) {
	t.Parallel()
	g := &Gateway{counts: newCounts()}
	c := &call{Gateway: g, result: passed}
	c.caller.Client = &registry.Client{}
	for i := range 3 * maxApps {
		c.app = credential.App(fmt.Sprint("wx", i))
		for j := range 10 {
			c.errcode = 90_000_000 + i*10 + j
			g.counts.add(c, time.Millisecond)
		}
	}
	all := g.Counts()
	if len(all.Apps) != maxApps+1 || all.Apps[""] != 2*maxApps*10 || all.Apps["wx0"] != 10 {
		t.Errorf("%d apps, %d calls under no name", len(all.Apps), all.Apps[""])
	}
	c.app, c.errcode = shop, 0
	for i := range 3 * maxRoutes {
		c.caller.Client = &registry.Client{Client: config.Client{Name: fmt.Sprint(i)}}
		g.counts.add(c, time.Millisecond)
	}
	if n := len(g.Counts().Routes); n > maxRoutes+1 {
		t.Errorf("%d routes", n)
	}
	if len(all.Routes) != 1 || len(all.Routes[0].Errcodes) != maxCodes+1 {
		t.Errorf("%v", all.Routes)
	}
}
