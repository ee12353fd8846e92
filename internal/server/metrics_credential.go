package server

import (
	"iter"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/keeper"
)

// maxLabelled is the most credentials that are told apart by app. Beyond it,
// what counts is summed up under an empty app label, and what does not add up
// (age, expiry, generation) is left out: a time series per app of a hundred
// thousand is more than a metrics server is for. hufu_credentials and
// hufu_credential_expires_in_seconds_min are there in either case.
const maxLabelled = 1000

var perApp = []string{"app", "kind"}

// The metrics of credentials.
var (
	descAge        = desc("credential_age_seconds", "Since the value in hand was issued.", perApp...)
	descExpires    = desc("credential_expires_in_seconds", "Until the value in hand expires; negative once it has.", perApp...)
	descGeneration = desc("credential_generation", "Generation of the value in hand.", perApp...)
	descState      = desc("credential_state", "1 for the state that the credential is in.", "app", "kind", "state")
	descLive       = desc("credential_live", "1 if there is a live value in hand.", perApp...)
	descDoubt      = desc("credential_in_doubt", "1 if an issue has stayed without an answer, or the store is away.", perApp...)
	descBudget     = desc("issue_budget", "Unscheduled issues that may be made now.", perApp...)
	descIssues     = desc("issues_total", "Issues by result.", "app", "kind", "result")
	descReports    = desc("reports_total", "Reports by outcome.", "app", "kind", "outcome")
	descReads      = desc("reads_total", "Reads of a credential.", perApp...)

	descCount   = desc("credentials", "Credentials by state.", "kind", "state")
	descSoonest = desc("credential_expires_in_seconds_min", "The smallest time to expiry of all live values.", "kind")
)

// credentials sends what there is to tell about credentials.
func (to scrape) credentials(all iter.Seq[keeper.Status]) {
	now := time.Now()
	kinds := map[credential.Kind]*sum{}
	var first []keeper.Status
	total := 0
	for k := range all {
		if total++; total <= maxLabelled {
			first = append(first, k)
		}
		if kinds[k.Key.Kind] == nil {
			kinds[k.Key.Kind] = newSum()
		}
		kinds[k.Key.Kind].add(k, k.ExpiresAt.Sub(now))
	}
	for kind, s := range kinds {
		for state, n := range s.states {
			to.gauge(descCount, float64(n), string(kind), string(state))
		}
		if s.live {
			to.gauge(descSoonest, s.soonest.Seconds(), string(kind))
		}
		if total > maxLabelled {
			to.counters(s.Status, "", string(kind))
		}
	}
	if total <= maxLabelled {
		for _, k := range first {
			to.credential(k, now)
		}
	}
}

// credential sends the series of one credential.
func (to scrape) credential(k keeper.Status, now time.Time) {
	app, kind := string(k.Key.App), string(k.Key.Kind)
	to.counters(k, app, kind)
	to.gauge(descState, 1, app, kind, string(k.State))
	to.gauge(descLive, truth(k.Live), app, kind)
	to.gauge(descDoubt, truth(k.InDoubt), app, kind)
	to.gauge(descBudget, float64(k.BudgetLeft), app, kind)
	if k.Generation > 0 {
		to.gauge(descAge, now.Sub(k.IssuedAt).Seconds(), app, kind)
		to.gauge(descExpires, k.ExpiresAt.Sub(now).Seconds(), app, kind)
		to.gauge(descGeneration, float64(k.Generation), app, kind)
	}
}

// counters sends what a credential, or the sum of many, has counted.
func (to scrape) counters(k keeper.Status, app, kind string) {
	to.count(descReads, k.Reads, app, kind)
	for result, n := range k.Issues {
		to.count(descIssues, n, app, kind, result)
	}
	for outcome, n := range k.Reports {
		to.count(descReports, n, app, kind, outcome)
	}
}

// sum is all credentials of a kind taken together.
type sum struct {
	keeper.Status // only its counters
	states        map[keeper.State]int
	live          bool          // any is
	soonest       time.Duration // of the live ones, to expiry
}

func newSum() *sum {
	return &sum{
		Status: keeper.Status{Issues: map[string]uint64{}, Reports: map[string]uint64{}},
		states: map[keeper.State]int{},
	}
}

func (s *sum) add(k keeper.Status, left time.Duration) {
	s.states[k.State]++
	if k.Live && (!s.live || left < s.soonest) {
		s.live, s.soonest = true, left
	}
	s.Reads += k.Reads
	for result, n := range k.Issues {
		s.Issues[result] += n
	}
	for outcome, n := range k.Reports {
		s.Reports[outcome] += n
	}
}
