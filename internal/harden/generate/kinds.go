package generate

// kinds are the kinds of files, each a folder of files/.
var kinds = [...]Kind{
	{"dockerfile", "Container image: static, without a shell, not root", []string{"S0-49", "S0-50", "S1-3", "S3-11"}},
	{"compose", "Docker Compose file", []string{"S1-17", "S3-12"}},
	{"kubernetes", "Kubernetes manifests", []string{"S0-51", "S3-13", "S3-14", "S3-15", "S3-16", "S3-17", "S3-18", "S3-19", "S3-20", "S4-26", "S4-27"}},
	{"nginx", "TLS in front of the gateway with nginx", []string{"S0-12", "S1-5"}},
	{"caddy", "TLS in front of the gateway with Caddy", []string{"S0-12"}},
	{"firewall", "Firewall of the host with nftables", []string{"S1-6"}},
	{"systemd", "systemd unit", []string{"S0-49"}},
	{"env", "Environment variables, with what each is for", []string{"S0-43", "S1-1"}},
	{"gitignore", "What git must not see", []string{"S0-44", "S3-9"}},
}
