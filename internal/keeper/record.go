package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/store"
)

// prefix is where credentials live in the store.
const prefix = "cred/"

// keepFor is how long a record stays that nobody writes any more, because its
// app is gone. Apps may come back: a node with an older configuration must not
// take the record away from the others.
const keepFor = 30 * 24 * time.Hour

func storeKey(k credential.Key) string { return prefix + string(k.App) + "/" + string(k.Kind) }

func parseKey(s string) (credential.Key, bool) {
	app, kind, ok := strings.Cut(strings.TrimPrefix(s, prefix), "/")
	return credential.Key{App: credential.App(app), Kind: credential.Kind(kind)}, ok && app != "" && kind != ""
}

// format is the version of the record's layout. A node that meets a later one
// serves what it can read and does not write.
const format = 1

// record is one credential as it is stored, sealed, under cred/<app>/<kind>.
// All times in it are the store's.
//
//	{"v":1,"source":"classic","value":"91_…","generation":12,
//	 "asked":"…T08:00:00Z","answered":"…T08:00:00.2Z","life":7200000000000,"expires":"…T09:59:55Z",
//	 "bucket":{"left":9.5,"at":"…"},
//	 "attempts":[{"id":"c0ffee01","node":"a1b2c3d4","at":"…T09:30:00Z"}]}
type record struct {
	Format int    `json:"v"`
	Source string `json:"source,omitempty"` // the line that brought the value
	Value  string `json:"value,omitempty"`
	// Generation counts values. A write that brings no new value leaves it.
	Generation uint64 `json:"generation,omitempty"`
	// Asked and Answered bracket the moment in which WeChat made the value.
	Asked    time.Time     `json:"asked,omitzero"`
	Answered time.Time     `json:"answered,omitzero"`
	Life     time.Duration `json:"life,omitempty"`
	Expires  time.Time     `json:"expires,omitzero"`
	// Checked is when WeChat last gave the same value again.
	Checked time.Time `json:"checked,omitzero"`
	// Dead: WeChat refused the value before its end. Same: and then gave it
	// again when asked normally, so only force helps.
	Dead bool `json:"dead,omitempty"`
	Same bool `json:"same,omitempty"`

	// Wanted is when somebody last asked for it, of a kind that is kept on
	// demand. It is written with whatever else is written, never for itself.
	Wanted time.Time `json:"wanted,omitzero"`
	// Suspect: a client says that the value does not work, and only asking for
	// it again can tell.
	Suspect bool `json:"suspect,omitempty"`

	// Orders is how many renewals an operator still wants.
	Orders int `json:"orders,omitempty"`
	// NotBefore: no issue before, except by an operator's order.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Dry: the day's quota of a source is spent until then.
	Dry      map[string]time.Time `json:"dry,omitempty"`
	Failure  *failure             `json:"failure,omitempty"`
	Bucket   bucket               `json:"bucket,omitzero"`
	Renewed  time.Time            `json:"renewed,omitzero"` // when the last scheduled issue was begun
	Forced   []time.Time          `json:"forced,omitempty"` // forced issues of the last day
	Attempts []attempt            `json:"attempts,omitempty"`
}

// attempt is one try to issue, written down before it is made. Young it is the
// lease; afterwards it says that a value may exist which nobody knows.
type attempt struct {
	ID   string    `json:"id"`
	Node string    `json:"node"`
	At   time.Time `json:"at"`
	// Free: the scheduled renewal, not charged to the bucket.
	Free bool `json:"free,omitempty"`
	// Over: its holder has heard all that it will ever hear.
	Over bool `json:"over,omitempty"`
	// Mild: made on a line that repeats, where a lost answer is no harm.
	Mild bool `json:"mild,omitempty"`
}

// failure is the last thing that went wrong, until a value is issued.
type failure struct {
	Class errcode.Class `json:"class,omitempty"`
	Code  int           `json:"code,omitempty"`
	Text  string        `json:"text"`
	IP    string        `json:"ip,omitempty"`
	At    time.Time     `json:"at"`
	Count int           `json:"count"`
	// Secrets are the tags of what was shown and refused in a row: AppSecrets,
	// or the last token. With another one the refusal says nothing any more.
	Secrets []string `json:"secrets,omitempty"`
}

func (r record) encode() ([]byte, error) { return json.Marshal(r) }

func decode(b []byte) (record, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, errors.Join(fmt.Errorf("the record is broken: %w", err), store.CheckForm(b, format))
	}
	return r, nil
}

// live reports whether the value may be handed out.
func (r record) live(now time.Time) bool {
	return r.Value != "" && !r.Dead && now.Before(r.Expires)
}

// dry is until when a source has nothing left to give; zero: it has.
func (r record) dry(source string, now time.Time) time.Time {
	if until := r.Dry[source]; now.Before(until) {
		return until
	}
	return time.Time{}
}

// own finds an open attempt.
func (r record) own(id string) (attempt, bool) {
	for _, a := range r.Attempts {
		if a.ID == id {
			return a, true
		}
	}
	return attempt{}, false
}

// without is the record less one attempt.
func (r record) without(id string) record {
	var rest []attempt
	for _, a := range r.Attempts {
		if a.ID != id {
			rest = append(rest, a)
		}
	}
	r.Attempts = rest
	return r
}

// intent is the oldest open attempt that may have ended the value.
func (r record) intent() (oldest attempt, ok bool) {
	for _, a := range r.Attempts {
		if !a.Mild && (!ok || a.At.Before(oldest.At)) {
			oldest, ok = a, true
		}
	}
	return oldest, ok
}
