//go:build unix

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answer is what a node said; status 0: nobody answered.
type answer struct {
	status     int
	header     http.Header
	body       []byte
	Value      string `json:"value"`
	Generation uint64 `json:"generation"`
	MaxAge     int    `json:"max_age"`
}

var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	Timeout:       15 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (n *node) ask(method, site, path, key string, header http.Header, body string) (a answer) {
	base := n.url(site)
	if base == "" {
		return a
	}
	req, err := http.NewRequestWithContext(context.Background(), method, base+path, strings.NewReader(body))
	if err != nil {
		n.t.Error(err)
		return a
	}
	if header != nil {
		req.Header = header
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return a
	}
	defer resp.Body.Close()
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return a
	}
	a.status, a.header = resp.StatusCode, resp.Header
	if resp.StatusCode == http.StatusOK {
		_ = json.Unmarshal(a.body, &a)
	}
	return a
}

func (n *node) get(site, path string, header http.Header) answer {
	key := ""
	if site == "api" {
		key = n.keys["reader"]
	}
	return n.ask("GET", site, path, key, header, "")
}

// token is what a reader is given.
func (n *node) token() answer { return n.get("api", n.path(), nil) }

// report says that a value does not work.
func (n *node) report(value string) answer {
	return n.ask("POST", "api", n.path()+"/report", n.keys["reader"], nil, fmt.Sprintf(`{"value":%q,"errcode":40001}`, value))
}

// order has an operator renew at this node. WeChat's judge is told why.
func (n *node) order() answer {
	if err := n.sim.Excuse(n.app); err != nil {
		n.t.Error(err)
	}
	return n.ask("POST", "api", n.path()+"/renew", n.keys["operator"], nil, "")
}

// ordered has an operator renew until it is done, and returns the generation. It
// waits until an issue is due: one that is not answered stands all the same, and
// the next one is another.
func (c *cluster) ordered(n *node) (generation uint64) {
	c.t.Helper()
	c.until(c.sim.LastIssue(c.app).Add(spacing + time.Second))
	eventually(c.t, "an order is carried out", func() bool {
		a := n.order()
		generation = a.Generation
		return a.status == http.StatusOK
	})
	return generation
}

// decode reads an answer in WeChat's manner.
func decode(t *testing.T, a answer, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("status %d: %v", a.status, err)
	}
}
