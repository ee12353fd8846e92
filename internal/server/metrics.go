package server

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/hufu-project/hufu/internal/web"
)

// storeTime bounds a question to the store in a scrape.
const storeTime = time.Second

// The metrics of the node; those of credentials are in metrics_credential.go,
// those of logins in metrics_login.go.
// All are read at the scrape: nothing is looked up by label while a request is
// served.
var (
	descStore      = desc("store_up", "1 if the store answers.")
	descWritable   = desc("store_writable", "1 if the store takes what this node writes.")
	descUnrecorded = desc("audit_failures_total", "Audit records that could not be written.")
	descDenied     = desc("denied_total", "Refused callers and requests.")
	descSigned     = desc("signatures_total", "Pages signed for the JS-SDK.")
	descLimited    = desc("limited_total", "Wrong client keys above the pace of their address.")
	descPanics     = desc("panics_total", "Requests that ended in a panic.")
	descConfig     = desc("config_passes", "1 if the configuration's files say what is in force.")
	descRejected   = desc("config_reload_failures_total", "Changed configurations that did not pass.")
	descBuild      = desc("build_info", "The program.", "version", "go", "node")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("hufu_"+name, help, labels, nil)
}

// metrics is a registry of our own, so that nothing else can add to it.
func (s *Server) metrics(surfaces ...*web.Surface) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		&collector{s, surfaces},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// collector reads everything at the moment of the scrape.
type collector struct {
	server   *Server
	surfaces []*web.Surface
}

// Describe describes nothing: which series there are depends on the apps.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends all series.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s, to := c.server, scrape{out}
	to.credentials(s.keeper.All())
	to.calls(s.gateway.Counts())
	to.logins(s.users.Counts())

	guard := s.guard.Counts()
	to.count(descUnrecorded, guard.Unrecorded)
	to.count(descDenied, guard.Denied)
	to.count(descSigned, guard.Signed)
	to.count(descLimited, guard.Limited)
	var panics uint64
	for _, surface := range c.surfaces {
		panics += surface.Panics()
	}
	to.count(descPanics, panics)
	to.gauge(descStore, truth(s.witness.up()))
	to.gauge(descWritable, truth(s.witness.status().Writable))
	to.gauge(descConfig, truth(s.config.status().Passes))
	to.count(descRejected, s.config.rejected.Load())
	to.gauge(descBuild, 1, s.version, runtime.Version(), s.node)
}

// scrape is one answer to a metrics server.
type scrape struct{ out chan<- prometheus.Metric }

func (to scrape) gauge(d *prometheus.Desc, v float64, labels ...string) {
	to.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (to scrape) count(d *prometheus.Desc, v uint64, labels ...string) {
	to.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
