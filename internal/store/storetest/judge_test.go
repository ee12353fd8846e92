package storetest

import (
	"strings"
	"testing"
)

func TestJudgeTellsLinearHistoriesFromOthers(t *testing.T) {
	t.Parallel()
	put := func(began, ended int64, old, version string) op {
		return op{put: true, old: old, version: version, began: began, ended: ended}
	}
	get := func(began, ended int64, version string) op { return op{version: version, began: began, ended: ended} }
	for what, c := range map[string]struct {
		history []op
		problem string // "": none
	}{
		"nothing":                     {nil, ""},
		"one after another":           {[]op{get(1, 2, "0"), put(3, 4, "0", "1"), get(5, 6, "1")}, ""},
		"a read beside a write":       {[]op{put(1, 4, "0", "1"), get(2, 3, "0")}, ""},
		"a read ahead of a write":     {[]op{put(1, 6, "0", "1"), get(2, 3, "1"), get(4, 5, "1")}, ""},
		"two writers":                 {[]op{put(1, 3, "0", "1"), put(2, 4, "0", "")}, ""},
		"a conflict of the past":      {[]op{put(1, 2, "0", "1"), put(3, 4, "0", "")}, ""},
		"a stale read":                {[]op{put(1, 2, "0", "1"), get(3, 4, "0")}, "a step back"},
		"reads that go back":          {[]op{put(1, 6, "0", "1"), get(2, 3, "1"), get(4, 5, "0")}, "a step back"},
		"a read of the future":        {[]op{get(1, 2, "1"), put(3, 4, "0", "1")}, "a step back"},
		"a write before its own time": {[]op{put(5, 6, "0", "1"), put(1, 2, "1", "2")}, "a step back"},
		"a lost update":               {[]op{put(1, 2, "0", "1"), put(3, 4, "0", "2")}, "replaced twice"},
		"a conflict for nothing":      {[]op{put(1, 2, "0", "")}, "without a cause"},
		"a conflict before its cause": {[]op{put(1, 2, "0", ""), put(3, 4, "0", "1")}, "without a cause"},
		"a value out of nowhere":      {[]op{get(1, 2, "x")}, "nobody wrote"},
		"in place of what never was":  {[]op{put(1, 2, "x", "1")}, "never was"},
	} {
		got := judge("0", c.history)
		if (got == "") != (c.problem == "") || !strings.Contains(got, c.problem) {
			t.Errorf("%s: %q, want %q", what, got, c.problem)
		}
	}
}
