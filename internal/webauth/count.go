package webauth

import (
	"errors"
	"sync/atomic"

	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

// Counts is what this node has done since it began, by words that are few and
// never come from a request.
type Counts struct {
	// Begun is logins that a site began, Again those that were begun in place of
	// one whose answer was lost; UnderWay is how many count for the bounds now.
	Begun, Again, UnderWay uint64
	// Arrived is browsers sent to their site: with a "code" of ours,
	// "wechat_code", or "denied".
	Arrived map[string]uint64
	// Refused is refused authorize addresses by what was wrong with them.
	Refused map[string]uint64
	// Pages is pages shown, by kind.
	Pages map[string]uint64
	// Exchanges is codes brought to WeChat, and Renewals its refresh tokens,
	// by outcome: "done", "refused", "not_sent", "ambiguous".
	Exchanges, Renewals map[string]uint64
	// Calls is calls on /sns, by act and by outcome: "done", "refused", or
	// "failed" where the store or WeChat could not be asked.
	Calls map[string]map[string]uint64
}

// counter counts by words that are all known beforehand.
type counter map[string]*atomic.Uint64

func newCounter[W ~string](words ...W) counter {
	c := counter{}
	for _, w := range words {
		c[string(w)] = new(atomic.Uint64)
	}
	return c
}

func (c counter) add(word string) {
	if n := c[word]; n != nil {
		n.Add(1)
	}
}

func (c counter) counts() map[string]uint64 {
	all := make(map[string]uint64, len(c))
	for word, n := range c {
		all[word] = n.Load()
	}
	return all
}

// The acts on /sns, as the audit record has them too.
const (
	actRedeem   = "redeem_code"
	actRefresh  = "refresh_user_token"
	actUserInfo = "user_info"
	actCheck    = "check_user_token"
	actExchange = "exchange_mini_program_code"
)

// Words that are counted and have no other home.
const (
	arrivedCode   = "code"
	arrivedWeChat = "wechat_code"
	arrivedDenied = "denied"
	outcomeDone   = "done"
	outcomeFailed = "failed"
)

// counted is everything that is counted.
type counted struct {
	begun, again        atomic.Uint64
	arrived             counter
	refused             counter
	pages               counter
	exchanges, renewals counter
	calls               map[string]counter
}

func newCounted() *counted {
	outcomes := []string{outcomeDone, string(wechat.Refused), string(wechat.NotSent), string(wechat.Ambiguous)}
	c := &counted{
		arrived: newCounter(arrivedCode, arrivedWeChat, arrivedDenied), refused: newCounter(reasons()...), pages: newCounter(pageKinds...),
		exchanges: newCounter(outcomes...), renewals: newCounter(outcomes...), calls: map[string]counter{},
	}
	for _, act := range []string{actRedeem, actRefresh, actUserInfo, actCheck, actExchange} {
		c.calls[act] = newCounter(outcomeDone, string(wechat.Refused), outcomeFailed)
	}
	return c
}

// Counts is what was counted so far.
func (a *Auth) Counts() Counts {
	c := a.counted
	all := Counts{
		Begun: c.begun.Load(), Again: c.again.Load(), UnderWay: a.bounds.count(),
		Arrived: c.arrived.counts(), Refused: c.refused.counts(), Pages: c.pages.counts(),
		Exchanges: c.exchanges.counts(), Renewals: c.renewals.counts(), Calls: map[string]map[string]uint64{},
	}
	for act, n := range c.calls {
		all.Calls[act] = n.counts()
	}
	return all
}

// outcome is what a call to WeChat came to.
func outcome(err error) string {
	if err == nil {
		return outcomeDone
	}
	if e, ok := errors.AsType[*wechat.Error](err); ok {
		return string(e.Outcome)
	}
	return string(wechat.Ambiguous)
}

// called counts a call on /sns by what it was answered with.
func (c *counted) called(act string, refusal *web.WeChatRefusal) {
	switch {
	case refusal == nil:
		c.calls[act].add(outcomeDone)
	case refusal.Code == -1:
		c.calls[act].add(outcomeFailed)
	default:
		c.calls[act].add(string(wechat.Refused))
	}
}
