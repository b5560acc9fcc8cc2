// Package catalogue lists the detectors of content that there are. Rules name
// them; `detect` of a rule in the configuration is checked against this list.
package catalogue

import (
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/inspect/pattern"
)

// Detectors returns the detectors of the house and, behind them, those of the
// operator's own patterns.
func Detectors(patterns []pattern.Config) ([]finding.Detector, error) {
	out := own()
	seen := map[string]bool{}
	for i, c := range patterns {
		d, err := pattern.New(c)
		if err != nil {
			return nil, fmt.Errorf("patterns[%d]: %w", i, err)
		}
		if seen[c.Name] {
			return nil, fmt.Errorf("patterns[%d]: name: %q: is there twice", i, c.Name)
		}
		seen[c.Name] = true
		out = append(out, d)
	}
	return out, nil
}

// own are the detectors of the house.
func own() []finding.Detector {
	return []finding.Detector{}
}
