package monitoring

import (
	"fmt"
	"slices"
	"strings"
)

// Alert is one alert rule.
type Alert struct {
	Name     string `json:"name"`
	Severity string `json:"severity"` // "critical" wakes somebody, "warning" is for working hours, "info" for the record
	For      string `json:"for"`      // how long it must hold
	Expr     string `json:"expr"`
	Summary  string `json:"summary"`
	Meaning  string `json:"meaning"` // what it means and what to do
}

// Alerts returns the alert rules, gravest first.
func Alerts() []Alert { return slices.Clone(alerts[:]) }

// alerts fire per gateway (labels job and instance) and, where it says so, per
// route. Ratios need a floor of calls: one failure in two calls at night is no
// reason to wake anyone.
var alerts = [...]Alert{
	{"PortcullisDown", "critical", "2m", `up{job=~".*portcullis.*"} == 0`,
		"Gateway {{ $labels.instance }} is down", "Nothing answered at /metrics for two minutes. Calls are probably failing."},
	{"PortcullisAuditFailing", "critical", "0m", `sum by (job, instance, operation) (increase(portcullis_journal_errors_total[5m])) > 0`,
		"The audit journal of {{ $labels.instance }} cannot {{ $labels.operation }}", "Disk full or failing. With audit.on_failure = \"refuse\" calls are answered 503 until it is mended."},
	{"PortcullisAuditLost", "critical", "0m", `sum by (job, instance) (increase(portcullis_journal_lost_total[15m])) > 0`,
		"Audit events of {{ $labels.instance }} are lost", "Calls passed without a record, because audit.on_failure = \"allow\"."},
	{"PortcullisAuditLogRefused", "critical", "0m", `sum by (job, instance) (increase(portcullis_audit_log_failures_total{operation="refused"}[15m])) > 0`,
		"The audit log of {{ $labels.instance }} does not fit what was signed", "Its files were changed or rolled back. portcullis audit verify says what is wrong."},
	{"PortcullisAuditDisk", "critical", "5m", `min by (job, instance) (portcullis_audit_disk_free_bytes) < 1e9 or predict_linear(portcullis_audit_disk_free_bytes[6h], 4 * 3600) < 0`,
		"The disk of the audit log of {{ $labels.instance }} is nearly full, or will be within four hours", "Then calls are refused, or pass without a record, as audit.on_failure says. Shorten audit.retention, archive, or make room."},
	{"PortcullisAnomalyCritical", "critical", "0m", `sum by (job, instance, metric) (increase(portcullis_anomalies_total{severity="CRITICAL"}[10m])) > 0`,
		"{{ $labels.metric }} of somebody is far from what is usual", "The event ANOMALY_DETECTED says whose, and what was expected: `portcullis detect anomalies`."},
	{"PortcullisErrorRatio", "critical", "5m", `sum by (job, instance, route) (rate(portcullis_requests_total{outcome="failure"}[5m])) / sum by (job, instance, route) (rate(portcullis_requests_total[5m])) > 0.1 and sum by (job, instance, route) (rate(portcullis_requests_total[5m])) > 0.1`,
		"{{ $value | humanizePercentage }} of the calls to route {{ $labels.route }} fail", "Admitted calls that could not be answered: mostly the upstream. portcullis_upstream_requests_total says how."},
	{"PortcullisSecretExpired", "critical", "5m", `max by (job, instance, source) (portcullis_secrets_expired) > 0`,
		"A secret from {{ $labels.source }} has expired", "Calls that need it are answered 502. The log says which and why; `portcullis secrets resolve REF --check` tries one."},
	{"PortcullisCertificateEnds", "critical", "15m", `min by (job, instance, certificate) (portcullis_tls_certificate_expiry_timestamp_seconds) - time() < 2 * 86400`,
		"Certificate {{ $labels.certificate }} ends in {{ $value | humanizeDuration }}", "Put a new one in place; it is taken over without a restart."},
	{"PortcullisCertificateEndsSoon", "warning", "1h", `min by (job, instance, certificate) (portcullis_tls_certificate_expiry_timestamp_seconds) - time() < 14 * 86400`,
		"Certificate {{ $labels.certificate }} ends in {{ $value | humanizeDuration }}", "Renew it."},
	{"PortcullisSlow", "warning", "10m", `histogram_quantile(0.95, sum by (job, instance, route, le) (rate(portcullis_request_duration_seconds_bucket[5m]))) > 1`,
		"Route {{ $labels.route }}: one call in twenty takes longer than {{ $value | humanizeDuration }}", "Compare with portcullis_upstream_duration_seconds: the difference is the gateway's. Long-lived streams count with their whole life."},
	{"PortcullisUpstreamFailing", "warning", "5m", `sum by (job, instance, route) (rate(portcullis_upstream_requests_total{result=~"error|timeout"}[5m])) / sum by (job, instance, route) (rate(portcullis_upstream_requests_total[5m])) > 0.1 and sum by (job, instance, route) (rate(portcullis_upstream_requests_total[5m])) > 0.1`,
		"The upstream of route {{ $labels.route }} fails {{ $value | humanizePercentage }} of its calls", "The log names the failure; callers only learn that the upstream is unavailable."},
	{"PortcullisChildCrashes", "warning", "0m", `sum by (job, instance, route) (increase(portcullis_bridge_exits_total{result="error"}[10m])) > 3`,
		"The command of route {{ $labels.route }} keeps ending with an error", "Restarts back off; its last lines are in the log."},
	{"PortcullisDenialSpike", "warning", "5m", `sum by (job, instance, route) (rate(portcullis_refusals_total[5m])) > 1 and sum by (job, instance, route) (rate(portcullis_refusals_total[5m])) > 4 * sum by (job, instance, route) (rate(portcullis_refusals_total[6h] offset 10m))`,
		"Route {{ $labels.route }} refuses {{ $value | humanize }} calls a second, four times the usual", "Somebody probes, or a client or a rule is broken: `portcullis audit tail` shows who and why."},
	{"PortcullisLoginFailures", "warning", "5m", `sum by (job, instance, route) (rate(portcullis_refusals_total{phase="authn"}[5m])) > 5`,
		"{{ $value | humanize }} failed proofs of identity a second on route {{ $labels.route }}", "Guessing, or a credential that ended while its client was not told."},
	{"PortcullisSinkMissed", "critical", "0m", `sum by (job, instance, sink) (increase(portcullis_sink_missed_total[1h])) > 0`,
		"Sink {{ $labels.sink }} of {{ $labels.instance }} missed audit events", "Retention removed records before they were sent. The sink was behind for longer than the journal keeps them."},
	{"PortcullisSinkBehind", "warning", "5m", `max by (job, instance, sink) (portcullis_sink_lag_seconds) > 300`,
		"Sink {{ $labels.sink }} of {{ $labels.instance }} is {{ $value | humanizeDuration }} behind", "Its server is away, slow or refuses: 'portcullis audit sinks' has the last error. Nothing is lost yet."},
	{"PortcullisAlertsFail", "critical", "5m", `sum by (job, instance, channel) (increase(portcullis_alerts_failed_total[10m])) > 3 unless sum by (job, instance, channel) (increase(portcullis_alerts_sent_total[10m])) > 0`,
		"Channel {{ $labels.channel }} of {{ $labels.instance }} does not take alerts", "People are not woken by it: `portcullis alert channels` has the last error, `portcullis alert test` tries it."},
	{"PortcullisSinkRefused", "warning", "0m", `sum by (job, instance, sink) (increase(portcullis_sink_dead_total[15m])) > 0`,
		"The server of sink {{ $labels.sink }} refuses events", "They are in its dead letters, with the reason: `portcullis audit sinks`."},
	{"PortcullisPushDead", "warning", "0m", `sum by (job, instance) (increase(portcullis_push_dead_total[15m])) > 0`,
		"{{ $value | humanize }} notifications of agents could not be delivered at {{ $labels.instance }}", "Their targets refuse, are away or may not be sent to: 'portcullis push dead' says which and why, 'portcullis push replay' sends them again."},
	{"PortcullisCheckpointBehind", "warning", "10m", `max by (job, instance) (portcullis_audit_log_lag_seconds) > 300`,
		"No checkpoint covers the last {{ $value | humanizeDuration }} of the audit log of {{ $labels.instance }}", "Until one does, the newest records could be cut off without a trace."},
	{"PortcullisRetentionFails", "warning", "15m", `sum by (job, instance, operation) (increase(portcullis_audit_retention_errors_total[1h])) > 0`,
		"Retention of the audit log of {{ $labels.instance }} fails to {{ $labels.operation }}", "Records are kept for longer than they should be, and the disk fills up. The log says why."},
	{"PortcullisErasureWaits", "warning", "24h", `max by (job, instance) (portcullis_privacy_erasures_open) > 0`,
		"{{ $value }} erasures of persons wait at {{ $labels.instance }}", "`portcullis privacy status` shows what for: an upstream that does not answer, or a legal hold."},
	{"PortcullisAnomalies", "warning", "0m", `sum by (job, instance, metric) (increase(portcullis_anomalies_total[10m])) > 0`,
		"{{ $labels.metric }} of somebody is not what is usual", "The event ANOMALY_DETECTED says whose, and what was expected: `portcullis detect anomalies`."},
	{"PortcullisIncident", "warning", "0m", `max by (job, instance) (portcullis_incidents_open) > 0`,
		"{{ $value }} incidents are open at {{ $labels.instance }}", "`portcullis incident status` shows them; `portcullis incident close` ends one."},
	{"PortcullisBreakGlass", "critical", "0m", `max by (job, instance) (portcullis_break_glass) > 0`,
		"{{ $value }} callers read health information in an emergency at {{ $labels.instance }}", "`portcullis privacy break-glass list` shows who, until when and why; `portcullis privacy break-glass revoke` ends it."},
	{"PortcullisGraveIncident", "critical", "0m", `max by (job, instance, severity) (portcullis_incidents_open_by_severity{severity=~"P1|P2"}) > 0`,
		"{{ $value }} incidents of severity {{ $labels.severity }} are open at {{ $labels.instance }}", "`portcullis incident list` shows them; the runbook is docs/incidents.md."},
	{"PortcullisDutyOverdue", "warning", "1h", `max by (job, instance, duty) (portcullis_duty_overdue) > 0`,
		"Duty {{ $labels.duty }} of {{ $labels.instance }} is overdue", "Nobody has done it, or signed it off: `portcullis incident duty show {{ $labels.duty }}`."},
	{"PortcullisContainments", "info", "0m", `max by (job, instance) (portcullis_containments_active) > 0`,
		"{{ $value }} callers or tools are held back at {{ $labels.instance }}", "`portcullis incident status` shows whom, until when and why; `portcullis incident release` lets go."},
	{"PortcullisManyContainments", "critical", "0m", `max by (job, instance) (delta(portcullis_containments_active[10m])) > 10`,
		"{{ $value | humanize }} callers more are held back at {{ $labels.instance }} than ten minutes ago", "A large attack, or a rule that somebody has turned against your callers. Releases and incident.never undo it."},
	{"PortcullisDetectionBehind", "warning", "10m", `max by (job, instance) (portcullis_detect_lag_seconds) > 300`,
		"Detection of {{ $labels.instance }} is {{ $value | humanizeDuration }} behind", "What is judged that late is noticed, and answered, that late."},
	{"PortcullisAuditSlow", "warning", "10m", `histogram_quantile(0.99, sum by (job, instance, le) (rate(portcullis_journal_sync_duration_seconds_bucket[5m]))) > 0.5`,
		"Syncing the audit journal of {{ $labels.instance }} takes {{ $value | humanizeDuration }}", "The disk is slow: calls wait for it when events of security are written."},
	{"PortcullisConfigRejected", "warning", "0m", `sum by (job, instance) (increase(portcullis_config_reloads_total{result="failure"}[15m])) > 0`,
		"{{ $labels.instance }} does not take its configuration", "The running one stays in force; the log says what is wrong."},
	{"PortcullisToolsHeld", "warning", "15m", `sum by (job, instance, route) (portcullis_tools_held) > 0`,
		"{{ $value }} tools of route {{ $labels.route }} wait for approval", "The server shows tools that are not the approved ones: `portcullis tools list`."},
	{"PortcullisHandshakesFail", "warning", "10m", `sum by (job, instance) (rate(portcullis_tls_handshake_failures_total[5m])) > 1`,
		"{{ $value | humanize }} TLS handshakes a second fail", "Old clients, a certificate nobody trusts, or a scanner."},
	{"PortcullisCPU", "warning", "15m", `rate(process_cpu_seconds_total{job=~".*portcullis.*"}[5m]) / on (job, instance) go_sched_gomaxprocs_threads{job=~".*portcullis.*"} > 0.8`,
		"{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its processors", "Add processors or replicas, or lower the limits of callers."},
	{"PortcullisMemory", "warning", "15m", `process_resident_memory_bytes{job=~".*portcullis.*"} / on (job, instance) go_gc_gomemlimit_bytes{job=~".*portcullis.*"} > 0.85`,
		"{{ $labels.instance }} uses {{ $value | humanizePercentage }} of GOMEMLIMIT", "Only where GOMEMLIMIT is set; else memory is for the orchestrator to watch."},
	{"PortcullisFiles", "warning", "10m", `process_open_fds{job=~".*portcullis.*"} / process_max_fds{job=~".*portcullis.*"} > 0.8`,
		"{{ $labels.instance }} has used {{ $value | humanizePercentage }} of its open files", "Each caller and each upstream connection takes one: raise the limit of the service."},
	{"PortcullisTracesLost", "info", "15m", `sum by (job, instance, result) (rate(portcullis_trace_spans_total{result!="exported"}[5m])) > 0`,
		"Spans are {{ $labels.result }}", "The collector is away or too slow. Calls are not affected."},
}

// Rules returns the alert rules as a rule file of Prometheus.
func Rules() []byte {
	var b strings.Builder
	b.WriteString("# Made by \"portcullis metrics rules\". Do not edit: change the thresholds in your own rules.\ngroups:\n  - name: portcullis\n    rules:\n")
	for _, a := range alerts {
		fmt.Fprintf(&b, "      - alert: %s\n        expr: %s\n        for: %s\n        labels:\n          severity: %s\n        annotations:\n          summary: %s\n          description: %s\n",
			a.Name, single(a.Expr), a.For, a.Severity, single(a.Summary), single(a.Meaning))
	}
	return []byte(b.String())
}

// single quotes a text for YAML.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
