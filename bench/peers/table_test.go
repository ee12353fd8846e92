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
	rows []*row
}

type row struct {
	name  string
	cells map[string]cell // by column
}

// cell is what the runs have given for one number.
type cell struct {
	all  []float64
	form string // how it is printed, with a %s for it
}

func newTable(title string, columns ...string) *table {
	return &table{title: title, columns: columns}
}

// count adds what a run has given. form says how it is shown, such as "%s of 100".
func (tb *table) count(p peer, column string, n int, form string) {
	tb.put(p.name, column, float64(n), form)
}

func (tb *table) put(name, column string, value float64, form string) {
	if !slices.Contains(tb.columns, column) {
		panic("no column " + column)
	}
	tb.mu.Lock()
	defer tb.mu.Unlock()
	at := slices.IndexFunc(tb.rows, func(r *row) bool { return r.name == name })
	if at < 0 {
		at = len(tb.rows)
		tb.rows = append(tb.rows, &row{name, map[string]cell{}})
	}
	cells := tb.rows[at].cells
	cells[column] = cell{append(cells[column].all, value), form}
}

// String is the value, or the least and the greatest.
func (c cell) String() string {
	if len(c.all) == 0 {
		return "–"
	}
	text := number(slices.Min(c.all))
	if most := number(slices.Max(c.all)); most != text {
		text += "–" + most
	}
	return fmt.Sprintf(c.form, text)
}

// number has two digits that count, or all of a whole number.
func number(v float64) string {
	if v < 10 {
		v = math.Round(v*10) / 10
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// printTables prints what was measured, in Markdown, with the peers in their order.
func printTables(w io.Writer) {
	place := func(r *row) int { return slices.IndexFunc(peers, func(p peer) bool { return p.name == r.name }) }
	for _, tb := range []*table{coldOne, coldFour, deathOne, deathFour, stored, late, quota, killedFirst, killedLater, warm} {
		slices.SortStableFunc(tb.rows, func(a, b *row) int { return place(a) - place(b) })
		if len(tb.rows) > 0 {
			fmt.Fprintf(w, "\n%s\n\n| | %s |\n|%s\n", tb.title, strings.Join(tb.columns, " | "), strings.Repeat(" --- |", len(tb.columns)+1))
		}
		for _, r := range tb.rows {
			text := "| " + r.name
			for _, column := range tb.columns {
				text += " | " + r.cells[column].String()
			}
			fmt.Fprintln(w, text+" |")
		}
	}
}
