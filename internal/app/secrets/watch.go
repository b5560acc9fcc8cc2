package secrets

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// watch tells the journal, the log and the metrics what happens to secrets.
type watch struct {
	opts  Options
	reads *prometheus.CounterVec
}

var _ source.Observer = (*watch)(nil)

func newWatch(opts Options) *watch {
	return &watch{opts: opts, reads: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "portcullis", Name: "secret_reads_total", Help: "Questions to sources of secrets, by source and result: success, failure.",
	}, []string{"source", "result"})}
}

// Read implements [source.Observer]. The first reading and each that brought
// something else are recorded; to look and find the same is not.
func (w *watch) Read(ref source.Ref, first, changed bool) {
	w.reads.WithLabelValues(ref.Source, "success").Inc()
	if !first && !changed {
		return
	}
	why := "first"
	if !first {
		why = "changed"
		w.opts.Log.Info("a secret changed where it is kept: the next calls use the new one", "reference", ref.String())
	}
	w.record(ref, portcullis.SeverityInfo, portcullis.OutcomeSuccess, why)
}

// Failed implements [source.Observer]. Each failure is counted and logged, the
// first of a row recorded.
func (w *watch) Failed(ref source.Ref, first bool, err error) {
	w.reads.WithLabelValues(ref.Source, "failure").Inc()
	w.opts.Log.Warn("a secret cannot be read: a value that was read before stays until its lease ends", "reference", ref.String(), "error", err)
	if first {
		w.record(ref, portcullis.SeverityWarn, portcullis.OutcomeFailure, reason(err))
	}
}

// reason says in one word what went wrong.
func reason(err error) string {
	switch {
	case errors.Is(err, source.ErrNotFound):
		return "not_found"
	case errors.Is(err, source.ErrDenied):
		return "denied"
	}
	return "unavailable"
}

func (w *watch) record(ref source.Ref, severity portcullis.Severity, outcome portcullis.Outcome, why string) {
	if w.opts.Recorder == nil {
		return
	}
	e := &portcullis.Event{
		Type: portcullis.EventSecretRead, Severity: severity, Outcome: outcome, Actor: portcullis.Actor{ID: "portcullis"},
		Resource: ref.String(), Reason: why, Details: []slog.Attr{slog.String("source", ref.Source)},
	}
	if err := w.opts.Recorder.Record(context.Background(), e); err != nil {
		w.opts.Log.Error("writing the audit journal", "event", string(e.Type), "error", err)
	}
}

// collector reports the state of the secrets in force when it is asked.
type collector struct{ keeper *Keeper }

func (c collector) descs() (kept, age, expired *prometheus.Desc) {
	name := func(s string) string { return prometheus.BuildFQName("portcullis", "", s) }
	return prometheus.NewDesc(name("secrets"), "Secrets that are kept ready, by source.", []string{"source"}, nil),
		prometheus.NewDesc(name("secret_age_seconds"), "Time since the secret that was confirmed longest ago was read or its lease renewed.", []string{"source"}, nil),
		prometheus.NewDesc(name("secrets_expired"), "Secrets whose lease has ended: calls that need one get 502.", []string{"source"}, nil)
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	kept, age, expired := c.descs()
	ch <- kept
	ch <- age
	ch <- expired
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.keeper.now.Load()
	if s == nil {
		return
	}
	kept, age, expired := c.descs()
	gauge := func(d *prometheus.Desc, v float64, name string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, name)
	}
	for name, state := range s.resolver.States() {
		gauge(kept, float64(state.Secrets), name)
		gauge(age, state.Oldest.Seconds(), name)
		gauge(expired, float64(state.Expired), name)
	}
}
