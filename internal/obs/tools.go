package obs

import "github.com/prometheus/client_golang/prometheus"

// ToolsHeld makes count the source of portcullis_tools_held: how many tools of
// each route wait for an operator. It returns an error when called twice.
func (m *Metrics) ToolsHeld(count func() map[string]int) error {
	return m.registry.Register(toolsHeld{count, prometheus.NewDesc(
		prometheus.BuildFQName(namespace, "", "tools_held"),
		"Tools that are held until an operator approves them, by route.", []string{"route"}, nil)})
}

type toolsHeld struct {
	count func() map[string]int
	desc  *prometheus.Desc
}

func (t toolsHeld) Describe(out chan<- *prometheus.Desc) { out <- t.desc }

func (t toolsHeld) Collect(out chan<- prometheus.Metric) {
	for route, n := range t.count() {
		out <- prometheus.MustNewConstMetric(t.desc, prometheus.GaugeValue, float64(n), route)
	}
}
