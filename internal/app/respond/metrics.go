package respond

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/internal/obs"
)

type metrics struct{ scores prometheus.Histogram }

// newMetrics registers what there is to see of incidents. Labels come from
// closed sets only.
func newMetrics(m *obs.Metrics, p *Part) (*metrics, error) {
	gauge := func(name, help string, read func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "portcullis", Name: name, Help: help}, func() float64 { return float64(read()) })
	}
	out := &metrics{prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "portcullis", Name: "risk_score", Help: "Scores of callers after each event that counts.",
		Buckets: []float64{20, 40, 60, 80, 100},
	})}
	return out, errors.Join(
		m.Register(out.scores),
		m.Register(gauge("containments_active", "Containments in force.", func() int { return len(p.held.Active()) })),
		m.Register(gauge("incidents_open", "Incidents that nobody has closed.", p.cases.Count)),
		m.Register(gauge("risk_subjects", "Callers and addresses of which something is kept that counts.", p.scores.Len)),
	)
}
