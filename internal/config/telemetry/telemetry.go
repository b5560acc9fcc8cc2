// Package telemetry is the section [telemetry] of the configuration: what the
// gateway shows of itself to those who watch it.
package telemetry

import (
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Telemetry is [telemetry].
type Telemetry struct {
	MetricsToken field.Secret `toml:"metrics_token" example:"\"${METRICS_TOKEN}\"" doc:"Bearer token with which /metrics may be read, beside a key with the scope manage. Or a reference to it, such as secret://file/run/secrets/metrics_token."`
	Aliases      []string     `toml:"aliases" list:"text" example:"[\"chronicle\", \"agent\"]" doc:"Families of names under which /metrics shows the gateway's metrics a second time, for dashboards that know those: chronicle (chronicle_requests_total and others), agent (agent_requests_total and others)."`
	Traces       Traces       `toml:"traces" doc:"OpenTelemetry traces of calls, sent over OTLP/HTTP. Off without an endpoint, here or in the environment."`
}

// Default returns the defaults of [telemetry].
func Default() Telemetry { return Telemetry{Traces: DefaultTraces()} }

// MinToken is the least length of a token that cannot be guessed (128 bits in
// hexadecimal is 32, in base64 22; 16 is the floor for what people paste).
const MinToken = 16

// References lists the secret references of [telemetry].
func (t Telemetry) References() []secrets.Reference {
	out := t.Traces.References()
	if text := t.MetricsToken.Reveal(); source.IsRef(text) {
		out = append(out, secrets.Reference{Field: "metrics_token", Text: text})
	}
	return out
}

// Validate checks [telemetry].
func (t Telemetry) Validate() error {
	var errs []error
	if text := t.MetricsToken.Reveal(); source.IsRef(text) {
		if _, err := source.Parse(text); err != nil {
			errs = append(errs, fmt.Errorf("metrics_token: %w", err))
		}
	} else if n := len(text); n > 0 && n < MinToken {
		errs = append(errs, fmt.Errorf("metrics_token: want at least %d characters", MinToken))
	}
	for i, name := range t.Aliases {
		if !obs.IsAliasFamily(name) {
			errs = append(errs, fmt.Errorf(`aliases[%d]: %q: want "chronicle" or "agent"`, i, name))
		}
	}
	return errors.Join(errs...)
}
