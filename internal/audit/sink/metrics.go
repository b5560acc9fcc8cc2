package sink

import "github.com/prometheus/client_golang/prometheus"

const namespace = "portcullis_sink_"

// Collector returns the metrics of the sinks; they carry the names of the
// configuration and nothing that a caller sends.
func (s *Set) Collector() prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+name, help, []string{"sink", "kind"}, nil)
	}
	return &collector{
		set: s,
		all: []metric{
			{desc("lag_seconds", "Age of the oldest event that a sink still has to send."), prometheus.GaugeValue, func(v View) float64 { return v.LagSeconds }},
			{desc("lag_records", "Records of the journal that a sink has still to look at or send."), prometheus.GaugeValue, func(v View) float64 { return float64(v.LagRecords) }},
			{desc("sent_total", "Events that a sink sent and its server took."), prometheus.CounterValue, func(v View) float64 { return float64(v.Sent) }},
			{desc("failed_total", "Attempts to send that failed and are repeated."), prometheus.CounterValue, func(v View) float64 { return float64(v.Failed) }},
			{desc("dead_total", "Events that a server refused and a sink laid aside."), prometheus.CounterValue, func(v View) float64 { return float64(v.Dead) }},
			{desc("missed_total", "Records that were removed before a sink had sent them."), prometheus.CounterValue, func(v View) float64 { return float64(v.Missed) }},
			{desc("dead_letters", "Events in the dead letter file of a sink."), prometheus.GaugeValue, func(v View) float64 { return float64(v.DeadLetters) }},
			{desc("last_success_timestamp_seconds", "When a server last took events, in seconds since 1970; 0 = not since the start."), prometheus.GaugeValue, lastSuccess},
		},
	}
}

type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(View) float64
}

type collector struct {
	set *Set
	all []metric
}

func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.all {
		out <- m.desc
	}
}

func (c *collector) Collect(out chan<- prometheus.Metric) {
	for _, v := range c.set.Views() {
		for _, m := range c.all {
			out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.of(v), v.Name, v.Kind)
		}
	}
}

func lastSuccess(v View) float64 {
	if v.LastSuccess == nil {
		return 0
	}
	return float64(v.LastSuccess.UnixMilli()) / 1000
}
