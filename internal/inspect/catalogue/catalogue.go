// Package catalogue lists the detectors of content that there are. Rules name
// them; `detect` of a rule in the configuration is checked against this list.
package catalogue

import (
	"fmt"
	"regexp"

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

// Options is what detectors are told of a gateway. The zero Options do.
type Options struct {
	Patterns        []pattern.Config
	Locales         []string // countries whose identity numbers are looked for; empty = all
	LinkHosts       []string // hosts that links may name; empty = any that carry nothing out
	AllowHosts      []string // private hosts that arguments may name
	SensitiveParams []string // names of URL parameters beside the usual ones
	KeyPrefix       string   // of this gateway's own keys
	KeyPattern      string   // and the expression for a whole one
}

// Detectors returns the detectors of the house and, behind them, those of the
// operator's own patterns.
func Detectors(o Options) ([]finding.Detector, error) {
	out, err := own(o)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, c := range o.Patterns {
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
		return nil, fmt.Errorf("locales: %w", err)
	}
	names, err := url.NewNames(o.SensitiveParams)
	if err != nil {
		return nil, err
	}
	keys, err := ownKey(o)
	if err != nil {
		return nil, err
	}
	return []finding.Detector{
		secret.New(o.KeyPrefix, keys), personal, url.New(names, o.LinkHosts), egress.New(o.AllowHosts), newOrders(),
		invisible.Detector{}, terminal.Detector{}, html.Detector{}, formula.Detector{},
	}, nil
}

// ownKey finds the length of a key of this gateway at the start of a text.
func ownKey(o Options) (secret.OwnKey, error) {
	if o.KeyPattern == "" {
		return nil, nil
	}
	re, err := regexp.Compile("^(?:" + o.KeyPattern + ")")
	if err != nil {
		return nil, fmt.Errorf("own keys: %w", err)
	}
	return func(text []byte) int {
		if at := re.FindIndex(text[:min(len(text), maxOwnKey)]); at != nil {
			return at[1]
		}
		return 0
	}, nil
}

// maxOwnKey bounds the bytes of a key of this gateway.
const maxOwnKey = 256
