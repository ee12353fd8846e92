package shop_test

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestStandardLibraryOnly keeps the sample what it claims to be: a site that needs nothing of ours.
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
			if first, _, _ := strings.Cut(strings.Trim(imp.Path.Value, `"`), "/"); strings.Contains(first, ".") {
				t.Errorf("%s imports %s", f.Name(), imp.Path.Value)
			}
		}
	}
}
