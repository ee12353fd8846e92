package main

import (
	"errors"
	"fmt"

	"github.com/hufu-project/hufu/internal/server"
)

// The rules of what goes to stderr, which programs may rely on:
//
//	hufu: error: what happened, in the user's language
//	hufu: hint: what to do about it, where we know

// failure is an error as the user sees it.
type failure struct {
	text string
	hint string
	code int // exit code
}

func (f *failure) Error() string { return f.text }

// failed is a failure with exit code 1.
func failed(text, hint string) error { return &failure{text, hint, 1} }

// misused is a failure with exit code 2.
func misused(text, hint string) error { return &failure{text, hint, 2} }

// asFailure gives any error the form that users see.
func asFailure(err error) failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return *f
	}
	f := failure{text: err.Error(), code: 1}
	if e, ok := errors.AsType[*server.Error](err); ok {
		f.text, f.hint = e.Error(), e.Hint
	}
	return f
}

// complain prints a failure.
func (p *program) complain(f failure) {
	if f.text != "" {
		fmt.Fprintln(p.err, "hufu: error:", f.text)
	}
	if f.hint != "" {
		fmt.Fprintln(p.err, "hufu: hint:", f.hint)
	}
}
