package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// kept is a connection that a client keeps. Unlike net/http's client it
// forgives nothing.
type kept struct {
	net.Conn
	in *bufio.Reader
}

func (n *node) dial(site string) (*kept, error) {
	c, err := net.Dial("tcp", strings.TrimPrefix(n.URL(site), "http://"))
	if err != nil {
		return nil, err
	}
	return &kept{c, bufio.NewReader(c)}, nil
}

// ask sends one request and reads the answer whole.
func (k *kept) ask(key, path string) (*http.Response, error) {
	if _, err := fmt.Fprintf(k, "GET %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n\r\n", path, key); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(k.in, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp, err
}

// TestKeptConnectionsAreNotCutUnderARequest: clients that do as they are told
// by Connection: close see no error when a node stops.
func TestKeptConnectionsAreNotCutUnderARequest(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	n.get("api", tokenPath)
	var clients sync.WaitGroup
	var asked atomic.Int64
	for i := range 20 {
		site, path := "api", tokenPath
		if i >= 18 {
			site, path = "admin", "/healthz"
		}
		c, err := n.dial(site)
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			defer c.Close()
			pause := time.NewTicker(5 * time.Millisecond)
			defer pause.Stop()
			for range pause.C {
				resp, err := c.ask(n.key, path)
				asked.Add(1)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("%s: %v, %v", path, resp, err)
					return
				}
				if resp.Close {
					return
				}
			}
		})
	}
	n.until("under load", func() bool { return asked.Load() > 200 })
	if err := n.stop(); err != nil {
		t.Error(err)
	}
	clients.Wait()
}

func TestReleasedWaitersAreToldThatTheirConnectionCloses(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	n.get("api", tokenPath)
	c, err := n.dial("api")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := c.ask(n.key, tokenPath+"?after=1&wait=60s")
		if err != nil {
			t.Error(err)
		}
		answered <- resp
	}()
	n.until("waiting", func() bool {
		_, body := n.get("admin", "/metrics")
		return strings.Contains(body, `hufu_reads_total{app="`+shop+`",kind="access_token"} 2`)
	})
	if err := n.stop(); err != nil {
		t.Error(err)
	}
	if resp := <-answered; resp != nil && (resp.StatusCode != http.StatusNotModified || !resp.Close) {
		t.Errorf("%d, closes: %v", resp.StatusCode, resp.Close)
	}
}

func TestTheRootOfAdminSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	status, body := n.get("admin", "/")
	if status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
	wants(t, body, "/healthz", "/readyz", "/metrics", `"code":"not_found"`)
}
