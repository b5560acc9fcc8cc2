package check

import (
	"github.com/portcullis-dev/portcullis/internal/harden/check/attest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/host"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/running"
	"github.com/portcullis-dev/portcullis/internal/harden/check/settings"
	"github.com/portcullis-dev/portcullis/internal/harden/check/suppress"
)

// families is every kind of target. A new one is a line here and a package that
// has Rules, Find and Load:
//
//	files(rule.Dockerfile, dockerfile.Rules(), dockerfile.Find, dockerfile.Load)
func families(o Options) []family {
	return []family{
		files(rule.Config, settings.Rules(), settings.Find, settings.Load(o.Getenv)),
		given(rule.Gateway, running.Rules()),
		given(rule.Host, host.Rules()),
		given(rule.Attestation, attest.Rules()),
		given(rule.Suppressions, suppress.Rules()),
	}
}
