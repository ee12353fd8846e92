package wechat

import (
	"context"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// Line is one way in which WeChat issues a kind of credential: data that the
// keeper goes by, and one function. A kind with two sources has two lines.
// The keeper names neither kinds nor sources; it reads these fields.
type Line struct {
	Kind credential.Kind
	// Source is the line's name in the configuration (app.source), empty for
	// a kind that has one line only.
	Source string
	// Page is WeChat's page about it.
	Page string
	// Ends: a new value ends the one before, after the overlap.
	Ends bool
	// Repeats: asking again gives the same value until shortly before its end,
	// so an answer that was lost is no harm.
	Repeats bool
	// Forces: a new value can be had before its time; ends the old one.
	Forces bool
	// Probe is the path of a call that tells whether a value works; empty
	// where there is none.
	Probe string
	// Websites: website apps have this kind too.
	Websites bool
	// Issue asks WeChat for a value, once.
	Issue func(ctx context.Context, c *Client, g Grant) (Issued, error)
}

// Grant is what an issue needs.
type Grant struct {
	App    credential.App
	Secret credential.Secret
	// Force asks for a new value before its time, where Line.Forces.
	Force bool
	// SendBy: not a byte leaves after this moment. Zero: no guard.
	SendBy time.Time
	// Life is what WeChat promises; a longer expires_in makes no sense.
	Life time.Duration
}

// Issued is a value that WeChat made.
type Issued struct {
	Value credential.Secret
	// Life is expires_in, 0 where it made no sense; Odd then says why.
	Life time.Duration
	Odd  string
}

// lines is every line there is; each row stands in its kind's own file.
var lines = []Line{stableToken, classicToken}

// Find returns the line of a kind for an app of this source.
func Find(kind credential.Kind, source string) (Line, bool) {
	for _, l := range lines {
		if l.Kind == kind && (l.Source == source || l.Source == "") {
			return l, true
		}
	}
	return Line{}, false
}

// Kinds lists the kinds, each once, in the order of the table.
func Kinds() []credential.Kind {
	var kinds []credential.Kind
	seen := map[credential.Kind]bool{}
	for _, l := range lines {
		if !seen[l.Kind] {
			seen[l.Kind] = true
			kinds = append(kinds, l.Kind)
		}
	}
	return kinds
}
