package obs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RetentionMetrics count what the retention of the audit log does and show
// what it keeps.
type RetentionMetrics struct {
	divided                 prometheus.Counter
	removed, removedRecords *prometheus.CounterVec
	failures                *prometheus.CounterVec
	bytes, oldest           *prometheus.GaugeVec
	undivided, free         prometheus.Gauge
}

// Retention returns the metrics of the retention of the audit log. It is
// called once.
func (m *Metrics) Retention() *RetentionMetrics {
	r := &RetentionMetrics{
		divided:        m.counter("audit_segments_divided_total", "Segments of the audit log divided by class.").WithLabelValues(),
		removed:        m.counter("audit_removed_bytes_total", "Bytes of class files of the audit log removed at the end of their time.", "class"),
		removedRecords: m.counter("audit_removed_records_total", "Records of the audit log removed at the end of their time.", "class"),
		failures:       m.counter("audit_retention_errors_total", "Failed operations of the retention of the audit log.", "operation"),
		bytes:          m.gauge("audit_sealed_bytes", "Bytes of class files of the audit log.", "class"),
		oldest:         m.gauge("audit_oldest_record_timestamp_seconds", "Time of the oldest record in class files of the audit log.", "class"),
		undivided:      m.gauge("audit_undivided_bytes", "Bytes of segments of the audit log that are not divided yet.").WithLabelValues(),
		free:           m.gauge("audit_disk_free_bytes", "Free bytes on the disk of the audit log.").WithLabelValues(),
	}
	for _, operation := range [...]string{"divide", "archive", "remove", "erase", "pass"} {
		r.failures.WithLabelValues(operation) // there before the first failure
	}
	return r
}

// Divided counts a divided segment.
func (r *RetentionMetrics) Divided() { r.divided.Inc() }

// Removed counts a class file that was removed.
func (r *RetentionMetrics) Removed(class string, records uint64, bytes int64) {
	r.removed.WithLabelValues(class).Add(float64(bytes))
	r.removedRecords.WithLabelValues(class).Add(float64(records))
}

// Failed counts a failed operation: "divide", "archive", "remove", "erase", "pass".
func (r *RetentionMetrics) Failed(operation string) { r.failures.WithLabelValues(operation).Inc() }

// Kept shows what is kept of a class.
func (r *RetentionMetrics) Kept(class string, bytes int64, oldest time.Time) {
	r.bytes.WithLabelValues(class).Set(float64(bytes))
	if oldest.IsZero() {
		r.oldest.DeleteLabelValues(class)
		return
	}
	r.oldest.WithLabelValues(class).Set(float64(oldest.Unix()))
}

// Disk shows what is not divided yet, and what is free.
func (r *RetentionMetrics) Disk(undivided int64, free uint64) {
	r.undivided.Set(float64(undivided))
	r.free.Set(float64(free))
}
