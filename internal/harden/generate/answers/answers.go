// Package answers is what `generate` has to know of a deployment: one TOML file
// whose every key has a default, or the flags of the command line.
//
// What is answered ends up in YAML, shell and configuration files of others.
// So every answer is checked for its form here, once, and no template has to
// wonder what a name may hold.
package answers

import (
	"github.com/portcullis-dev/portcullis/internal/config/outline"
	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// Profiles.
const (
	Default = "default" // what is right today
	Guide   = "guide"   // the values of the hardening guides, where they are safe
)

// forGuide puts the values of the guides where the answer is the usual one.
var forGuide = [...]func(a *Answers, usual Answers){
	func(a *Answers, usual Answers) { // S0-49, S0-51
		if a.Image.User == usual.Image.User {
			a.Image.User = 1001
		}
	},
	func(a *Answers, usual Answers) { // S0-49, S0-50
		if a.Server.Port == usual.Server.Port {
			a.Server.Port = 3000
		}
	},
	func(a *Answers, usual Answers) { // S3-14
		if a.Kubernetes.Issuer == usual.Kubernetes.Issuer {
			a.Kubernetes.Issuer = "letsencrypt-prod"
		}
	},
	func(a *Answers, usual Answers) { // S3-32
		if a.Kubernetes.StorageClass == usual.Kubernetes.StorageClass {
			a.Kubernetes.StorageClass = "encrypted-ssd"
		}
	},
	func(a *Answers, usual Answers) { // S4-9
		if a.Rotate == usual.Rotate {
			a.Rotate = "daily"
		}
	},
}

// Settled returns the answers with the values of their profile.
func (a Answers) Settled() Answers {
	if a.Profile == Guide {
		for _, put := range forGuide {
			put(&a, New())
		}
	}
	return a
}

// Answers describes one deployment.
type Answers struct {
	Name        string   `toml:"name" doc:"Name of the deployment: of folders, services, users and Kubernetes objects."`
	Profile     string   `toml:"profile" enum:"default|guide" doc:"Which values are written: what is right today, or those of the hardening guides where they are safe."`
	Domain      string   `toml:"domain" example:"\"mcp.example.com\"" doc:"Host name under which callers reach the gateway."`
	Email       string   `toml:"email" example:"\"ops@example.com\"" doc:"Address for certificates and contacts."`
	Environment string   `toml:"environment" doc:"Name of the deployment in audit events."`
	Image       Image    `toml:"image" doc:"The container image."`
	Server      Server   `toml:"server" doc:"Where the gateway listens."`
	Upstream    Upstream `toml:"upstream" doc:"What it stands in front of."`
	Logs        Logs     `toml:"logs" doc:"Where events go, out of reach of who takes over the machine."`
	Alerts      Alerts   `toml:"alerts" doc:"Who is told when something is wrong."`
	Kubernetes  Kube     `toml:"kubernetes" doc:"The cluster."`
	Rotate      string   `toml:"rotate" enum:"daily|weekly|monthly|quarterly|never" doc:"How often API keys rotate that have no schedule of their own (S4-9)."`
	Contacts    Contacts `toml:"contacts" doc:"Who is called on a bad day (S0-60)."`
}

// Image is [image].
type Image struct {
	Name   string `toml:"name" doc:"Repository of the image, without a tag."`
	Tag    string `toml:"tag" doc:"Tag, for people: what runs is the digest."`
	Digest string `toml:"digest" example:"\"sha256:…\"" doc:"Digest of the image. Empty until one is built; files that run it then say so."`
	User   int    `toml:"user" doc:"Numeric user and group in the container."`
	Source string `toml:"source" doc:"Repository on GitHub whose release workflow builds and signs the image: only its signature is admitted."`
	Build  string `toml:"build" doc:"Image that the program is built in, by tag and digest. Empty takes the one that this version was tried with."`
}

// Server is [server].
type Server struct {
	Port      int `toml:"port" doc:"Port for callers."`
	AdminPort int `toml:"admin_port" doc:"Port for administration and metrics; only ever on a loopback address or inside the cluster."`
}

// Upstream is [upstream].
type Upstream struct {
	URL      string   `toml:"url" doc:"URL of the server behind the gateway."`
	Protocol string   `toml:"protocol" enum:"mcp|a2a" doc:"What it speaks."`
	Path     string   `toml:"path" doc:"Path of its route on the gateway."`
	Tools    []string `toml:"tools" list:"text" example:"[\"search\", \"read_file\"]" doc:"Tools of an MCP server that callers may use. Empty allows all that it has, or gets, and check says so."`
}

// Logs is [logs].
type Logs struct {
	Syslog string `toml:"syslog" example:"\"logs.example.com:6514\"" doc:"Host and port of a server that takes syslog over TLS. It gets the events, and the head of the audit log, so that nobody can write another past. Empty keeps both on the machine, and check says so."`
}

// Alerts is [alerts].
type Alerts struct {
	Channel string `toml:"channel" enum:"none|slack|pagerduty" doc:"How somebody is told. The incoming webhook or the routing key is a secret of its own, alert_key."`
}

// Channels of alerts.
const (
	NoAlerts  = "none"
	Slack     = "slack"
	PagerDuty = "pagerduty"
)

// Kube is [kubernetes].
type Kube struct {
	Namespace        string `toml:"namespace" doc:"Namespace. It is made, with the labels of the restricted Pod Security Standard."`
	StorageClass     string `toml:"storage_class" doc:"Storage class that encrypts at rest. Empty takes the cluster's default, and the runbook asks whether that encrypts."`
	Storage          string `toml:"storage" doc:"Size of the volume for the data folder."`
	IngressNamespace string `toml:"ingress_namespace" doc:"Namespace of the ingress controller: only it may call."`
	IngressClass     string `toml:"ingress_class" doc:"Class of the ingress."`
	Issuer           string `toml:"issuer" doc:"cert-manager ClusterIssuer for the certificate."`
	MonitorNamespace string `toml:"monitor_namespace" doc:"Namespace of Prometheus: only it may scrape."`
	UpstreamSelector string `toml:"upstream_selector" example:"\"app=mcp-server\"" doc:"Label of the pods behind the gateway, for the network policy. Empty allows the upstream's port in the own namespace."`
	Proxies          string `toml:"proxies" doc:"Addresses of the ingress controller's pods: what they say of callers is believed. The network policy lets nobody else in."`
	SecretStore      string `toml:"secret_store" doc:"ClusterSecretStore of the external-secrets operator. Empty takes the name of the deployment."`
}

// Contacts is [contacts].
type Contacts struct {
	SecurityLead      string   `toml:"security_lead" doc:"Name and how to reach them."`
	OnCall            string   `toml:"on_call" doc:"Name and how to reach them."`
	IncidentCommander string   `toml:"incident_commander" doc:"Name and how to reach them."`
	Owners            []string `toml:"owners" list:"text" example:"[\"@example/security\"]" doc:"Who is asked about changes of workflows and deployment files (CODEOWNERS): teams, people or addresses. Empty takes the address above."`
}

// New returns the answers of somebody who was not asked.
func New() Answers {
	return Answers{
		Name: "portcullis", Profile: Default, Domain: "mcp.example.com", Email: "security@example.com", Environment: "production", Rotate: "quarterly",
		Image:    Image{Name: "ghcr.io/portcullis-dev/portcullis", Tag: "0.1.0", User: 65532, Source: "portcullis-dev/portcullis"},
		Server:   Server{Port: 8080, AdminPort: 9090},
		Upstream: Upstream{URL: "http://mcp-server:3000/mcp", Protocol: "mcp", Path: "/mcp"},
		Alerts:   Alerts{Channel: NoAlerts},
		Kubernetes: Kube{
			Namespace: "portcullis", Storage: "10Gi", IngressNamespace: "ingress-nginx", IngressClass: "nginx",
			Issuer: "letsencrypt", MonitorNamespace: "monitoring", Proxies: "10.0.0.0/8",
		},
		Contacts: Contacts{SecurityLead: "Security Lead <security@example.com>", OnCall: "On-Call Engineer <oncall@example.com>", IncidentCommander: "Incident Commander <incident@example.com>"},
	}
}

// Parse reads an answers file. Every mistake is reported with its line.
func Parse(name string, data []byte, getenv func(string) (string, bool)) (Answers, error) {
	a := New()
	tree, err := tomlstrict.Parse(name, data)
	if err != nil {
		return a, err
	}
	origin, err := tomlstrict.Decoder{Getenv: getenv}.Decode(tree, &a)
	if err != nil {
		return a, err
	}
	if errs := origin.Locate("", a.Validate()); errs != nil {
		return a, errs
	}
	return a, nil
}

const intro = `What portcullis generate has to know.

Every key stands below with its default. Remove the # in front of a key to change it.`

// Commented returns the answers as a file to start from, with every key
// described.
func (a Answers) Commented() string {
	return outline.View{Value: a, Default: New()}.Commented(intro)
}
