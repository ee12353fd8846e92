package wxsim

import (
	"sync"
	"testing"
	"time"
)

// TestManyCallersAtOnce is for the race detector: every public method beside every other.
func TestManyCallersAtOnce(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{Quirks: DefaultQuirks &^ SlowAnswers, Speed: 3600, MinuteLimit: 1 << 30})
	k.Fail(Fault{Mode: Garbage, Probability: 0.1})
	do := []func(){
		func() { k.use(k.classic().token) },
		func() { k.stableAsk(false) },
		func() { k.stableAsk(true) },
		func() { k.Valid(appID, k.Current(appID, Classic)) },
		func() {
			k.Tokens(appID)
			k.Apps()
			k.History()
			k.Violations()
			k.Counts()
			k.Faults()
		},
		func() { k.IssuesWithin(appID, time.Hour); k.LastIssue(appID); k.Asked(appID, Stable) },
		func() { must(t, k.Outsider(appID)); must(t, k.Revoke(appID)); must(t, k.Expire(appID)) },
		func() { must(t, k.Freeze(appID)); must(t, k.Unfreeze(appID)); must(t, k.AllowIPs(appID)) },
		func() { k.Fail(Fault{Mode: Empty, Count: 1})() },
		func() {
			code := k.code(appID, scopeUserinfo)
			l := k.exchange(appID, secret, code)
			k.userinfo(l)
			k.refresh(appID, l.Refresh)
			k.Exchanges(code)
			k.Codes(appID)
			k.UserTokens(appID)
			k.Logins(appID)
			k.Users()
		},
		func() {
			if list, err := k.phone().Authorize(t.Context(), authorizeURL(scopeUserinfo)); err == nil {
				k.exchange(appID, secret, list[0])
			}
		},
		func() {
			must(t, k.Follow(appID, "xiaoming", true))
			must(t, k.ExpireUser(appID, "xiaoming"))
			must(t, k.ChangePassword("xiaoming"))
		},
		func() { k.CallbackDomains(appID, site) }, // five times a month
	}
	var wg sync.WaitGroup
	for _, f := range do {
		wg.Go(func() {
			for range 100 {
				f()
			}
		})
	}
	wg.Wait()
}

func TestThreeHundredStableCallersGetOneToken(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	var wg sync.WaitGroup
	var seen sync.Map
	for range 300 {
		wg.Go(func() { seen.Store(k.stableAsk(false).token, true) })
	}
	wg.Wait()
	n := 0
	seen.Range(func(any, any) bool { n++; return true })
	if n != 1 || k.IssuesOf(appID, Stable) != 1 || k.Asked(appID, Stable) != 300 {
		t.Errorf("got %d tokens, %d issues, %d requests", n, k.IssuesOf(appID, Stable), k.Asked(appID, Stable))
	}
}
