package keeper

import (
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
)

// State is where a credential stands in its life, for people.
type State string

// The states.
const (
	// Absent: never issued yet.
	Absent State = "absent"
	// Fresh: live, and not yet time to renew.
	Fresh State = "fresh"
	// Due: live, and time to renew.
	Due State = "due"
	// Expired: nothing live in hand.
	Expired State = "expired"
	// Blocked: WeChat refuses and a person must act. A live value may still
	// be in hand; Live tells.
	Blocked State = "blocked"
)

// Failure is the last thing that went wrong with issuing, until a value
// is issued.
type Failure struct {
	Class errcode.Class
	// Code is WeChat's errcode, 0 where WeChat did not answer.
	Code int
	// Text is what happened in one sentence without secrets.
	Text string
	// IP is the address that WeChat refused, where it told.
	IP string
	At time.Time
	// Count is how often in a row.
	Count int
}

// Status is everything about a credential but its value.
type Status struct {
	Key        credential.Key
	State      State
	Live       bool
	InDoubt    bool
	Source     string
	Generation uint64
	IssuedAt   time.Time
	ExpiresAt  time.Time
	// NextAt is when the keeper acts next; zero while it does not know.
	NextAt time.Time
	// BudgetLeft is how many unscheduled issues may be made now.
	BudgetLeft int
	Failure    *Failure

	// Counters of this process since it started.
	Reads   uint64
	Issues  map[string]uint64 // by result: issued, repeated, refused, not_sent, ambiguous, orphaned
	Reports map[string]uint64 // by outcome: not_current, not_token, alive, dead, unknown
}
