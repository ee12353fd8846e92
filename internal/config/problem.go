package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong. None of its texts quotes a value of the
// configuration.
type Problem struct {
	// File is the file as it was named; "environment" for a variable; "" for
	// JSON.
	File string
	// Line and Column count from 1; 0 where there is no file.
	Line, Column int
	// Path names the key, as in clients[0].allow[1], or the variable. It is ""
	// for the document as a whole.
	Path string
	// Message says what is wrong, in lower case.
	Message string
	// Hint says what to do about it; often "".
	Hint string
	// Warning: it does not stop a start.
	Warning bool
}

// Error gives one line: file:line:column: path: message (hint).
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is everything that was found, sorted by place. As an error it holds
// at least one that is no warning; errors.As gives it to who wants the parts.
type Problems []Problem

// Error gives one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		if p.Warning {
			p.Message = "warning: " + p.Message
		}
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// fatal reports whether any is more than a warning.
func (ps Problems) fatal() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}

// sorted orders by place and drops what was said twice.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
	return slices.Compact(ps)
}

// didYouMean gives a hint with the word that is nearest to got, or "".
func didYouMean(got string, words []string) string {
	if w := nearest(got, words); w != "" {
		return fmt.Sprintf("did you mean %q?", w)
	}
	return ""
}

// nearest gives the word that got was meant to be, or "" where none is close.
func nearest(got string, words []string) string {
	best, bound := "", len(got)/3+2
	for _, w := range words {
		if d := distance(strings.ToLower(got), strings.ToLower(w)); d < bound && d < len(w) {
			best, bound = w, d
		}
	}
	for _, w := range words {
		if best == "" && strings.HasPrefix(strings.ToLower(w), strings.ToLower(got)+"_") {
			best = w
		}
	}
	return best
}

// distance counts the letters to add, drop, replace or swap with a neighbour.
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
