package obs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PushMetrics count the notifications of agents that the gateway delivers.
type PushMetrics struct {
	delivered, retried, dead prometheus.Counter
	seconds                  prometheus.Histogram
}

// Push returns the metrics of notifications. It is called once.
func (m *Metrics) Push() (*PushMetrics, error) {
	p := &PushMetrics{
		delivered: m.counter("push_delivered_total", "Notifications of agents that were delivered.").WithLabelValues(),
		retried:   m.counter("push_retried_total", "Failed attempts to deliver a notification that is tried again.").WithLabelValues(),
		dead:      m.counter("push_dead_total", "Notifications that became dead letters.").WithLabelValues(),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "push_delivery_seconds", Help: "Duration of successful deliveries of notifications.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 15},
		}),
	}
	return p, m.registry.Register(p.seconds)
}

// Delivered counts a notification that was delivered.
func (p *PushMetrics) Delivered(took time.Duration) {
	p.delivered.Inc()
	p.seconds.Observe(took.Seconds())
}

// Retried counts a failed attempt.
func (p *PushMetrics) Retried() { p.retried.Inc() }

// Dead counts a dead letter.
func (p *PushMetrics) Dead() { p.dead.Inc() }
