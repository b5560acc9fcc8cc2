package privacy

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/internal/obs"
)

type metrics struct {
	shown  *prometheus.CounterVec
	erased prometheus.Counter
}

func newMetrics(m *obs.Metrics, p *Part) (*metrics, error) {
	out := &metrics{
		shown: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "portcullis", Name: "privacy_shown_total", Help: "How often what is held about a person was shown or exported.",
		}, []string{"action"}),
		erased: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "portcullis", Name: "privacy_erased_total", Help: "Persons who were erased, everywhere.",
		}),
	}
	for _, action := range []string{"access", "export"} {
		out.shown.WithLabelValues(action)
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "portcullis", Name: "privacy_erasures_open", Help: "Erasures that wait for an upstream or a legal hold, or are under way.",
	}, func() float64 {
		runs, err := p.store.OpenErasures(context.Background())
		if err != nil {
			return -1
		}
		return float64(len(runs))
	})
	return out, errors.Join(m.Register(out.shown), m.Register(out.erased), m.Register(open))
}
