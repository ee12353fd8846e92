package wxsim

import (
	"net/http"
	"strings"
	"time"
)

const (
	pathClear   = "/cgi-bin/clear_quota"
	pathClearV2 = "/cgi-bin/clear_quota/v2"
)

// clearsMonthly is shared by both calls and the console.
const clearsMonthly = 10

func quotaRoutes() []route {
	return []route{
		{path: pathClear, method: http.MethodPost, keyed: true, serve: (*Sim).clearQuota},
		{path: pathClearV2, method: http.MethodPost, serve: (*Sim).clearQuotaV2},
		{path: "/cgi-bin/openapi/quota/get", method: http.MethodPost, keyed: true, serve: (*Sim).quotaOf},
		{path: "/cgi-bin/openapi/rid/get", method: http.MethodPost, keyed: true, serve: (*Sim).requestOf},
	}
}

// clearQuota zeroes the daily counters of the app that the token belongs to.
func (s *Sim) clearQuota(c *call) answer {
	if c.json == nil {
		return s.refuse(c, 47001)
	}
	switch id, _ := c.text("appid"); id {
	case "":
		return s.refuse(c, 41002)
	case c.token.app.id:
		return s.zero(c, c.token.app)
	default:
		return s.refuse(c, 40013)
	}
}

// clearQuotaV2 does the same with the AppSecret, for who has no token left. The documentation
// lists its fields in the body and shows them in the query; both are taken.
func (s *Sim) clearQuotaV2(c *call) answer {
	get := func(name string) string {
		if v, _ := c.text(name); v != "" {
			return v
		}
		return c.query.Get(name)
	}
	appid, secret := get("appid"), get("appsecret")
	if appid == "" {
		return s.refuse(c, 41002)
	}
	a := s.app(appid)
	if a == nil {
		return s.refuse(c, 40013)
	}
	if secret == "" {
		return s.refuse(c, 41004)
	}
	a.mu.Lock()
	a.settle(c.arrived)
	right, allowed := secret == a.cfg.Secret, a.allowed(c.ip)
	a.mu.Unlock()
	switch {
	case !right:
		return s.refuse(c, 40125)
	case !allowed:
		return s.refuse(c, s.ipCode())
	}
	return s.zero(c, a)
}

func (s *Sim) zero(c *call, a *app) answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.usage.roll(c.arrived)
	if a.usage.cleared >= clearsMonthly {
		return s.refuse(c, 48006)
	}
	a.usage.cleared++
	a.usage.clear()
	return success()
}

// quotaOf tells what is left of a path's quota.
func (s *Sim) quotaOf(c *call) answer {
	if c.json == nil {
		return s.refuse(c, 47001)
	}
	path, _ := c.text("cgi_path")
	if path != "" && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r := s.routes[path]
	if r == nil {
		return s.refuse(c, 76003)
	}
	a := c.token.app
	a.mu.Lock()
	defer a.mu.Unlock()
	daily, used := r.daily, a.usage.used[path]
	switch path {
	case pathToken:
		daily = a.cfg.DailyQuota
	case pathStable:
		daily = stableDaily
	}
	fields := []field{{"quota", quotaBody{daily, used, max(0, daily-used)}}}
	if path == pathStable {
		fields = append(fields, field{"rate_limit", rateBody{stableMinute, 60}}, field{"component_rate_limit", rateBody{1_050_000, 60}})
	}
	return success(fields...)
}

type quotaBody struct {
	Daily  int `json:"daily_limit"`
	Used   int `json:"used"`
	Remain int `json:"remain"`
}

type rateBody struct {
	Calls   int `json:"call_count"`
	Seconds int `json:"refresh_second"`
}

// requestOf tells about one of the app's own requests; where two codes are commonly known, the
// documentation gives neither its exact case.
func (s *Sim) requestOf(c *call) answer {
	if c.json == nil {
		return s.refuse(c, 47001)
	}
	rid, _ := c.text("rid")
	if strings.Count(rid, "-") != 2 {
		return s.refuse(c, 76002)
	}
	r, ok := s.history.find(rid)
	if !ok || r.App != c.token.app.id {
		return s.refuse(c, 76001)
	}
	return success(field{"request", map[string]any{
		"invoke_time":   r.Time.Unix(),
		"cost_in_ms":    int(r.Took / time.Millisecond),
		"request_url":   "access_token=***",
		"request_body":  "",
		"response_body": "",
		"client_ip":     r.Remote,
	}})
}

// success is the answer of calls that say errcode 0 beside their result.
func success(fields ...field) answer {
	return answer{fields: append([]field{{"errcode", 0}, {"errmsg", "ok"}}, fields...)}
}
