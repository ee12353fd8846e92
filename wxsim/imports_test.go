package wxsim_test

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestStandardLibraryOnly keeps the package free for everybody to import.
func TestStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		src, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range src.Imports {
			if first, _, _ := strings.Cut(strings.Trim(imp.Path.Value, `"`), "/"); strings.Contains(first, ".") && f.Name() != "example_test.go" {
				t.Errorf("%s imports %s", f.Name(), imp.Path.Value)
			}
		}
	}
}
