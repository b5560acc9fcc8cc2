package obs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Detection are the metrics of what watches the journal for what is unlike
// before.
type Detection struct {
	anomalies *prometheus.CounterVec
	subjects  *prometheus.GaugeVec
	open      prometheus.Gauge
	lag       prometheus.Gauge
	evicted   prometheus.Gauge
}

// Detection returns these metrics. It is called once.
func (m *Metrics) Detection() *Detection {
	return &Detection{
		anomalies: m.counter("anomalies_total", "Incidents that were told, by what was odd first and how bad it was.", "metric", "severity"),
		subjects:  m.gauge("detect_subjects", "Callers, keys, tools, routes and addresses with a baseline, by kind.", "kind"),
		open:      m.gauge("detect_open_incidents", "Incidents that have not ended.").WithLabelValues(),
		lag:       m.gauge("detect_lag_seconds", "Age of the record of the journal that is judged next; 0 when all are.").WithLabelValues(),
		evicted:   m.gauge("detect_evicted_subjects", "Subjects forgotten for want of room since the start.").WithLabelValues(),
	}
}

// Anomaly counts an incident.
func (d *Detection) Anomaly(metric, severity string) {
	d.anomalies.WithLabelValues(metric, severity).Inc()
}

// Subjects says how many subjects of a kind are known.
func (d *Detection) Subjects(kind string, n int) { d.subjects.WithLabelValues(kind).Set(float64(n)) }

// State says how many incidents are open, and how many subjects had to go.
func (d *Detection) State(open int, evicted uint64) {
	d.open.Set(float64(open))
	d.evicted.Set(float64(evicted))
}

// Lag says how old the record is that is judged now.
func (d *Detection) Lag(age time.Duration) { d.lag.Set(max(age, 0).Seconds()) }
