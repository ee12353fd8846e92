package wechat

import (
	"context"
	"slices"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
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
	// Types are the types of apps (app.type of the configuration) that have
	// this kind.
	Types []string
	// With is the kind of the app's credential that an issue shows to WeChat;
	// empty: its AppSecret.
	With credential.Kind
	// OnDemand: first issued when first asked for, and kept while it was asked
	// for within the last life.
	OnDemand bool
	// Daily is how often a day WeChat surely lets an app ask, where that is not
	// the app's own daily_quota; 0: it is.
	Daily int
	// Ends: a new value ends the one before, after the overlap.
	Ends bool
	// Repeats: asking again gives the same value until shortly before its end,
	// so an answer that was lost is no harm. With Ends as well nobody knows
	// which of the two it is, nor how old a value was when it was given: both
	// are reckoned with, and it is asked for again in good time.
	Repeats bool
	// Forces: a new value can be had before its time; ends the old one.
	Forces bool
	// Probe is the path of a call that tells whether a value works; empty
	// where there is none. A report then leads to asking again.
	Probe string
	// Issue asks WeChat for a value, once.
	Issue func(ctx context.Context, c *Client, g Grant) (Issued, error)
}

// Grant is what an issue needs.
type Grant struct {
	App credential.App
	// Secret is what is shown to WeChat: the AppSecret, or the value of the
	// kind With.
	Secret credential.Secret
	// With is Line.With.
	With credential.Kind
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

// Class is what a number asks of us that an issue on this line was answered
// with.
func (l Line) Class(code int) errcode.Class { return classOf(l.With, code) }

func classOf(with credential.Kind, code int) errcode.Class {
	if with != "" {
		return errcode.ForIssueWith(code)
	}
	return errcode.ForIssue(code)
}

// lines is every line there is. Each stands in its kind's own file and puts
// itself here, so that a new kind touches no other file; their order is that of
// the files' names.
var lines []Line

// have puts a line into the table. It is called for the package's variables
// only, before anybody reads the table.
func have(l Line) Line {
	lines = append(lines, l)
	return l
}

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
func Kinds() []credential.Kind { return kinds(func(Line) bool { return true }) }

// Kept lists those that are kept for every app that has them, asked for or not.
func Kept() []credential.Kind { return kinds(func(l Line) bool { return !l.OnDemand }) }

// IssuedWith lists those that are issued with this one.
func IssuedWith(kind credential.Kind) []credential.Kind {
	return kinds(func(l Line) bool { return l.With == kind })
}

func kinds(which func(Line) bool) (all []credential.Kind) {
	for _, l := range lines {
		if which(l) && !slices.Contains(all, l.Kind) {
			all = append(all, l.Kind)
		}
	}
	return all
}
