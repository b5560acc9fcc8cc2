// Package answers is what `generate` has to know of a deployment: one TOML file
// whose every key has a default, or the flags of the command line.
//
// What is answered ends up in YAML, shell and configuration files of others.
// So every answer is checked for its form here, once, and no template has to
// wonder what a name may hold.
package answers

import (
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/outline"
	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// Profiles.
const (
	Default = "default" // what is right today
	Guide   = "guide"   // the values of the hardening guides, where they are safe
)

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
	Kubernetes  Kube     `toml:"kubernetes" doc:"The cluster."`
	Contacts    Contacts `toml:"contacts" doc:"Who is called on a bad day (S0-60)."`
}

// Image is [image].
type Image struct {
	Name   string `toml:"name" doc:"Repository of the image, without a tag."`
	Tag    string `toml:"tag" doc:"Tag, for people: what runs is the digest."`
	Digest string `toml:"digest" example:"\"sha256:…\"" doc:"Digest of the image. Empty until one is built; files that run it then say so."`
	User   int    `toml:"user" doc:"Numeric user and group in the container. The guide profile takes 1001."`
}

// Server is [server].
type Server struct {
	Port      int `toml:"port" doc:"Port for callers."`
	AdminPort int `toml:"admin_port" doc:"Port for administration and metrics; only ever on a loopback address or inside the cluster."`
}

// Upstream is [upstream].
type Upstream struct {
	URL      string `toml:"url" doc:"URL of the server behind the gateway."`
	Protocol string `toml:"protocol" enum:"mcp|a2a" doc:"What it speaks."`
	Path     string `toml:"path" doc:"Path of its route on the gateway."`
}

// Kube is [kubernetes].
type Kube struct {
	Namespace        string        `toml:"namespace" doc:"Namespace. It is made, with the labels of the restricted Pod Security Standard."`
	Replicas         int           `toml:"replicas" doc:"Copies of the gateway. More than one need PostgreSQL and Redis."`
	StorageClass     string        `toml:"storage_class" doc:"Storage class that encrypts at rest. Empty takes the cluster's default, and the runbook asks whether that encrypts."`
	Storage          string        `toml:"storage" doc:"Size of the volume for the data folder."`
	IngressNamespace string        `toml:"ingress_namespace" doc:"Namespace of the ingress controller: only it may call."`
	IngressClass     string        `toml:"ingress_class" doc:"Class of the ingress."`
	Issuer           string        `toml:"issuer" doc:"cert-manager ClusterIssuer for the certificate."`
	MonitorNamespace string        `toml:"monitor_namespace" doc:"Namespace of Prometheus: only it may scrape."`
	UpstreamSelector string        `toml:"upstream_selector" example:"\"app=mcp-server\"" doc:"Label of the pods behind the gateway, for the network policy. Empty allows the upstream's port in the own namespace."`
	RotateEvery      time.Duration `toml:"rotate_every" doc:"How often the rotation job runs (S3-20)."`
}

// Contacts is [contacts].
type Contacts struct {
	SecurityLead      string `toml:"security_lead" doc:"Name and how to reach them."`
	OnCall            string `toml:"on_call" doc:"Name and how to reach them."`
	IncidentCommander string `toml:"incident_commander" doc:"Name and how to reach them."`
}

// New returns the answers of somebody who was not asked.
func New() Answers {
	return Answers{
		Name: "portcullis", Profile: Default, Domain: "mcp.example.com", Email: "security@example.com", Environment: "production",
		Image:    Image{Name: "ghcr.io/portcullis-dev/portcullis", Tag: "latest", User: 65532},
		Server:   Server{Port: 8080, AdminPort: 9090},
		Upstream: Upstream{URL: "http://mcp-server:3000/mcp", Protocol: "mcp", Path: "/mcp"},
		Kubernetes: Kube{
			Namespace: "portcullis", Replicas: 1, Storage: "10Gi", IngressNamespace: "ingress-nginx", IngressClass: "nginx",
			Issuer: "letsencrypt", MonitorNamespace: "monitoring", RotateEvery: 30 * 24 * time.Hour,
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
