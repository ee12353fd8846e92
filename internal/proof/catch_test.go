//go:build mutants

package proof

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

var (
	within = flag.Int("within", 2000, "within how many days a mutant must be caught")
	named  = flag.String("mutant", "", "this one only")
)

// breach is how a run tells of the rule that was broken.
var breach = regexp.MustCompile(`seed (\d+) \((\w+): .*?\): ([A-Z]\d) ([^:]+):`)

// The simulation catches every mutant by one of its rules; make mutants.
func TestMutantsAreCaught(t *testing.T) {
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, m := range mutants {
		if *named != "" && m.name != *named {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			dir := t.TempDir()
			root, err := filepath.Abs(filepath.Join("..", ".."))
			if err != nil {
				t.Fatal(err)
			}
			mutated, overlay := filepath.Join(dir, "mutated.go"), filepath.Join(dir, "overlay.json")
			list, _ := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, m.source()): mutated}})
			for file, text := range map[string][]byte{mutated: []byte(m.change(t)), overlay: list} {
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if m.by != "" {
				plain := exec.Command("go", "test", "-count=1", "-overlay="+overlay, "-run=^"+m.by+"$", "../keeper")
				if out, err := plain.CombinedOutput(); err == nil || !strings.Contains(string(out), "--- FAIL: "+m.by) {
					t.Errorf("SURVIVES %s: %s\n%s", m.by, m.breaks, out)
				}
				return
			}
			cmd := exec.Command("go", "test", "-count=1", "-cpu=1", "-vet=off", "-timeout=20m", "-overlay="+overlay,
				"-run=^TestTheProtocolHolds$", ".", "-args", "-days", fmt.Sprint(*within))
			cmd.Env = append(os.Environ(), "GOGC=400")
			out, err := cmd.CombinedOutput()
			got := breach.FindStringSubmatch(string(out))
			switch {
			case err == nil:
				t.Errorf("SURVIVES %d days: %s", *within, m.breaks)
			case got == nil:
				t.Errorf("it did not fail by a rule:\n%s", out[:min(len(out), 3000)])
			default:
				t.Logf("| `%s` | %s | %s %s | %s, run %s |", m.name, m.breaks, got[3], strings.TrimSpace(got[4]), got[2], got[1])
			}
		})
	}
}
