//go:build unix

package peers

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// printVersions prints what ran: what package.json and go.mod pin, and the
// programs.
func printVersions(w io.Writer) {
	var node struct{ Dependencies map[string]string }
	if text, err := os.ReadFile("testdata/co-wechat-api/package.json"); err == nil {
		_ = json.Unmarshal(text, &node)
	}
	fmt.Fprintf(w, "\nnpm: %v\n", node.Dependencies)
	for _, command := range [][]string{
		{"go", "list", "-m", "-f", "{{if not (or .Main .Indirect)}}{{.Path}} {{.Version}}{{end}}", "all"},
		{"go", "version"},
		{"node", "--version"},
		{"redis-server", "--version"},
	} {
		out, err := exec.Command(command[0], command[1:]...).Output()
		if err != nil {
			out = []byte(command[0] + ": " + err.Error())
		}
		fmt.Fprintln(w, strings.TrimSpace(string(out)))
	}
}
