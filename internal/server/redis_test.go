//go:build unix

package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/store/redis/redistest"
	"github.com/hufu-project/hufu/internal/store/sealed"
)

// atRedis writes a configuration with its store there.
func (n *node) atRedis(address string) *node {
	n.t.Helper()
	n.write(anyPorts)
	text, err := os.ReadFile(filepath.Join(n.dir, "hufu.yaml"))
	if err != nil {
		n.t.Fatal(err)
	}
	n.file("hufu.yaml", strings.Replace(string(text), "bolt:hufu.db", address, 1))
	return n
}

func TestNodesOnOneRedisShareOneIssueAndOneMasterKey(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "canary-password")
	address := "redis://:canary-password@" + server.Addr
	one := newNode(t).atRedis(address)

	// Nobody draws a key for a store that is shared.
	_, err := New(one.config(), one.options())
	e, ok := errors.AsType[*Error](err)
	if !ok || !strings.Contains(e.Hint, "all nodes need the same file") {
		t.Fatalf("without a master key: %v", err)
	}
	if _, err := sealed.LoadOrCreateKeys(filepath.Join(one.dir, "hufu.key"), true); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(one.dir, "hufu.key"))
	if err != nil {
		t.Fatal(err)
	}
	one.start()
	two := &node{t: t, dir: t.TempDir(), log: &buffer{}, sim: one.sim, api: one.api, key: one.key, hash: one.hash}
	two.atRedis(address).file("hufu.key", string(key))
	two.start()
	var values [2]string
	for i, n := range []*node{one, two} {
		status, body := n.get("api", tokenPath)
		if status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		values[i], _, _ = strings.Cut(body, `"max_age"`)
	}
	if n := one.sim.Issues(shop); n != 1 {
		t.Errorf("%d issues for two nodes: %v", n, values)
	}

	three := newNode(t).atRedis(address)
	if _, err := sealed.LoadOrCreateKeys(filepath.Join(three.dir, "hufu.key"), true); err != nil {
		t.Fatal(err)
	}
	_, err = New(three.config(), three.options())
	if err == nil || !strings.Contains(err.Error(), "is not the master key of store redis://") || strings.Contains(err.Error(), "canary") {
		t.Errorf("with another master key: %v", err)
	}
	for _, n := range []*node{one, two} {
		if err := n.stop(); err != nil {
			t.Error(err)
		}
		if strings.Contains(n.log.String(), "canary-password") {
			t.Error("the log holds the password")
		}
	}
}

func TestDoubtsAboutTheStoreAreLogged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "no")
	n := newNode(t).atRedis(fmt.Sprintf("redis://%s?prefix=a", server.Addr))
	if _, err := sealed.LoadOrCreateKeys(filepath.Join(n.dir, "hufu.key"), true); err != nil {
		t.Fatal(err)
	}
	n.start()
	wants(t, n.log.String(), "the store may lose records", "appendonly yes")
	server.Kill()
	m := newNode(t).atRedis("redis://127.0.0.1:1?prefix=a")
	m.file("hufu.key", "")
	if _, err := New(m.config(), m.options()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody is there: %v", err)
	}
}
