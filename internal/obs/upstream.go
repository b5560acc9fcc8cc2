package obs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type upstreamVecs struct {
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	dials    *prometheus.CounterVec
	open     *prometheus.GaugeVec
}

func (m *Metrics) newUpstreamVecs() upstreamVecs {
	return upstreamVecs{
		calls: m.counter("upstream_requests_total",
			"Calls carried to the upstream, by result: ok, error, timeout, canceled.", "route", "result"),
		duration: m.histogram("upstream_duration_seconds",
			"Time from sending a call to the upstream to the headers of its answer.", "route"),
		dials: m.counter("upstream_connections_total", "Connections opened to the upstream.", "route"),
		open:  m.gauge("upstream_open_connections", "Connections to the upstream that are open now.", "route"),
	}
}

// Upstream is what is counted of the upstream of one route. Its fields are
// resolved: using them looks up no labels.
type Upstream struct {
	OK, Error, Timeout, Canceled prometheus.Counter
	Dials                        prometheus.Counter
	Open                         prometheus.Gauge
	duration                     prometheus.Observer
}

// Upstream returns the metrics of the upstream of the route of that name.
func (m *Metrics) Upstream(route string) *Upstream {
	v := &m.upstreams
	return &Upstream{
		OK: v.calls.WithLabelValues(route, "ok"), Error: v.calls.WithLabelValues(route, "error"),
		Timeout: v.calls.WithLabelValues(route, "timeout"), Canceled: v.calls.WithLabelValues(route, "canceled"),
		Dials: v.dials.WithLabelValues(route), Open: v.open.WithLabelValues(route),
		duration: v.duration.WithLabelValues(route),
	}
}

// Answered notes the time until the headers of an answer arrived.
func (u *Upstream) Answered(took time.Duration) { u.duration.Observe(took.Seconds()) }

type bridgeVecs struct {
	children *prometheus.GaugeVec
	starts   *prometheus.CounterVec
	exits    *prometheus.CounterVec
}

func (m *Metrics) newBridgeVecs() bridgeVecs {
	return bridgeVecs{
		children: m.gauge("bridge_children", "Child processes of the stdio bridge that run now.", "route"),
		starts:   m.counter("bridge_starts_total", "Child processes that the stdio bridge started.", "route"),
		exits:    m.counter("bridge_exits_total", "Child processes that ended, by result: ok, error.", "route", "result"),
	}
}

// Bridge is what is counted of the stdio bridge of one route.
type Bridge struct {
	Children        prometheus.Gauge
	Starts          prometheus.Counter
	Exited, Crashed prometheus.Counter
}

// Bridge returns the metrics of the stdio bridge of the route of that name.
func (m *Metrics) Bridge(route string) *Bridge {
	v := &m.bridge
	return &Bridge{
		Children: v.children.WithLabelValues(route), Starts: v.starts.WithLabelValues(route),
		Exited: v.exits.WithLabelValues(route, "ok"), Crashed: v.exits.WithLabelValues(route, "error"),
	}
}
