package server

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/store/enginetest"
)

// Two nodes on one database give the same token for one issue.
func TestTwoNodesShareADatabase(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(...string) (*enginetest.Server, error){
		"postgres": enginetest.Postgres, "mysql": enginetest.MariaDB,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on := enginetest.For(t, start)
			store := "postgres://postgres@/postgres?socket=" + on.Dir
			if name == "mysql" {
				store = "mysql://root@/mysql?socket=" + on.Socket
			}
			n := newNode(t)
			key := make([]byte, 32)
			_, _ = rand.Read(key)
			n.file("hufu.key", "hufu-master-key-1 "+base64.StdEncoding.EncodeToString(key)+"\n")
			n.write(anyPorts)
			text, err := os.ReadFile(filepath.Join(n.dir, "hufu.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			n.file("hufu.yaml", strings.Replace(string(text), "bolt:hufu.db", store, 1))
			n.start()
			first, stop := n.Server, n.stop
			t.Cleanup(func() { _ = stop() })
			_, one := n.get("api", "/v1/apps/"+shop+"/credentials/access_token")
			n.start()
			if n.Server == first {
				t.Fatal("it is the same node")
			}
			_, two := n.get("api", "/v1/apps/"+shop+"/credentials/access_token")
			if !strings.Contains(one, `"generation":1`) || !strings.Contains(two, `"generation":1`) || n.sim.Issues(shop) != 1 {
				t.Errorf("%d issues; the nodes say\n%s\n%s", n.sim.Issues(shop), one, two)
			}
		})
	}
}
