package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// self is how a person in another terminal calls this program: by its name
// where the shell finds it, else by its file (which go run makes, and removes
// when it ends).
func self() string {
	file, err := os.Executable()
	if err != nil {
		return "hufu"
	}
	if found, err := exec.LookPath("hufu"); err == nil && found == file {
		return "hufu"
	}
	return file
}

// printJSON prints a value for programs.
func (p *program) printJSON(v any) error {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table prints rows of cells in columns, the first row as headings.
func table(w io.Writer, rows ...[]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-width(cell)+2))
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// width is how many columns of a terminal a text takes: two for each Chinese
// character.
func width(s string) (n int) {
	for _, r := range s {
		if r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xffe6 && !(r >= 0xff61 && r <= 0xffdc)) {
			n++
		}
		n++
	}
	return n
}

// cut shortens a text to so many columns; 0 means as long as it is.
func cut(s string, columns int) string {
	if columns <= 0 || width(s) <= columns {
		return s
	}
	n := 0
	for i, r := range s {
		if n += width(string(r)); n > columns {
			return s[:i]
		}
	}
	return s
}

// span is a time to come or gone by, as people say it: 1h23m, 4m10s, 12s.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= time.Hour {
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	if d >= time.Minute {
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
