//go:build unix && cluster

package cluster

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/sealed"
)

// records are how many more there are to be sealed anew, so that it takes a while.
const records = 1000

// The master key is replaced under three nodes and their readers, and at each
// point of it all processes are killed at once: with the new key at one node
// only; when it is at all; when the first record is sealed by it; when the last
// one is. Nothing is lost, nothing is issued, and in the end the new key alone
// opens everything.
func TestNodesAreKilledWhileTheMasterKeyIsReplaced(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		c := newCluster(t, on, simOf(time.Hour), "wx00000000000000c1") // no renewal comes in between
		c.lives = time.Hour
		c.start(3).agree(1)
		token, inner := c.nodes[0].token().Value, c.look()
		before := c.sealed()
		for i := range records {
			if _, err := before.Put(t.Context(), store.Record{Key: recordKey(i), Value: []byte(recordKey(i))}); err != nil {
				t.Fatal(err)
			}
		}
		older := c.nodes[0].keyring()[0]
		r := c.read()
		killed := func(point string) {
			t.Helper()
			for _, n := range c.nodes {
				n.kill()
			}
			t.Logf("killed %s", point)
			for _, n := range c.nodes {
				n.begin()
			}
			for _, n := range c.nodes {
				n.ready()
			}
		}
		later := func(what string, done func() bool) {
			t.Helper()
			if !comes(done, 3*time.Minute) { // what a dead node said counts for 35 s
				t.Fatalf("not in time: %s", what)
			}
		}
		sealedBy := func(i int) string {
			rec, err := inner.Get(t.Context(), recordKey(i))
			if err != nil || len(rec.Value) < 5 {
				return ""
			}
			return hex.EncodeToString(rec.Value[1:5])
		}

		if out, err := c.nodes[0].command("rekey", "--config", "hufu.yaml"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		newer := c.nodes[0].keyring()[0]
		killed("with the new key at one node")
		both, err := os.ReadFile(filepath.Join(c.nodes[0].dir, "hufu.key"))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range c.nodes {
			n.file("hufu.key", string(both))
		}
		later("the new key is in use", func() bool {
			_, err := inner.Get(t.Context(), "hufu/key-check/"+newer.ID())
			return err == nil
		})
		killed("with the new key at all nodes")
		later("the first record is sealed by it", func() bool { return sealedBy(0) == newer.ID() })
		killed(fmt.Sprintf("with the first record sealed anew, the last by the new key: %v", sealedBy(records-1) == newer.ID()))
		later("the last record is sealed by it", func() bool { return sealedBy(records-1) == newer.ID() })
		killed("with the last record sealed anew")
		later("the old key may go", func() bool {
			_, err := c.nodes[0].command("rekey", "--finish", "--config", "hufu.yaml")
			return err == nil
		})
		if _, err := inner.Get(t.Context(), "hufu/key-check/"+older.ID()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the store says that the old key is in use: %v", err)
		}
		alone, err := os.ReadFile(filepath.Join(c.nodes[0].dir, "hufu.key"))
		if err != nil || strings.Contains(string(alone), strings.TrimSpace(on.masterKey())) {
			t.Fatalf("the old key is in the file, %v", err)
		}
		for _, n := range c.nodes {
			n.file("hufu.key", string(alone))
		}
		killed("with the new key alone")

		for _, n := range c.nodes {
			if a := n.token(); a.status != http.StatusOK || a.Value != token {
				t.Errorf("node %d: %d %s", n.id, a.status, a.body)
			}
		}
		r.stop()
		after, err := sealed.Open(t.Context(), inner, sealed.NewKeyring(newer))
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			if rec, err := after.Get(t.Context(), recordKey(i)); err != nil || string(rec.Value) != recordKey(i) {
				t.Errorf("record %d: %q, %v", i, rec.Value, err)
			}
		}
		if n := c.sim.Issues(c.app); n != 1 {
			t.Errorf("%d issues", n)
		}
		c.nodes[2].kill()
		c.nodes[2].file("hufu.key", on.masterKey())
		c.nodes[2].begin()
		eventually(t, "a node with the old key refuses to start", c.nodes[2].ended)
		c.judged()
	})
}

func recordKey(i int) string { return fmt.Sprintf("test/%04d", i) }

// command runs an operator's command in the node's folder.
func (n *node) command(args ...string) (string, error) {
	cmd := exec.Command(hufu, args...)
	cmd.Dir = n.dir
	cmd.Env = append(os.Environ(), "LANG=C", "HUFU_URL="+n.url("api"), "HUFU_KEY="+n.keys["operator"])
	out, err := cmd.CombinedOutput()
	return string(out), err
}
