// Package monitoring is the list of the gateway's metrics as data, and what is
// made of it: the reference page docs/metrics.md, a Grafana dashboard and
// Prometheus alert rules. What `portcullis metrics` prints is made here, and so
// are the files under deploy; tests hold the files to the list, and the list to
// what a running gateway registers.
package monitoring

import "slices"

// Type of a metric, in the words of Prometheus.
type Type string

// Types.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Label of a metric and what bounds its values.
type Label struct {
	Name   string `json:"name"`
	Values string `json:"values"`
}

// Metric is one metric of the gateway.
type Metric struct {
	Area   string  `json:"area"`
	Name   string  `json:"name"`
	Type   Type    `json:"type"`
	Unit   string  `json:"unit,omitempty"` // of a value: "seconds", "bytes"; "" for a number of things
	Help   string  `json:"help"`           // as the registry has it
	Labels []Label `json:"labels,omitempty"`
}

// List returns the metrics, area by area.
func List() []Metric { return slices.Clone(metrics[:]) }

// Areas, in the order of the reference page.
const (
	calls     = "Calls"
	upstreams = "Upstreams"
	audit     = "Audit journal"
	content   = "Content and tools"
	detection = "Detection"
	secrets   = "Secrets and certificates"
	process   = "Process"
)

// Labels that many metrics have.
var (
	route   = Label{"route", "names of routes in the configuration, `admin`, and empty for unknown paths"}
	origins = Label{"source", "kinds of sources of secrets: `wallet`, `env`, `file`, …"}
)

// classLabels are those of the metrics of classes of the audit log.
var classLabels = [...]Label{{"class", "`access`, `security`, `audit`"}}

// channelLabels are those of the metrics of alerts.
var channelLabels = [...]Label{{"channel", "names of channels of alerts in the configuration"}}

// sinkLabels are those of the metrics of sinks.
var sinkLabels = [...]Label{{"sink", "names of sinks in the configuration"}, {"kind", "`splunk`, `syslog`, `http`, `elastic`, `otlp`, `file`, `webhook`"}}

