package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
)

func TestCallsUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{config: config.Gateway{MaxBody: 1 << 20, Timeout: 10 * time.Second, Concurrency: 3}})
	const path = "/cgi-bin/media/get"
	arrived, release := make(chan bool), make(chan bool)
	w.instead(path, func(http.ResponseWriter, *http.Request) {
		arrived <- true
		<-release
	})
	answers := make(chan reply)
	begin := func(client string) {
		go func() { answers <- w.ask("GET", path, client, "") }()
		<-arrived
	}
	begin("limited")
	begin("limited")
	if a := w.ask("GET", path, "limited", ""); a.code() != 45011 || !strings.Contains(a.body, "limits") {
		t.Errorf("above the client's bound: %d %s", a.status, a.body)
	}
	begin("one")
	if a := w.ask("GET", path, "one", ""); a.code() != -1 || !strings.Contains(a.body, "gateway.concurrency") {
		t.Errorf("above the node's bound: %d %s", a.status, a.body)
	}
	for range 3 {
		release <- true
		if a := <-answers; a.status != 200 {
			t.Errorf("%d %s %v", a.status, a.body, a.err)
		}
	}
	if a := w.ask("GET", userGet, "limited", ""); a.code() != 0 {
		t.Errorf("afterwards: %s", a.body)
	}
	if n := w.gateway.Counts().Now; n != 0 {
		t.Errorf("%d calls are under way", n)
	}
}

func TestCallsInASecondAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	codes := map[int]int{}
	for range 5 {
		codes[w.ask("GET", userGet, "slow", "").code()]++
	}
	if codes[0] < 3 || codes[45011] == 0 {
		t.Errorf("%v", codes)
	}
}
