package check

import (
	"github.com/portcullis-dev/portcullis/internal/harden/check/agentcard"
	"github.com/portcullis-dev/portcullis/internal/harden/check/attest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ci"
	"github.com/portcullis-dev/portcullis/internal/harden/check/compose"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dockerfile"
	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint"
	"github.com/portcullis-dev/portcullis/internal/harden/check/envfile"
	"github.com/portcullis-dev/portcullis/internal/harden/check/firewall"
	"github.com/portcullis-dev/portcullis/internal/harden/check/helm"
	"github.com/portcullis-dev/portcullis/internal/harden/check/host"
	"github.com/portcullis-dev/portcullis/internal/harden/check/kubernetes"
	"github.com/portcullis-dev/portcullis/internal/harden/check/manifest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/mcpclient"
	"github.com/portcullis-dev/portcullis/internal/harden/check/nginx"
	"github.com/portcullis-dev/portcullis/internal/harden/check/repository"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/running"
	"github.com/portcullis-dev/portcullis/internal/harden/check/settings"
	"github.com/portcullis-dev/portcullis/internal/harden/check/suppress"
	"github.com/portcullis-dev/portcullis/internal/harden/check/systemd"
)

// families is every kind of target. A new one is a line here and a package that
// has Rules, Find and Load:
//
//	files(rule.Dockerfile, dockerfile.Rules(), dockerfile.Find, dockerfile.Load)
func families(o Options) []family {
	return []family{
		files(rule.Config, settings.Rules(), settings.Find, settings.Load(o.Getenv)),
		files(rule.Dockerfile, dockerfile.Rules(), dockerfile.Find, dockerfile.Load),
		files(rule.Compose, compose.Rules(), compose.Find, compose.Load),
		files(rule.Kubernetes, kubernetes.Rules(), kubernetes.Find, kubernetes.Load),
		files(rule.Helm, helm.Rules(), helm.Find, helm.Load),
		files(rule.Nginx, nginx.Rules(), nginx.Find, nginx.Load),
		files(rule.Firewall, firewall.Rules(), firewall.Find, firewall.Load),
		files(rule.Systemd, systemd.Rules(), systemd.Find, systemd.Load),
		files(rule.CI, ci.Rules(), ci.Find, ci.Load),
		files(rule.Env, envfile.Rules(), envfile.Find, envfile.Load),
		files(rule.Repository, repository.Rules(), repository.Find, repository.Load),
		files(rule.Dependencies, dependencies.Rules(), dependencies.Find, dependencies.Load(o.Dependencies)),
		files(rule.A2ACard, agentcard.Rules(), agentcard.Find, agentcard.Load),
		files(rule.OSSA, manifest.Rules(), manifest.Find, manifest.Load),
		files(rule.MCPClient, mcpclient.Rules(), mcpclient.Find, mcpclient.Load),
		given(rule.MCPEndpoint, endpoint.MCPRules()),
		given(rule.A2AEndpoint, endpoint.A2ARules()),
		given(rule.HTTPEndpoint, endpoint.HTTPRules()),
		given(rule.Gateway, running.Rules()),
		given(rule.Host, host.Rules()),
		given(rule.Attestation, attest.Rules()),
		given(rule.Suppressions, suppress.Rules()),
	}
}