// metrics is the list. A metric that a gateway registers and that is not here
// fails a test.
var metrics = [...]Metric{
	{calls, "portcullis_requests_total", Counter, "", "Calls answered, by route, method (JSON-RPC or HTTP), HTTP status and outcome.",
		[]Label{route, {"method", "methods that MCP, A2A and HTTP define, else `other`"}, {"code", "HTTP status, else `other`"}, {"outcome", "`success`, `refused`, `failure`"}}},
	{calls, "portcullis_request_duration_seconds", Histogram, "seconds", "Time from the arrival of a call to the end of its answer.", []Label{route}},
	{calls, "portcullis_inflight_requests", Gauge, "", "Calls being answered now, open streams included.", []Label{route}},
	{calls, "portcullis_refusals_total", Counter, "", "Calls refused, by the phase and guard that refused them and the reason given.",
		[]Label{route, {"phase", "phases of the pipeline"}, {"guard", "guards of the pipeline"}, {"reason", "reasons in refusals, such as `forbidden`"}}},
	{calls, "portcullis_ratelimit_keys", Gauge, "", "Keys that the rate limiter remembers.", nil},

	{upstreams, "portcullis_upstream_requests_total", Counter, "", "Calls carried to the upstream, by result: ok, error, timeout, canceled.",
		[]Label{route, {"result", "`ok`, `error`, `timeout`, `canceled`"}}},
	{upstreams, "portcullis_upstream_duration_seconds", Histogram, "seconds", "Time from sending a call to the upstream to the headers of its answer.", []Label{route}},
	{upstreams, "portcullis_upstream_connections_total", Counter, "", "Connections opened to the upstream.", []Label{route}},
	{upstreams, "portcullis_upstream_open_connections", Gauge, "", "Connections to the upstream that are open now.", []Label{route}},
	{upstreams, "portcullis_bridge_children", Gauge, "", "Child processes of the stdio bridge that run now.", []Label{route}},
	{upstreams, "portcullis_bridge_starts_total", Counter, "", "Child processes that the stdio bridge started.", []Label{route}},
	{upstreams, "portcullis_bridge_exits_total", Counter, "", "Child processes that ended, by result: ok, error.", []Label{route, {"result", "`ok`, `error`"}}},
	{upstreams, "portcullis_push_delivered_total", Counter, "", "Notifications of agents that were delivered.", nil},
	{upstreams, "portcullis_push_retried_total", Counter, "", "Failed attempts to deliver a notification that is tried again.", nil},
	{upstreams, "portcullis_push_dead_total", Counter, "", "Notifications that became dead letters.", nil},
	{upstreams, "portcullis_push_delivery_seconds", Histogram, "seconds", "Duration of successful deliveries of notifications.", nil},

	{audit, "portcullis_journal_records_total", Counter, "", "Audit records written.", nil},
	{audit, "portcullis_journal_bytes_total", Counter, "bytes", "Bytes of audit records written.", nil},
	{audit, "portcullis_journal_sync_duration_seconds", Histogram, "seconds", "Time that an fsync of the audit journal takes.", nil},
	{audit, "portcullis_journal_errors_total", Counter, "", "Failed operations of the audit journal.", []Label{{"operation", "`write`, `sync`, `rotate`, `close`"}}},
	{audit, "portcullis_journal_lost_total", Counter, "", "Events not recorded although their call passed.", nil},
	{audit, "portcullis_audit_log_size", Gauge, "", "Records of the audit log that the newest checkpoint covers.", nil},
	{audit, "portcullis_audit_log_lag_seconds", Gauge, "seconds", "How long the oldest record that no checkpoint covers has waited.", nil},
	{audit, "portcullis_audit_log_failures_total", Counter, "", "Failures to continue, witness or publish the transparency log; refused: its files do not fit what was signed.",
		[]Label{{"operation", "`append`, `refused`, `witness`, `publish`"}}},
	{audit, "portcullis_audit_index_updated_seconds", Gauge, "seconds", "When the index of the audit log last had all that fills a block, in seconds since 1970; 0 before the first time.", nil},
	{audit, "portcullis_audit_undivided_bytes", Gauge, "bytes", "Bytes of segments of the audit log that are not divided yet.", nil},
	{audit, "portcullis_audit_segments_divided_total", Counter, "", "Segments of the audit log divided by class.", nil},
	{audit, "portcullis_audit_sealed_bytes", Gauge, "bytes", "Bytes of class files of the audit log.", classLabels[:]},
	{audit, "portcullis_audit_oldest_record_timestamp_seconds", Gauge, "seconds", "Time of the oldest record in class files of the audit log.", classLabels[:]},
	{audit, "portcullis_audit_removed_bytes_total", Counter, "bytes", "Bytes of class files of the audit log removed at the end of their time.", classLabels[:]},
	{audit, "portcullis_audit_removed_records_total", Counter, "", "Records of the audit log removed at the end of their time.", classLabels[:]},
	{audit, "portcullis_audit_retention_errors_total", Counter, "", "Failed operations of the retention of the audit log.", []Label{{"operation", "`divide`, `archive`, `remove`, `pass`"}}},
	{audit, "portcullis_audit_disk_free_bytes", Gauge, "bytes", "Free bytes on the disk of the audit log.", nil},
	{audit, "portcullis_privacy_shown_total", Counter, "", "How often what is held about a person was shown or exported.", []Label{{"action", "`access`, `export`"}}},
	{audit, "portcullis_privacy_erased_total", Counter, "", "Persons who were erased, everywhere.", nil},
	{audit, "portcullis_privacy_erasures_open", Gauge, "", "Erasures that wait for an upstream or a legal hold, or are under way.", nil},
	{audit, "portcullis_sink_lag_seconds", Gauge, "seconds", "Age of the oldest event that a sink still has to send.", sinkLabels[:]},
	{audit, "portcullis_sink_lag_records", Gauge, "", "Records of the journal that a sink has still to look at or send.", sinkLabels[:]},
	{audit, "portcullis_sink_sent_total", Counter, "", "Events that a sink sent and its server took.", sinkLabels[:]},
	{audit, "portcullis_sink_failed_total", Counter, "", "Attempts to send that failed and are repeated.", sinkLabels[:]},
	{audit, "portcullis_sink_dead_total", Counter, "", "Events that a server refused and a sink laid aside.", sinkLabels[:]},
	{audit, "portcullis_sink_missed_total", Counter, "", "Records that were removed before a sink had sent them.", sinkLabels[:]},
	{audit, "portcullis_sink_dead_letters", Gauge, "", "Events in the dead letter file of a sink.", sinkLabels[:]},
	{audit, "portcullis_sink_last_success_timestamp_seconds", Gauge, "seconds", "When a server last took events, in seconds since 1970; 0 = not since the start.", sinkLabels[:]},

	{content, "portcullis_content_findings_total", Counter, "", "What content rules found, by the kind of the finding and what was done about it.",
		[]Label{route, {"kind", "kinds of detectors"}, {"action", "actions of rules"}}},
	{content, "portcullis_tools_held", Gauge, "", "Tools that are held until an operator approves them, by route.", []Label{route}},

	{detection, "portcullis_risk_score", Histogram, "", "Scores of callers after each event that counts.", nil},
	{detection, "portcullis_risk_subjects", Gauge, "", "Callers and addresses of which something is kept that counts.", nil},
	{detection, "portcullis_incidents_open", Gauge, "", "Incidents that nobody has closed.", nil},
	{detection, "portcullis_incidents_open_by_severity", Gauge, "", "Incidents that nobody has closed, by how bad they are.", []Label{{"severity", "`P1`, `P2`, `P3`, `P4`"}}},
	{detection, "portcullis_duty_due_seconds", Gauge, "seconds", "Time until a duty is due; below zero it is, for so long.", []Label{{"duty", "names of `[[incident.duty]]`"}}},
	{detection, "portcullis_duty_overdue", Gauge, "", "Whether a duty is overdue by more than its grace: 1 or 0.", []Label{{"duty", "names of `[[incident.duty]]`"}}},
	{detection, "portcullis_containments_active", Gauge, "", "Containments in force.", nil},
	{detection, "portcullis_break_glass", Gauge, "", "Break-glass grants in force.", nil},
	{detection, "portcullis_consents", Gauge, "", "Consents in force.", nil},
	{detection, "portcullis_anomalies_total", Counter, "", "Incidents that were told, by what was odd first and how bad it was.",
		[]Label{{"metric", "`call_rate`, `error_rate`, `denial_rate`, `latency`, `bytes_out`, `new_tool`, `new_country`, `off_hours`, `rapid_requests`, `scanning`"}, {"severity", "`WARN`, `CRITICAL`"}}},
	{detection, "portcullis_detect_subjects", Gauge, "", "Callers, keys, tools, routes and addresses with a baseline, by kind.",
		[]Label{{"kind", "`principal`, `key`, `tool`, `route`, `address`"}}},
	{detection, "portcullis_detect_open_incidents", Gauge, "", "Incidents that have not ended.", nil},
	{detection, "portcullis_detect_lag_seconds", Gauge, "seconds", "Age of the record of the journal that is judged next; 0 when all are.", nil},
	{detection, "portcullis_detect_evicted_subjects", Gauge, "", "Subjects forgotten for want of room since the start.", nil},
	{detection, "portcullis_alerts_open", Gauge, "", "Alerts about what goes on.", nil},
	{detection, "portcullis_alerts_waiting", Gauge, "", "Messages that are still to be sent.", nil},
	{detection, "portcullis_alerts_sent_total", Counter, "", "Messages that a channel took.", channelLabels[:]},
	{detection, "portcullis_alerts_failed_total", Counter, "", "Attempts to send a message that failed; they are repeated.", channelLabels[:]},
	{detection, "portcullis_alerts_dead_total", Counter, "", "Messages that were given up: the channel refused them, or was away for too long.", channelLabels[:]},
	{detection, "portcullis_alerts_held_total", Counter, "", "Messages held back because the limit of a channel was reached; a digest tells of them.", channelLabels[:]},
	{secrets, "portcullis_secrets", Gauge, "", "Secrets that are kept ready, by source.", []Label{origins}},
	{secrets, "portcullis_secret_reads_total", Counter, "", "Questions to sources of secrets, by source and result: success, failure.", []Label{origins, {"result", "`success`, `failure`"}}},
	{secrets, "portcullis_secret_age_seconds", Gauge, "seconds", "Time since the secret that was confirmed longest ago was read or its lease renewed.", []Label{origins}},
	{secrets, "portcullis_secrets_expired", Gauge, "", "Secrets whose lease has ended: calls that need one get 502.", []Label{origins}},
	{secrets, "portcullis_tls_certificate_expiry_timestamp_seconds", Gauge, "seconds", "When a certificate or revocation list in use ends, in seconds since 1970.", []Label{{"certificate", "`public`, `client_ca`, `client_crl`"}}},
	{secrets, "portcullis_tls_handshake_failures_total", Counter, "", "TLS handshakes with callers that failed.", nil},

	{process, "portcullis_build_info", Gauge, "", "Always 1; the labels say which program runs.", []Label{{"version", "one"}, {"revision", "one"}, {"goversion", "one"}}},
	{process, "portcullis_config_reloads_total", Counter, "", "Reloads of the configuration, by result.", []Label{{"result", "`success`, `failure`"}}},
	{process, "portcullis_config_last_reload_success_timestamp_seconds", Gauge, "seconds", "When the configuration in force was loaded, in seconds since 1970.", nil},
	{process, "portcullis_trace_spans_total", Counter, "", "Spans of recorded traces, by what became of them: exported, failed (the collector did not take them), dropped (too many waited).",
		[]Label{{"result", "`exported`, `failed`, `dropped`"}}},
}
