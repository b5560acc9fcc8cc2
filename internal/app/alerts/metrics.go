package alerts

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

// metrics count alerts. Their labels are the names of channels.
type metrics struct {
	sent, failed, dead, held *prometheus.CounterVec
	gauges                   []prometheus.Collector
}

var _ alert.Observer = (*metrics)(nil)

func newMetrics(p *Part) *metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "portcullis", Name: name, Help: help}, []string{"channel"})
	}
	gauge := func(name, help string, read func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "portcullis", Name: name, Help: help}, func() float64 { return float64(read()) })
	}
	m := &metrics{
		sent:   counter("alerts_sent_total", "Messages that a channel took."),
		failed: counter("alerts_failed_total", "Attempts to send a message that failed; they are repeated."),
		dead:   counter("alerts_dead_total", "Messages that were given up: the channel refused them, or was away for too long."),
		held:   counter("alerts_held_total", "Messages held back because the limit of a channel was reached; a digest tells of them."),
	}
	m.gauges = []prometheus.Collector{
		gauge("alerts_open", "Alerts about what goes on.", func() int { n, _ := p.engine.Stats(); return n }),
		gauge("alerts_waiting", "Messages that are still to be sent.", func() int { _, n := p.engine.Stats(); return n }),
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(ch)
	}
}

func (m *metrics) all() []prometheus.Collector {
	return append([]prometheus.Collector{m.sent, m.failed, m.dead, m.held}, m.gauges...)
}

// Sent implements alert.Observer.
func (m *metrics) Sent(channel string) { m.sent.WithLabelValues(channel).Inc() }

// Failed implements alert.Observer.
func (m *metrics) Failed(channel string) { m.failed.WithLabelValues(channel).Inc() }

// Dead implements alert.Observer.
func (m *metrics) Dead(channel string) { m.dead.WithLabelValues(channel).Inc() }

// Suppressed implements alert.Observer.
func (m *metrics) Suppressed(channel string) { m.held.WithLabelValues(channel).Inc() }
