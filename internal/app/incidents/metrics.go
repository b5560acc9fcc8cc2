package incidents

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
)

// open tells how many incidents are open, by severity.
type open struct {
	cases *casebook.Book
	desc  *prometheus.Desc
}

var _ prometheus.Collector = (*open)(nil)

func newOpen(cases *casebook.Book) *open {
	return &open{cases, prometheus.NewDesc("portcullis_incidents_open_by_severity", "Incidents that nobody has closed, by how bad they are.", []string{"severity"}, nil)}
}

// Describe implements prometheus.Collector.
func (o *open) Describe(out chan<- *prometheus.Desc) { out <- o.desc }

// Collect implements prometheus.Collector.
func (o *open) Collect(out chan<- prometheus.Metric) {
	for _, s := range casebook.Severities() {
		out <- prometheus.MustNewConstMetric(o.desc, prometheus.GaugeValue, float64(o.cases.CountBy(s)), string(s))
	}
}
