// Package catalogue lists the detectors of content that there are. Rules name
// them; `detect` of a rule in the configuration is checked against this list.
package catalogue

import (
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/inspect/egress"
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/inspect/formula"
	"github.com/portcullis-dev/portcullis/internal/inspect/html"
	"github.com/portcullis-dev/portcullis/internal/inspect/invisible"
	"github.com/portcullis-dev/portcullis/internal/inspect/pattern"
	"github.com/portcullis-dev/portcullis/internal/inspect/pii"
	"github.com/portcullis-dev/portcullis/internal/inspect/secret"
	"github.com/portcullis-dev/portcullis/internal/inspect/terminal"
	"github.com/portcullis-dev/portcullis/internal/inspect/url"
)

// Options are what the detectors must be told.
type Options struct {
	Patterns        []pattern.Config
	SensitiveParams []string      // names of URL parameters beside the usual ones
	Locales         []string      // whose identity numbers are looked for; all if empty
	LinkHosts       []string      // that links in results may name; none: only links that carry data are found
	InsideHosts     []string      // inside the network, that arguments may name
	KeyPrefix       string        // of this gateway's own keys
	OwnKey          secret.OwnKey // recognises them
	InjectionRules  string        // file with rules for instructions to a model, beside those of the house; "" = none
	InjectionStrict bool          // phrases count in full where a text speaks about attacks
}

// Detectors returns the detectors of the house and, behind them, those of the
// operator's own patterns.
func Detectors(o Options) ([]finding.Detector, error) {
	patterns := o.Patterns
	out, err := own(o)
	if err != nil {
		return nil, err
	}
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
func own(o Options) ([]finding.Detector, error) {
	personal, err := pii.New(o.Locales)
	if err != nil {
		return nil, err
	}
	names, err := url.NewNames(o.SensitiveParams)
	if err != nil {
		return nil, err
	}
	return []finding.Detector{
		secret.New(o.KeyPrefix, o.OwnKey), personal, url.New(names, o.LinkHosts), egress.New(o.InsideHosts), html.Detector{}, formula.Detector{},
		terminal.Detector{}, invisible.Detector{}, newOrders(o.InjectionRules, o.InjectionStrict),
	}, nil
}
