package server

import "github.com/hufu-project/hufu/internal/webauth"

// The metrics of logins and of users' tokens. Their labels are words of the
// program; none comes from a request.
var (
	descBegun     = desc("logins_begun_total", "Browsers sent to WeChat by a site.")
	descAgain     = desc("logins_begun_again_total", "Logins begun in place of one whose answer from WeChat was lost.")
	descUnderWay  = desc("logins_under_way", "Logins begun and not finished, as they count for the bounds.")
	descArrived   = desc("logins_arrived_total", "Browsers sent back to their site.", "with")
	descRefused   = desc("logins_refused_total", "Authorize addresses refused.", "reason")
	descPages     = desc("login_pages_total", "Pages shown in place of the site's.", "page")
	descExchanges = desc("code_exchanges_total", "Codes of WeChat's brought to it.", "result")
	descRenewals  = desc("user_token_renewals_total", "Refresh tokens of users brought to WeChat.", "result")
	descUserCalls = desc("user_calls_total", "Calls on /sns.", "call", "result")
)

// logins sends what there is to tell about logins.
func (to scrape) logins(c webauth.Counts) {
	to.count(descBegun, c.Begun)
	to.count(descAgain, c.Again)
	to.gauge(descUnderWay, float64(c.UnderWay))
	for with, n := range c.Arrived {
		to.count(descArrived, n, with)
	}
	for reason, n := range c.Refused {
		to.count(descRefused, n, reason)
	}
	for page, n := range c.Pages {
		to.count(descPages, n, page)
	}
	for result, n := range c.Exchanges {
		to.count(descExchanges, n, result)
	}
	for result, n := range c.Renewals {
		to.count(descRenewals, n, result)
	}
	for call, results := range c.Calls {
		for result, n := range results {
			to.count(descUserCalls, n, call, result)
		}
	}
}
