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
	secrets   = "Secrets and certificates"
	process   = "Process"
)

// Labels that many metrics have.
var (
	route   = Label{"route", "names of routes in the configuration, `admin`, and empty for unknown paths"}
	origins = Label{"source", "kinds of sources of secrets: `wallet`, `env`, `file`, …"}
)

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

	{content, "portcullis_content_findings_total", Counter, "", "What content rules found, by the kind of the finding and what was done about it.",
		[]Label{route, {"kind", "kinds of detectors"}, {"action", "actions of rules"}}},
	{content, "portcullis_tools_held", Gauge, "", "Tools that are held until an operator approves them, by route.", []Label{route}},

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
