package generate

// kinds are the kinds of files, each a folder of files/ or, for helm, made of one.
var kinds = [...]Kind{
	{"dockerfile", "Container image: static, without a shell, not root", []string{"S0-49", "S0-50", "S1-3", "S3-19", "S3-20", "S3-21"}},
	{"compose", "Docker Compose file and configuration", []string{"S1-17"}},
	{"kubernetes", "Kubernetes manifests", []string{"S0-51", "S1-18", "S1-19", "S3-9", "S3-11", "S3-12", "S3-13", "S3-14", "S3-16", "S3-17", "S3-18", "S3-23", "S3-24", "S3-32", "S4-9", "S4-26", "S4-27"}},
	{"helm", "Helm chart of the same manifests", []string{"S0-51", "S3-23"}},
	{"nginx", "TLS in front of the gateway with nginx", []string{"S0-12", "S1-5", "S3-15"}},
	{"caddy", "TLS in front of the gateway with Caddy", []string{"S0-12"}},
	{"firewall", "Firewall of the host with nftables", []string{"S1-6", "S3-17"}},
	{"systemd", "Unit of systemd, and its configuration", []string{"S0-49"}},
	{"falco", "Falco rules", []string{"S3-45"}},
	{"ci", "Workflows of GitHub and GitLab that test, scan, build and sign", []string{"S3-22", "S3-24", "S3-46"}},
	{"monitoring", "Prometheus, Alertmanager and Grafana", []string{"S3-17"}},
	{"fly", "Fly.io, with the server on the private network", []string{"S3-18"}},
	{"railway", "Railway, with the server on the private network", []string{"S3-18"}},
	{"runbook", "Runbook, contacts and security policy", []string{"S0-60"}},
	{"env", "Environment variables, with what each is for", []string{"S0-43"}},
	{"gitignore", "What git must not see", []string{"S0-43"}},
}
