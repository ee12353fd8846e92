package config

import (
	"strconv"
	"strings"
)

// mark is where a key stands: in a file, or in a variable.
type mark struct {
	file         string
	line, column int
	variable     string
}

// report gathers problems and knows where each key stands.
type report struct {
	whole    mark // where the document as a whole stands
	marks    map[string]mark
	problems Problems
	errors   int
	warnings int
	// broken are the paths that could not be read, so that nobody complains a
	// second time about what is then missing.
	broken []string
}

func newReport(file string) *report {
	return &report{whole: mark{file: file}, marks: map[string]mark{}}
}

// at finds the mark of path, or of what it stands below.
func (r *report) at(path string) mark {
	for path != "" {
		if m, ok := r.marks[path]; ok {
			return m
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	if m, ok := r.marks[""]; ok {
		return m
	}
	return r.whole
}

// given reports whether path was written, even if as nothing.
func (r *report) given(path string) bool {
	_, ok := r.marks[path]
	return ok
}

// maxProblems is more than anybody reads, of errors and of warnings each; it
// bounds the work on a file that is something else altogether.
const maxProblems = 100

func (r *report) add(m mark, path, message, hint string, warning bool) {
	count := &r.errors
	if warning {
		count = &r.warnings
	}
	if *count++; *count > maxProblems {
		return
	}
	if m.variable != "" {
		path = m.variable
	}
	r.problems = append(r.problems, Problem{
		File: m.file, Line: m.line, Column: m.column,
		Path: path, Message: message, Hint: hint, Warning: warning,
	})
}

// full reports whether no further error would be written down.
func (r *report) full() bool { return r.errors >= maxProblems }

// fail says what is wrong at path, unless path could not even be read.
func (r *report) fail(path, message, hint string) {
	if !r.full() && !r.unread(path) {
		r.add(r.at(path), path, message, hint, false)
	}
}

// warn is fail for what does not stop a start.
func (r *report) warn(path, message, hint string) {
	if !r.unread(path) {
		r.add(r.at(path), path, message, hint, true)
	}
}

// misread says that what stands at path cannot be read.
func (r *report) misread(path, message, hint string) {
	if r.full() {
		return
	}
	r.fail(path, message, hint)
	r.broken = append(r.broken, path)
}

// unread reports whether path was misread, or something in it or around it.
func (r *report) unread(path string) bool {
	for _, b := range r.broken {
		if b == path || b == path+"_file" || within(b, path) || within(b, path+"_file") || within(path, b) {
			return true
		}
	}
	return false
}

// within reports whether path is an element of the list at outer.
func within(path, outer string) bool { return strings.HasPrefix(path, outer+"[") }

// where names the place of path for use inside another message.
func (r *report) where(path string) string {
	if m := r.at(path); m.line > 0 {
		return path + ", line " + strconv.Itoa(m.line)
	}
	return path
}
