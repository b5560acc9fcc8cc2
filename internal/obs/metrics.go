package obs

import (
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Build says which program runs.
type Build struct{ Version, Revision string }

// Metrics are the metrics of one gateway, in a registry of their own
// (requirement S1-15). Labels come from configuration and from closed sets
// only: nothing a caller sends makes a new series. It is safe for concurrent
// use.
type Metrics struct {
	registry *prometheus.Registry
	methods  map[string]uint8 // number of each known method
	names    []string         // by number

	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	refusals  *prometheus.CounterVec
	inflight  *prometheus.GaugeVec
	content   *prometheus.CounterVec
	upstreams upstreamVecs
	bridge    bridgeVecs
	expiry    *prometheus.GaugeVec
	failedTLS prometheus.Counter
	reloads   *prometheus.CounterVec
	reloaded  prometheus.Gauge
	journal   *JournalMetrics
	spans     *prometheus.CounterVec
	families  atomic.Pointer[[]string] // of aliases that are shown

	mu     sync.Mutex
	routes map[string]*Route
}

// durationBuckets are upper bounds in seconds: from what the gateway itself
// costs to what a slow tool takes.
func durationBuckets() []float64 {
	return []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

// NewMetrics returns the metrics of a gateway, with those of the Go runtime and
// the process.
func NewMetrics(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), routes: make(map[string]*Route)}
	m.names = knownMethods[:]
	m.methods = make(map[string]uint8, len(m.names))
	for i, name := range m.names {
		m.methods[name] = uint8(i)
	}
	m.requests = m.counter("requests_total",
		"Calls answered, by route, method (JSON-RPC or HTTP), HTTP status and outcome.", "route", "method", "code", "outcome")
	m.duration = m.histogram("request_duration_seconds",
		"Time from the arrival of a call to the end of its answer.", "route")
	m.refusals = m.counter("refusals_total",
		"Calls refused, by the phase and guard that refused them and the reason given.", "route", "phase", "guard", "reason")
	m.inflight = m.gauge("inflight_requests", "Calls being answered now, open streams included.", "route")
	m.content = m.counter("content_findings_total",
		"What content rules found, by the kind of the finding and what was done about it.", "route", "kind", "action")
	m.upstreams = m.newUpstreamVecs()
	m.bridge = m.newBridgeVecs()
	m.expiry = m.gauge("tls_certificate_expiry_timestamp_seconds",
		"When a certificate or revocation list in use ends, in seconds since 1970.", "certificate")
	m.failedTLS = m.counter("tls_handshake_failures_total", "TLS handshakes with callers that failed.").WithLabelValues()
	m.reloads = m.counter("config_reloads_total", "Reloads of the configuration, by result.", "result")
	m.reloads.WithLabelValues("success")
	m.reloads.WithLabelValues("failure")
	m.reloaded = m.gauge("config_last_reload_success_timestamp_seconds",
		"When the configuration in force was loaded, in seconds since 1970.").WithLabelValues()
	m.journal = m.newJournalMetrics()
	m.spans = m.counter("trace_spans_total",
		"Spans of recorded traces, by what became of them: exported, failed (the collector did not take them), dropped (too many waited).", "result")
	for _, result := range [...]string{"exported", "failed", "dropped"} {
		m.spans.WithLabelValues(result)
	}
	m.gauge("build_info", "Always 1; the labels say which program runs.", "version", "revision", "goversion").
		WithLabelValues(b.Version, b.Revision, runtime.Version()).Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

const namespace = "portcullis"

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: durationBuckets(),
	}, labels)
	m.registry.MustRegister(v)
	return v
}

// Register adds a collector of another package. It returns an error if the
// collector's metrics clash with known ones.
func (m *Metrics) Register(c prometheus.Collector) error { return m.registry.Register(c) }

// Gather returns the registry for reading, as the console and tests do.
func (m *Metrics) Gather() prometheus.Gatherer { return m.registry }

// Handler serves the metrics as text/plain; version=0.0.4, or as OpenMetrics
// to scrapers that ask for it (requirement S1-16). It does no authentication.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(aliased{m.registry, &m.families}, promhttp.HandlerOpts{
		Registry:            m.registry,
		ErrorHandling:       promhttp.ContinueOnError,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// Reloaded counts a reload of the configuration; the start is the first.
func (m *Metrics) Reloaded(err error) {
	if err != nil {
		m.reloads.WithLabelValues("failure").Inc()
		return
	}
	m.reloads.WithLabelValues("success").Inc()
	m.reloaded.SetToCurrentTime()
}

// CertificateExpiry notes when the certificate of that name ends.
func (m *Metrics) CertificateExpiry(name string, ends time.Time) {
	m.expiry.WithLabelValues(name).Set(float64(ends.Unix()))
}

// Spans counts spans: "exported", "failed", "dropped".
func (m *Metrics) Spans(result string, n int) { m.spans.WithLabelValues(result).Add(float64(n)) }

// HandshakeFailed counts a TLS handshake that came to nothing.
func (m *Metrics) HandshakeFailed() { m.failedTLS.Inc() }

// RateLimitKeys makes count the source of portcullis_ratelimit_keys: how many
// callers the limiter remembers. It returns an error when called twice.
func (m *Metrics) RateLimitKeys(count func() int) error {
	return m.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "ratelimit_keys", Help: "Keys that the rate limiter remembers.",
	}, func() float64 { return float64(count()) }))
}

// Journal returns the metrics of the audit journal.
func (m *Metrics) Journal() *JournalMetrics { return m.journal }

// JournalMetrics count what the audit journal does.
type JournalMetrics struct {
	records, bytes, lost prometheus.Counter
	syncs                prometheus.Histogram
	failures             *prometheus.CounterVec
}

func (m *Metrics) newJournalMetrics() *JournalMetrics {
	j := &JournalMetrics{
		records:  m.counter("journal_records_total", "Audit records written.").WithLabelValues(),
		bytes:    m.counter("journal_bytes_total", "Bytes of audit records written.").WithLabelValues(),
		lost:     m.counter("journal_lost_total", "Events not recorded although their call passed.").WithLabelValues(),
		syncs:    m.syncHistogram(),
		failures: m.counter("journal_errors_total", "Failed operations of the audit journal.", "operation"),
	}
	for _, operation := range [...]string{"write", "sync", "rotate", "close"} {
		j.failures.WithLabelValues(operation) // there before the first failure
	}
	return j
}

func (m *Metrics) syncHistogram() prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "journal_sync_duration_seconds", Help: "Time that an fsync of the audit journal takes.",
		Buckets: durationBuckets(),
	})
	m.registry.MustRegister(h)
	return h
}

// Wrote counts one write.
func (j *JournalMetrics) Wrote(records, bytes int) {
	j.records.Add(float64(records))
	j.bytes.Add(float64(bytes))
}

// Synced notes how long an fsync took.
func (j *JournalMetrics) Synced(took time.Duration) { j.syncs.Observe(took.Seconds()) }

// Failed counts a failed operation: "write", "sync", "rotate", "close".
func (j *JournalMetrics) Failed(operation string) { j.failures.WithLabelValues(operation).Inc() }

// Lost counts an event that was not recorded although its call passed.
func (j *JournalMetrics) Lost() { j.lost.Inc() }
