// Package telemetry is the section [telemetry] of the configuration: what the
// gateway shows of itself to those who watch it.
package telemetry

import (
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Telemetry is [telemetry].
type Telemetry struct {
	MetricsToken field.Secret `toml:"metrics_token" example:"\"${METRICS_TOKEN}\"" doc:"Bearer token with which /metrics may be read, beside a key with the scope manage."`
	Aliases      []string     `toml:"aliases" list:"text" example:"[\"chronicle\", \"agent\"]" doc:"Families of names under which /metrics shows the gateway's metrics a second time, for dashboards that know those: chronicle (chronicle_requests_total and others), agent (agent_requests_total and others)."`
	Traces       Traces       `toml:"traces" doc:"OpenTelemetry traces of calls, sent over OTLP/HTTP. Off without an endpoint, here or in the environment."`
}

// Default returns the defaults of [telemetry].
func Default() Telemetry { return Telemetry{Traces: DefaultTraces()} }

// minToken is the least length of a token that cannot be guessed (128 bits in
// hexadecimal is 32, in base64 22; 16 is the floor for what people paste).
const minToken = 16

// Validate checks [telemetry].
func (t Telemetry) Validate() error {
	var errs []error
	if n := len(t.MetricsToken); n > 0 && n < minToken {
		errs = append(errs, fmt.Errorf("metrics_token: want at least %d characters", minToken))
	}
	for i, name := range t.Aliases {
		if !obs.IsAliasFamily(name) {
			errs = append(errs, fmt.Errorf(`aliases[%d]: %q: want "chronicle" or "agent"`, i, name))
		}
	}
	return errors.Join(errs...)
}
