// Package telemetry is the section [telemetry] of the configuration: what the
// gateway shows of itself to those who watch it.
package telemetry

import (
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/config/field"
)

// Telemetry is [telemetry].
type Telemetry struct {
	MetricsToken field.Secret `toml:"metrics_token" example:"\"${METRICS_TOKEN}\"" doc:"Bearer token with which /metrics may be read, beside a key with the scope manage."`
}

// Default returns the defaults of [telemetry].
func Default() Telemetry { return Telemetry{} }

// minToken is the least length of a token that cannot be guessed (128 bits in
// hexadecimal is 32, in base64 22; 16 is the floor for what people paste).
const minToken = 16

// Validate checks [telemetry].
func (t Telemetry) Validate() error {
	if n := len(t.MetricsToken); n > 0 && n < minToken {
		return fmt.Errorf("metrics_token: want at least %d characters", minToken)
	}
	return nil
}
