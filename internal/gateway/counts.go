package gateway

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// maxApps and maxRoutes are how many apps, and how many routes, are counted
// apart; the calls of the rest are added up under no name.
const (
	maxApps   = 100
	maxRoutes = 2000
)

// Buckets are the upper ends of the ranges in which durations are counted.
var Buckets = [...]time.Duration{
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// Route is what calls are counted by: a client, and one of its paths or the
// family of WeChat's. Pattern is empty for what was refused before it was
// known.
type Route struct{ Client, Pattern string }

// Count is the calls of one route since the start.
type Count struct {
	Route
	Results  map[string]uint64 // passed, refused, failed, left
	Errcodes map[int]uint64    // that WeChat answered, or Hufu in its place; see OtherCodes
	Heals    uint64
	Took     [len(Buckets)]uint64 // by the bucket that a call fell into; what took longer is in none
	Total    time.Duration
}

type counts struct {
	routes  sync.Map // Route to *count
	nRoutes atomic.Int64
	apps    sync.Map // credential.App to *atomic.Uint64
	nApps   atomic.Int64
}

type count struct {
	mu sync.Mutex
	Count
}

func newCounts() *counts { return &counts{} }

// OtherCodes stands for all numbers of a route beyond the first hundred.
const OtherCodes = -2

const maxCodes = 100

func (n *counts) add(c *call, took time.Duration) {
	r := n.route(Route{c.caller.Client.Name, c.pattern})
	r.mu.Lock()
	defer r.mu.Unlock()
	code := c.errcode
	if _, known := r.Errcodes[code]; !known && len(r.Errcodes) >= maxCodes {
		code = OtherCodes
	}
	r.Results[string(c.result)]++
	if c.errcode != 0 {
		r.Errcodes[code]++
	}
	r.Heals += uint64(c.heals)
	r.Total += took
	for i, end := range Buckets {
		if took <= end {
			r.Took[i]++
			break
		}
	}
	n.app(c.app).Add(1)
}

// route is the counter of a route, or the one of all the others.
func (n *counts) route(r Route) *count {
	v, ok := n.routes.Load(r)
	if !ok {
		if n.nRoutes.Add(1) > maxRoutes {
			n.nRoutes.Add(-1)
			r = Route{}
		}
		v, _ = n.routes.LoadOrStore(r, &count{Count: Count{Route: r, Results: map[string]uint64{}, Errcodes: map[int]uint64{}}})
	}
	return v.(*count)
}

// app is the counter of an app, or the one of all the others.
func (n *counts) app(id credential.App) *atomic.Uint64 {
	v, ok := n.apps.Load(id)
	if !ok {
		if n.nApps.Add(1) > maxApps {
			n.nApps.Add(-1)
			id = ""
		}
		v, _ = n.apps.LoadOrStore(id, new(atomic.Uint64))
	}
	return v.(*atomic.Uint64)
}

// Counts is what a gateway counted since it was made.
type Counts struct {
	Routes []Count
	// Apps is the calls for each app, those of the apps beyond the hundredth
	// under "".
	Apps map[credential.App]uint64
	// Now is how many calls are under way.
	Now int64
}

// Counts returns the counters.
func (g *Gateway) Counts() Counts {
	all := Counts{Apps: map[credential.App]uint64{}, Now: g.limits.total.Load()}
	g.counts.routes.Range(func(_, v any) bool {
		r := v.(*count)
		r.mu.Lock()
		defer r.mu.Unlock()
		one := r.Count
		one.Results, one.Errcodes = maps.Clone(one.Results), maps.Clone(one.Errcodes)
		all.Routes = append(all.Routes, one)
		return true
	})
	g.counts.apps.Range(func(id, v any) bool {
		all.Apps[id.(credential.App)] = v.(*atomic.Uint64).Load()
		return true
	})
	return all
}
