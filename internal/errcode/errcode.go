// Package errcode is WeChat's error numbers and what each asks of us. WeChat
// answers with status 200 and an errcode; its texts change without notice, so
// nothing here looks at them.
//
// One number means two things in two places: 40001 to a call says that the
// token is dead, 40001 to an issue says that the AppSecret is wrong. So there
// are several questions, ForIssue, ForIssueWith and ForCall, over one table.
package errcode

import "time"

// Class is what a number asks of us.
type Class string

// The classes. The zero Class is an unknown number.
const (
	// Unclear: nobody knows whether anything happened; the answer proves
	// nothing. Every number that is not in the table is of this class.
	Unclear Class = ""
	// Renew: the token that was shown is dead.
	Renew Class = "renew"
	// Wait: it goes away by itself.
	Wait Class = "wait"
	// Block: a person must act first.
	Block Class = "block"
	// Quota: spent until midnight in Beijing.
	Quota Class = "quota"
	// Fault: the caller's own mistake, or a right that the app does not have.
	Fault Class = "fault"
)

// Words is what a number means and what to do, for people.
type Words struct {
	Meaning, Hint string
}

// Entry is one number. An empty class means that the number is not known in
// that place.
type Entry struct {
	Code int
	// Issue is its class as the answer to an issue, Call as the answer to a
	// call that showed a token.
	Issue, Call Class
	// Pause is how long to wait after an issue that was answered so, where that
	// is of class Wait or Block, at the least and where a token lives two hours;
	// it scales with that life.
	Pause time.Duration
	EN    Words
	ZH    Words
}

// Lookup returns the entry of a number; ok is false for one we do not know,
// and the entry then says just that.
func Lookup(code int) (e Entry, ok bool) {
	e, ok = byCode[code]
	if !ok {
		e = Entry{Code: code, EN: Words{Meaning: "an error that Hufu does not know"}, ZH: Words{Meaning: "虎符不认识的错误码"}}
	}
	return e, ok
}

// ForIssue is the class of a number as the answer to an issue.
func ForIssue(code int) Class { return byCode[code].Issue }

// ForIssueWith is the class of a number as the answer to an issue that showed a
// token in place of the AppSecret. It is a call as well: Renew is said of the
// token, and a right that the app does not have keeps the issue from ever
// working, so it is Block.
func ForIssueWith(code int) Class {
	switch e := byCode[code]; {
	case e.Call == Renew:
		return Renew
	case e.Issue != Unclear:
		return e.Issue
	case e.Call == Fault:
		return Block
	default:
		return e.Call
	}
}

// ForCall is the class of a number as the answer to a call with a token.
func ForCall(code int) Class { return byCode[code].Call }

// DeadToken reports whether the number, as the answer to a call, says that
// the token is dead. 48001, 61007 and their like are rights, not tokens.
func DeadToken(code int) bool { return ForCall(code) == Renew }

var byCode = index(table)

func index(entries []Entry) map[int]Entry {
	m := make(map[int]Entry, len(entries))
	for _, e := range entries {
		m[e.Code] = e
	}
	return m
}
