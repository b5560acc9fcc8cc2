package monitoring

// panel is one picture of the dashboard.
type panel struct {
	title   string
	about   string
	kind    string // "timeseries", "stat"
	unit    string // in the words of Grafana
	width   int    // of 24
	queries []query
}

// query is one line of a panel. $job, $instance and $route are the choices of
// whoever looks.
type query struct{ legend, expr string }

// row is a group of panels.
type row struct {
	title  string
	panels []panel
}

const (
	byJob   = `job=~"$job", instance=~"$instance"`
	byRoute = byJob + `, route=~"$route"`
)

// rows is the dashboard from top to bottom.
var rows = [...]row{
	{"Calls", []panel{
		{"Calls", "Answered calls by outcome: refused by a guard, failed although admitted, or answered.", "timeseries", "reqps", 8, []query{
			{"{{outcome}}", `sum by (outcome) (rate(portcullis_requests_total{` + byRoute + `}[$__rate_interval]))`}}},
		{"Failures", "Share of the calls that were admitted or not and could not be answered.", "timeseries", "percentunit", 8, []query{
			{"{{route}}", `sum by (route) (rate(portcullis_requests_total{outcome="failure", ` + byRoute + `}[$__rate_interval])) / sum by (route) (rate(portcullis_requests_total{` + byRoute + `}[$__rate_interval]))`}}},
		{"Time of a call", "From arrival to the end of the answer. Points are traces.", "timeseries", "s", 8, []query{
			{"half", `histogram_quantile(0.5, sum by (le) (rate(portcullis_request_duration_seconds_bucket{` + byRoute + `}[$__rate_interval])))`},
			{"95 of 100", `histogram_quantile(0.95, sum by (le) (rate(portcullis_request_duration_seconds_bucket{` + byRoute + `}[$__rate_interval])))`},
			{"99 of 100", `histogram_quantile(0.99, sum by (le) (rate(portcullis_request_duration_seconds_bucket{` + byRoute + `}[$__rate_interval])))`}}},
		{"Methods", "", "timeseries", "reqps", 12, []query{
			{"{{method}}", `sum by (method) (rate(portcullis_requests_total{` + byRoute + `}[$__rate_interval]))`}}},
		{"In flight", "Calls being answered, open streams included.", "timeseries", "short", 12, []query{
			{"{{route}}", `sum by (route) (portcullis_inflight_requests{` + byRoute + `})`}}},
	}},
	{"Refusals", []panel{
		{"Refusals by guard", "", "timeseries", "reqps", 12, []query{
			{"{{phase}} {{guard}}", `sum by (phase, guard) (rate(portcullis_refusals_total{` + byRoute + `}[$__rate_interval]))`}}},
		{"Refusals by reason", "", "timeseries", "reqps", 12, []query{
			{"{{reason}}", `sum by (reason) (rate(portcullis_refusals_total{` + byRoute + `}[$__rate_interval]))`}}},
		{"Findings of content rules", "", "timeseries", "cps", 12, []query{
			{"{{kind}} {{action}}", `sum by (kind, action) (rate(portcullis_content_findings_total{` + byRoute + `}[$__rate_interval]))`}}},
		{"Tools held", "Wait for an operator.", "stat", "short", 6, []query{
			{"{{route}}", `sum by (route) (portcullis_tools_held{` + byRoute + `})`}}},
		{"Callers in the rate limiter", "", "stat", "short", 6, []query{{"", `sum(portcullis_ratelimit_keys{` + byJob + `})`}}},
	}},
	{"Upstreams", []panel{
		{"Calls to upstreams", "", "timeseries", "reqps", 8, []query{
			{"{{route}} {{result}}", `sum by (route, result) (rate(portcullis_upstream_requests_total{` + byRoute + `}[$__rate_interval]))`}}},
		{"Time at the upstream, 95 of 100", "Until the headers of the answer.", "timeseries", "s", 8, []query{
			{"{{route}}", `histogram_quantile(0.95, sum by (route, le) (rate(portcullis_upstream_duration_seconds_bucket{` + byRoute + `}[$__rate_interval])))`}}},
		{"Connections and children", "", "timeseries", "short", 8, []query{
			{"{{route}} open", `sum by (route) (portcullis_upstream_open_connections{` + byRoute + `})`},
			{"{{route}} new a second", `sum by (route) (rate(portcullis_upstream_connections_total{` + byRoute + `}[$__rate_interval]))`},
			{"{{route}} children", `sum by (route) (portcullis_bridge_children{` + byRoute + `})`},
			{"{{route}} crashes", `sum by (route) (increase(portcullis_bridge_exits_total{result="error", ` + byRoute + `}[$__rate_interval]))`},
			{"{{route}} starts", `sum by (route) (increase(portcullis_bridge_starts_total{` + byRoute + `}[$__rate_interval]))`}}},
		{"Notifications of agents", "Delivered, tried again, given up.", "timeseries", "cps", 8, []query{
			{"delivered", `sum(rate(portcullis_push_delivered_total{` + byJob + `}[$__rate_interval]))`},
			{"tried again", `sum(rate(portcullis_push_retried_total{` + byJob + `}[$__rate_interval]))`},
			{"dead", `sum(rate(portcullis_push_dead_total{` + byJob + `}[$__rate_interval]))`}}},
		{"Time of a delivery, 95 of 100", "", "timeseries", "s", 8, []query{
			{"", `histogram_quantile(0.95, sum by (le) (rate(portcullis_push_delivery_seconds_bucket{` + byJob + `}[$__rate_interval])))`}}},
	}},
	{"Audit", []panel{
		{"Audit records", "", "timeseries", "cps", 8, []query{{"records", `sum(rate(portcullis_journal_records_total{` + byJob + `}[$__rate_interval]))`}}},
		{"Audit bytes", "", "timeseries", "Bps", 8, []query{{"bytes", `sum(rate(portcullis_journal_bytes_total{` + byJob + `}[$__rate_interval]))`}}},
		{"Time of a sync", "", "timeseries", "s", 8, []query{
			{"99 of 100", `histogram_quantile(0.99, sum by (le) (rate(portcullis_journal_sync_duration_seconds_bucket{` + byJob + `}[$__rate_interval])))`}}},
		{"Audit failures", "Failed operations, and events that are lost. Both should be 0.", "stat", "short", 8, []query{
			{"{{operation}}", `sum by (operation) (increase(portcullis_journal_errors_total{` + byJob + `}[$__range]))`},
			{"lost", `sum(increase(portcullis_journal_lost_total{` + byJob + `}[$__range]))`}}},
		{"Signed audit log", "", "timeseries", "short", 8, []query{
			{"records signed a second", `sum(deriv(portcullis_audit_log_size{` + byJob + `}[$__rate_interval]))`},
			{"waiting (s)", `max(portcullis_audit_log_lag_seconds{` + byJob + `})`}}},
		{"Index of the audit log", "Time since it last had all that fills a block.", "stat", "s", 8, []query{
			{"{{instance}}", `time() - (portcullis_audit_index_updated_seconds{` + byJob + `} > 0)`}}},
		{"Kept, by class", "What is divided by class, and what is not yet.", "timeseries", "bytes", 8, []query{
			{"{{class}}", `sum by (class) (portcullis_audit_sealed_bytes{` + byJob + `})`},
			{"not divided", `sum(portcullis_audit_undivided_bytes{` + byJob + `})`},
			{"free", `min(portcullis_audit_disk_free_bytes{` + byJob + `})`}}},
		{"Retention", "Failed operations, what was removed, and the age of the oldest record.", "timeseries", "short", 8, []query{
			{"{{operation}} failed", `sum by (operation) (increase(portcullis_audit_retention_errors_total{` + byJob + `}[$__rate_interval]))`},
			{"{{class}} records removed", `sum by (class) (increase(portcullis_audit_removed_records_total{` + byJob + `}[$__rate_interval]))`},
			{"{{class}} bytes removed", `sum by (class) (increase(portcullis_audit_removed_bytes_total{` + byJob + `}[$__rate_interval]))`},
			{"segments divided", `sum(increase(portcullis_audit_segments_divided_total{` + byJob + `}[$__rate_interval]))`},
			{"{{class}} age (s)", `time() - min by (class) (portcullis_audit_oldest_record_timestamp_seconds{` + byJob + `})`}}},
		{"Sinks: lag", "", "timeseries", "s", 8, []query{
			{"{{sink}}", `max by (sink) (portcullis_sink_lag_seconds{` + byJob + `})`},
			{"{{sink}}: records", `max by (sink) (portcullis_sink_lag_records{` + byJob + `})`},
			{"{{sink}}: since it took events", `time() - max by (sink) (portcullis_sink_last_success_timestamp_seconds{` + byJob + `})`}}},
		{"Sinks: events", "", "timeseries", "cps", 8, []query{
			{"{{sink}}: sent", `sum by (sink) (rate(portcullis_sink_sent_total{` + byJob + `}[$__rate_interval]))`},
			{"{{sink}}: failed attempts", `sum by (sink) (rate(portcullis_sink_failed_total{` + byJob + `}[$__rate_interval]))`}}},
		{"Sinks: refused and missed", "", "timeseries", "short", 8, []query{
			{"{{sink}}: dead letters", `max by (sink) (portcullis_sink_dead_letters{` + byJob + `})`},
			{"{{sink}}: refused", `sum by (sink) (increase(portcullis_sink_dead_total{` + byJob + `}[$__range]))`},
			{"{{sink}}: missed", `sum by (sink) (increase(portcullis_sink_missed_total{` + byJob + `}[$__range]))`}}},
	}},
	{"Privacy", []panel{
		{"Rights of persons", "Shown, exported and erased; erasures that wait.", "timeseries", "short", 8, []query{
			{"{{action}}", `sum by (action) (increase(portcullis_privacy_shown_total{` + byJob + `}[$__rate_interval]))`},
			{"erased", `sum(increase(portcullis_privacy_erased_total{` + byJob + `}[$__rate_interval]))`},
			{"open", `sum(portcullis_privacy_erasures_open{` + byJob + `})`}}},
	}},
	{"Detection", []panel{
		{"Risk and response", "Open incidents, containments in force, callers that are watched.", "timeseries", "short", 8, []query{
			{"incidents", `sum(portcullis_incidents_open{` + byJob + `})`},
			{"{{severity}}", `sum by (severity) (portcullis_incidents_open_by_severity{` + byJob + `})`},
			{"containments", `sum(portcullis_containments_active{` + byJob + `})`},
			{"watched", `sum(portcullis_risk_subjects{` + byJob + `})`},
			{"score, 95 %", `histogram_quantile(0.95, sum by (le) (rate(portcullis_risk_score_bucket{` + byJob + `}[$__rate_interval])))`}}},
		{"Consents and emergencies", "Consents in force, and who reads health information in an emergency.", "timeseries", "short", 8, []query{
			{"consents", `sum(portcullis_consents{` + byJob + `})`},
			{"break-glass", `sum(portcullis_break_glass{` + byJob + `})`}}},
		{"Incidents", "Told by anomaly detection, by what was odd first.", "timeseries", "short", 8, []query{
			{"{{metric}} {{severity}}", `sum by (metric, severity) (increase(portcullis_anomalies_total{` + byJob + `}[$__rate_interval]))`},
			{"open", `sum(portcullis_detect_open_incidents{` + byJob + `})`}}},
		{"Duties", "Time until each is due; below zero it is.", "timeseries", "s", 8, []query{
			{"{{duty}}", `min by (duty) (portcullis_duty_due_seconds{` + byJob + `})`},
			{"{{duty}} overdue", `max by (duty) (portcullis_duty_overdue{` + byJob + `})`}}},
		{"Watched", "With a baseline, and forgotten for want of room.", "timeseries", "short", 8, []query{
			{"{{kind}}", `sum by (kind) (portcullis_detect_subjects{` + byJob + `})`},
			{"forgotten", `sum(portcullis_detect_evicted_subjects{` + byJob + `})`}}},
		{"Alerts", "Messages by channel: taken, failed, given up, held back; and what is open and waits.", "timeseries", "short", 12, []query{
			{"{{channel}} sent", `sum by (channel) (increase(portcullis_alerts_sent_total{` + byJob + `}[$__rate_interval]))`},
			{"{{channel}} failed", `sum by (channel) (increase(portcullis_alerts_failed_total{` + byJob + `}[$__rate_interval]))`},
			{"{{channel}} given up", `sum by (channel) (increase(portcullis_alerts_dead_total{` + byJob + `}[$__rate_interval]))`},
			{"{{channel}} held back", `sum by (channel) (increase(portcullis_alerts_held_total{` + byJob + `}[$__rate_interval]))`},
			{"open", `sum(portcullis_alerts_open{` + byJob + `})`},
			{"waiting", `sum(portcullis_alerts_waiting{` + byJob + `})`}}},
		{"Behind the journal", "", "timeseries", "s", 8, []query{{"{{instance}}", `portcullis_detect_lag_seconds{` + byJob + `}`}}},
	}},
	{"Secrets and certificates", []panel{
		{"Certificates end in", "", "stat", "s", 6, []query{{"{{certificate}}", `min by (certificate) (portcullis_tls_certificate_expiry_timestamp_seconds{` + byJob + `}) - time()`}}},
		{"Failed handshakes", "", "timeseries", "cps", 6, []query{{"handshakes", `sum(rate(portcullis_tls_handshake_failures_total{` + byJob + `}[$__rate_interval]))`}}},
		{"Secrets", "", "stat", "short", 6, []query{
			{"{{source}}", `sum by (source) (portcullis_secrets{` + byJob + `})`},
			{"{{source}} expired", `sum by (source) (portcullis_secrets_expired{` + byJob + `})`}}},
		{"Age of secrets, failed readings", "", "timeseries", "short", 6, []query{
			{"{{source}} age (s)", `max by (source) (portcullis_secret_age_seconds{` + byJob + `})`},
			{"{{source}} failures a second", `sum by (source) (rate(portcullis_secret_reads_total{result="failure", ` + byJob + `}[$__rate_interval]))`}}},
	}},
	{"Process", []panel{
		{"Processors", "", "timeseries", "short", 6, []query{{"{{instance}}", `rate(process_cpu_seconds_total{` + byJob + `}[$__rate_interval])`}}},
		{"Memory", "", "timeseries", "bytes", 6, []query{
			{"{{instance}}", `process_resident_memory_bytes{` + byJob + `}`},
			{"{{instance}} heap", `go_memstats_heap_alloc_bytes{` + byJob + `}`}}},
		{"Goroutines and files", "", "timeseries", "short", 6, []query{
			{"{{instance}} goroutines", `go_goroutines{` + byJob + `}`}, {"{{instance}} files", `process_open_fds{` + byJob + `}`}}},
		{"Spans", "Of traces, by what became of them.", "timeseries", "cps", 6, []query{
			{"{{result}}", `sum by (result) (rate(portcullis_trace_spans_total{` + byJob + `}[$__rate_interval]))`}}},
		{"Versions", "", "stat", "short", 12, []query{{"{{version}} {{goversion}}", `count by (version, goversion) (portcullis_build_info{` + byJob + `})`}}},
		{"Configuration", "Time since it was loaded, and refused reloads.", "stat", "s", 12, []query{
			{"{{instance}}", `time() - portcullis_config_last_reload_success_timestamp_seconds{` + byJob + `}`},
			{"refused", `sum(increase(portcullis_config_reloads_total{result="failure", ` + byJob + `}[$__range]))`}}},
	}},
}
