package hufu_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hufu-project/hufu"

// goPackage is what `go list -json` says about a package, as far as we ask.
type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string // without those of tests
}

func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// ours gives the path of a package of this module as the layer table has it.
func ours(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// layers reads the layer table: the package's path and its layer.
func layers(t *testing.T) map[string]int {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| (\\d) \\| `([^`]+)` \\| .+ \\|$")
	table := map[string]int{}
	for _, m := range row.FindAllStringSubmatch(read(t, "docs/ARCHITECTURE.md"), -1) {
		table[m[2]], _ = strconv.Atoi(m[1])
	}
	return table
}

func TestLayersAreAsDrawn(t *testing.T) {
	t.Parallel()
	drawn := layers(t)
	found := map[string]bool{}
	for _, p := range goList(t, "./...") {
		from, _ := ours(p.ImportPath)
		found[from] = true
		layer, ok := drawn[from]
		if !ok {
			t.Errorf("%s is not in the layer table of docs/ARCHITECTURE.md", from)
			continue
		}
		for _, path := range p.Imports {
			to, own := ours(path)
			if below, ok := drawn[to]; own && ok && below >= layer {
				t.Errorf("%s (layer %d) imports %s (layer %d); imports go down only", from, layer, to, below)
			}
		}
	}
	for path := range drawn {
		if !found[path] {
			t.Errorf("the layer table of docs/ARCHITECTURE.md has %s, and the tree has not", path)
		}
	}
}

// Who imports or copies one of these takes on no other module.
func TestPublicPackagesAreStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for _, path := range []string{module, module + "/hufutest", module + "/wxsim", module + "/cmd/hufu/shop"} {
		for _, p := range goList(t, "-deps", path) {
			fake := path == module+"/hufutest" && p.ImportPath == module // it stands in for what that asks
			if !p.Standard && p.ImportPath != path && !fake {
				t.Errorf("%s depends on %s", path, p.ImportPath)
			}
		}
	}
}

// A promise is worth the test that it names.
func TestPromisesNameTestsThatExist(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	for _, file := range tree(t, "_test.go") {
		for _, m := range function.FindAllStringSubmatch(read(t, file), -1) {
			have[m[1]] = true
		}
	}
	for _, file := range tree(t, ".md") {
		for _, name := range regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`").FindAllStringSubmatch(read(t, file), -1) {
			if !have[name[1]] {
				t.Errorf("%s names %s; there is no such test", file, name[1])
			}
		}
	}
	for _, g := range []string{"G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8"} {
		if !regexp.MustCompile(`(?m)^\| ` + g + ` \| .+ \| .*` + "`Test").MatchString(read(t, "docs/ARCHITECTURE.md")) {
			t.Errorf("docs/ARCHITECTURE.md does not say which test proves %s", g)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tree lists the files of ours that end in suffix, those of the examples too.
func tree(t *testing.T, suffix string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case strings.HasSuffix(path, suffix):
			files = append(files, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
