package detect

import (
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/risk"
)

// Risk is [detect.risk]. The weights are the guide's and are not set.
type Risk struct {
	Window time.Duration `toml:"window" doc:"How long what a caller did counts."`
}

// DefaultRisk returns the defaults of [detect.risk].
func DefaultRisk() Risk { return Risk{Window: risk.DefaultWindow} }

// Validate checks [detect.risk].
func (r Risk) Validate() error {
	if r.Window < time.Minute || r.Window > 24*time.Hour {
		return fmt.Errorf("window: %q: want \"1m\" to \"24h\"", r.Window)
	}
	return nil
}
