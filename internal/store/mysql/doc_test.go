package mysql

import (
	"os"
	"strings"
	"testing"
)

// Who may not create the table is shown how, in both languages.
func TestDocsShowTheTable(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"operations.md", "operations.zh-CN.md"} {
		text, err := os.ReadFile("../../../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), Schema) {
			t.Errorf("docs/%s does not show Schema as it is", file)
		}
	}
}
