// Package checklist is the lines of the guides' checklists, and what answers
// each: rules that look, and statements of people where nothing can be seen.
package checklist

import "strings"

// Line is a line of a checklist.
type Line struct {
	Row   string   // of the guides: "S0-52"
	Text  string   // what it asks
	Rules []string // what answers it, statements of people last
}

// Lines returns all lines, in the order of the guides.
func Lines() []Line {
	out := make([]Line, 0, len(lines))
	for _, l := range lines {
		out = append(out, Line{l.row, l.text, strings.Fields(l.rules)})
	}
	return out
}

var lines = [...]struct{ row, text, rules string }{
	{"S0-52", "All endpoints are authenticated", "config-auth-none mcp-endpoint-auth-handshake mcp-endpoint-auth-tools mcp-endpoint-auth-lists mcp-endpoint-auth-ping mcp-endpoint-auth-stream mcp-endpoint-token-any a2a-endpoint-auth a2a-endpoint-auth-extended"},
	{"S0-52", "Keys are in the wallet", "config-secret-in-file mcp-client-key-env mcp-client-key-args mcp-client-key-header repository-secret"},
	{"S0-52", "Rotation is documented and tested", "config-key-rotation-never gateway-key-endless gateway-key-old attestation-rotation-tested"},
	{"S0-52", "Least privilege", "config-tools-open gateway-key-wide host-root host-unit-root kubernetes-cluster-admin ci-permissions-wide attestation-privilege-review"},
	{"S0-53", "TLS 1.2 or newer everywhere", "config-tls-missing config-https-never config-upstream-plain http-endpoint-plain http-endpoint-tls-old kubernetes-ingress-tls nginx-tls-versions nginx-tls-old nginx-plain-http"},
	{"S0-53", "Strong suites", "http-endpoint-tls-weak-suite http-endpoint-tls-13 nginx-weak-ciphers"},
	{"S0-53", "Encryption at rest", "host-swap-plain kubernetes-volume-encryption attestation-encryption-at-rest"},
	{"S0-53", "Somebody is told before a certificate ends", "gateway-certificate-ends http-endpoint-certificate-ends attestation-certificates-watched"},
	{"S0-54", "All inputs are checked against a schema", "config-schema-off config-schema-unusable mcp-endpoint-tools-schema helm-values-schema"},
	{"S0-54", "Sizes are limited", "config-limits-raised config-replies-unbounded mcp-endpoint-body-large a2a-endpoint-body-large http-endpoint-body-large nginx-body-limit nginx-body-unlimited kubernetes-ingress-body-unlimited"},
	{"S0-54", "Content-Type is checked", "mcp-endpoint-content-type"},
	{"S0-54", "SQL injection was tested", "attestation-injection-tested"},
	{"S0-55", "Security headers", "config-headers-removed http-endpoint-header-nosniff http-endpoint-header-frame http-endpoint-header-csp http-endpoint-header-hsts http-endpoint-header-referrer http-endpoint-header-permissions nginx-hsts nginx-headers-lost"},
	{"S0-55", "CORS is restricted", "config-cors-origin-any config-cors-origin-plain config-cors-credentials http-endpoint-cors-reflected http-endpoint-cors-null http-endpoint-cors-any kubernetes-ingress-cors"},
	{"S0-55", "Calls are limited", "config-rate-missing config-rate-generous mcp-endpoint-limit a2a-endpoint-limit http-endpoint-limit nginx-rate-limit"},
	{"S0-55", "Firewall rules", "firewall-accepts firewall-open-port firewall-one-family firewall-no-replies host-listener-wide attestation-firewall-reviewed"},
	{"S0-56", "Events are logged", "config-audit-allow gateway-log-damaged gateway-sink-lost compose-logging"},
	{"S0-56", "No sensitive data in logs", "config-personal-data-plain config-secrets-let-through config-log-debug ci-secret-in-log attestation-logs-free-of-secrets"},
	{"S0-56", "Retention is set", "config-retention-short"},
	{"S0-56", "Alerting is set", "config-alerts-missing gateway-channel-failing attestation-alerts-tested"},
	{"S0-57", "No secret is hard-coded", "config-secret-in-file dockerfile-env-secret compose-env-secret kubernetes-env-secret kubernetes-configmap-secret helm-values-secret systemd-env-secret ci-written-secret repository-secret repository-private-key"},
	{"S0-57", "The environment is documented", "attestation-environment-documented"},
	{"S0-57", "A secret manager is used", "kubernetes-secret-in-repository attestation-secret-manager"},
	{"S0-57", ".gitignore is complete", "repository-gitignore repository-env-committed"},
	{"S0-58", "The audit of dependencies passes", "ci-no-scan ci-scan-ignored attestation-vulnerabilities-mended"},
	{"S0-58", "The scanner (Snyk or another) passes", "ci-no-scan ci-scan-ignored attestation-vulnerabilities-mended"},
	{"S0-58", "Lock files are committed", "dependencies-lock-missing repository-lock-ignored dependencies-lock-stale dockerfile-lock-file helm-dependency-lock ci-lock-file"},
	{"S0-58", "The policy on dependencies is followed", "attestation-dependency-policy"},
	{"S0-59", "Containers do not run as root", "dockerfile-no-user dockerfile-root-user compose-no-user compose-root-user kubernetes-run-as-non-root kubernetes-run-as-user-root"},
	{"S0-59", "Read-only where possible", "compose-read-only kubernetes-read-only-root systemd-protect-system"},
	{"S0-59", "Resources are limited", "compose-limits compose-pids-limit kubernetes-limits systemd-memory"},
	{"S0-59", "Health checks", "dockerfile-no-healthcheck compose-healthcheck kubernetes-liveness kubernetes-readiness"},
	{"S1-22", "HTTPS", "config-tls-missing config-https-never http-endpoint-plain http-endpoint-tls-old http-endpoint-redirect nginx-tls-versions nginx-plain-http kubernetes-ingress-tls"},
	{"S1-22", "Callers show an API key", "config-auth-none mcp-endpoint-auth-handshake mcp-endpoint-auth-tools mcp-endpoint-auth-lists"},
	{"S1-22", "Calls are limited", "config-rate-missing mcp-endpoint-limit nginx-rate-limit"},
	{"S1-22", "Secrets are in the environment, not in files", "config-secret-in-file mcp-client-key-env dockerfile-env-secret compose-env-secret repository-secret"},
	{"S1-22", "Bound to localhost or an inner address", "config-admin-exposed host-listener-wide compose-port-all-addresses"},
	{"S1-22", "Structured logging", "config-log-text"},
	{"S1-22", "Audit logging", "config-audit-allow gateway-log-damaged"},
	{"S1-22", "Health checks", "dockerfile-no-healthcheck compose-healthcheck kubernetes-liveness"},
	{"S1-22", "Not root", "host-root host-unit-root dockerfile-no-user dockerfile-root-user compose-root-user systemd-root"},
	{"S1-22", "Dependencies are updated", "repository-updates gateway-version-old host-restart-pending"},
	{"S1-22", "Regular audits", "attestation-security-audit attestation-servers-known"},
	{"S3-50", "Secrets", "config-secret-in-file dockerfile-env-secret ci-written-secret repository-secret"},
	{"S3-50", "TLS", "config-tls-missing kubernetes-ingress-tls"},
	{"S3-50", "Authentication", "config-auth-none"},
	{"S3-50", "RBAC", "kubernetes-cluster-admin kubernetes-binding-everybody kubernetes-role-wildcard attestation-privilege-review"},
	{"S3-50", "Input is checked", "config-schema-off"},
	{"S3-50", "Calls are limited", "config-rate-missing nginx-rate-limit"},
	{"S3-50", "Security headers", "config-headers-removed"},
	{"S3-50", "Not root", "host-root dockerfile-no-user dockerfile-root-user kubernetes-run-as-non-root"},
	{"S3-50", "Images are scanned", "ci-no-scan attestation-images-scanned"},
	{"S3-50", "Network policies", "kubernetes-network-policy-missing kubernetes-default-deny"},
	{"S3-50", "Security context", "kubernetes-privilege-escalation kubernetes-capabilities-kept kubernetes-seccomp kubernetes-read-only-root helm-security-context"},
	{"S3-50", "Audit log", "config-audit-allow config-sinks-missing"},
	{"S3-50", "Monitoring", "config-alerts-missing attestation-monitoring-watched"},
	{"S3-51", "Penetration test", "attestation-penetration-test"},
	{"S3-51", "Audit", "attestation-security-audit"},
	{"S3-51", "Backup and recovery are tested", "attestation-restore-tested"},
	{"S3-51", "Incident response is documented", "attestation-incident-plan"},
	{"S3-51", "Monitoring is active", "gateway-sink-failing gateway-channel-failing gateway-not-ready attestation-alerts-tested attestation-monitoring-watched"},
	{"S3-51", "Compliance is met", "attestation-compliance"},
	{"S3-51", "Documentation is updated", "attestation-documentation"},
	{"S3-51", "The team is trained", "attestation-team-trained"},
	{"S3-52", "Weekly: the log is reviewed", "attestation-log-review"},
	{"S3-52", "Weekly: vulnerabilities", "ci-no-schedule attestation-vulnerability-review"},
	{"S3-52", "Monthly: credentials are rotated", "config-key-rotation-never gateway-key-endless gateway-key-old attestation-credentials-rotated"},
	{"S3-52", "Monthly: training", "attestation-team-trained"},
	{"S3-52", "Quarterly: audit", "attestation-security-audit"},
	{"S3-52", "Quarterly: penetration test", "attestation-penetration-test-quarterly"},
	{"S3-52", "Yearly: compliance", "attestation-compliance"},
}
