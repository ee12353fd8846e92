package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hufu-project/hufu/internal/gateway"
)

// The metrics of calls that pass through the gateway. Path is one of the
// client's paths, or a family of WeChat's, never the path that was called.
var (
	descCalls    = desc("calls_total", "Calls of WeChat's API by result.", "client", "path", "result")
	descErrcodes = desc("call_errcodes_total", "Errcodes that calls were answered with.", "client", "path", "errcode")
	descHeals    = desc("call_heals_total", "Calls that were sent once more with another token.", "client", "path")
	descTook     = desc("call_seconds", "How long calls took.", "client", "path")
	descCallsNow = desc("calls_under_way", "Calls that have not ended.")
	descAppCalls = desc("app_calls_total", "Calls by app; those of the apps beyond the hundredth have none.", "app")
)

// calls sends what there is to tell about calls.
func (to scrape) calls(all gateway.Counts) {
	to.gauge(descCallsNow, float64(all.Now))
	for app, n := range all.Apps {
		to.count(descAppCalls, n, string(app))
	}
	for _, c := range all.Routes {
		to.count(descHeals, c.Heals, c.Client, c.Pattern)
		calls := uint64(0)
		for result, n := range c.Results {
			calls += n
			to.count(descCalls, n, c.Client, c.Pattern, result)
		}
		for code, n := range c.Errcodes {
			text := strconv.Itoa(code)
			if code == gateway.OtherCodes {
				text = "other"
			}
			to.count(descErrcodes, n, c.Client, c.Pattern, text)
		}
		buckets, below := make(map[float64]uint64, len(c.Took)), uint64(0)
		for i, n := range c.Took {
			below += n
			buckets[gateway.Buckets[i].Seconds()] = below
		}
		to.out <- prometheus.MustNewConstHistogram(descTook, calls, c.Total.Seconds(), buckets, c.Client, c.Pattern)
	}
}
