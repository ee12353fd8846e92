//go:build unix

package peers

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// table is one experiment's: a row for each peer, a column for each number.
// Several runs of a peer share a row.
type table struct {
	title   string
	columns []string

	mu   sync.Mutex
	rows map[string]map[string]values // by peer and column
}

// values are what the runs have given for one cell.
type values struct {
	all  []int
	form string // how one is printed, with a %s for it
}

var tables []*table

func newTable(title string, columns ...string) *table {
	tb := &table{title: title, columns: columns, rows: map[string]map[string]values{}}
	tables = append(tables, tb)
	return tb
}

// put adds what a run has given. form says how it is shown, such as "%s of 100".
func (tb *table) put(p peer, column string, value int, form string) {
	if !slices.Contains(tb.columns, column) {
		panic("no column " + column)
	}
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.rows[p.name] == nil {
		tb.rows[p.name] = map[string]values{}
	}
	tb.rows[p.name][column] = values{append(tb.rows[p.name][column].all, value), form}
}

// String is the value, or the least and the greatest.
func (v values) String() string {
	if len(v.all) == 0 {
		return "–"
	}
	low, high := slices.Min(v.all), slices.Max(v.all)
	text := fmt.Sprint(low)
	if low != high {
		text = fmt.Sprintf("%d–%d", low, high)
	}
	return fmt.Sprintf(v.form, text)
}

// printTables prints what was measured, in Markdown.
func printTables(w io.Writer) {
	for _, tb := range tables {
		if len(tb.rows) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n\n| | %s |\n|%s\n", tb.title, strings.Join(tb.columns, " | "), strings.Repeat(" --- |", len(tb.columns)+1))
		for _, p := range peers {
			if row, ok := tb.rows[p.name]; ok {
				cells := []string{p.name}
				for _, column := range tb.columns {
					cells = append(cells, row[column].String())
				}
				fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
			}
		}
	}
}
