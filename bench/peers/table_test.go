//go:build unix

package peers

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// table is one experiment's: a row for each peer, a column for each number.
// Several runs share a row.
type table struct {
	title   string
	columns []string

	mu   sync.Mutex
	rows map[string]map[string]values // by the row's name and column
}

// values are what the runs have given for one cell.
type values struct {
	all  []float64
	form string // how one is printed, with a %s for it
}

func newTable(title string, columns ...string) *table {
	return &table{title: title, columns: columns, rows: map[string]map[string]values{}}
}

// put adds what a run has given. form says how it is shown, such as "%s of 100".
func (tb *table) put(row, column string, value float64, form string) {
	if !slices.Contains(tb.columns, column) {
		panic("no column " + column)
	}
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.rows[row] == nil {
		tb.rows[row] = map[string]values{}
	}
	tb.rows[row][column] = values{append(tb.rows[row][column].all, value), form}
}

// count is put for a number of things.
func (tb *table) count(p peer, column string, n int, form string) {
	tb.put(p.name, column, float64(n), form)
}

// String is the value, or the least and the greatest.
func (v values) String() string {
	if len(v.all) == 0 {
		return "–"
	}
	text := number(slices.Min(v.all))
	if high := number(slices.Max(v.all)); high != text {
		text += "–" + high
	}
	return fmt.Sprintf(v.form, text)
}

func number(v float64) string {
	if v < 10 {
		v = math.Round(v*10) / 10
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// printTables prints what was measured, in Markdown: rows in the order of peers,
// others by what they cost.
func printTables(w io.Writer) {
	for _, tb := range []*table{cold, revoked, stored, late, quota, kills, warm} {
		if len(tb.rows) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n\n| | %s |\n|%s\n", tb.title, strings.Join(tb.columns, " | "), strings.Repeat(" --- |", len(tb.columns)+1))
		for _, row := range tb.names() {
			cells := []string{row}
			for _, column := range tb.columns {
				cells = append(cells, tb.rows[row][column].String())
			}
			fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
		}
	}
}

// names are the rows in the order in which they are printed.
func (tb *table) names() (all []string) {
	for name := range tb.rows {
		all = append(all, name)
	}
	place := func(name string) float64 {
		if tb == warm {
			return slices.Min(tb.rows[name][tb.columns[0]].all)
		}
		return float64(slices.IndexFunc(peers, func(p peer) bool { return p.name == name }))
	}
	slices.SortFunc(all, func(a, b string) int {
		if place(a) < place(b) {
			return -1
		}
		return 1
	})
	return all
}
