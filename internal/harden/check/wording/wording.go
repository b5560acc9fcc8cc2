// Package wording looks at texts that a model will read: whether they give it
// orders, and whether they hide characters from people.
package wording

import (
	"fmt"
	"sync"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/inspect/injection"
	"github.com/portcullis-dev/portcullis/internal/inspect/invisible"
	"github.com/portcullis-dev/portcullis/internal/inspect/terminal"
)

// Marks from which a finding counts, of 100: whoever describes a tool has no
// need for a doubtful character.
const (
	anyHidden  = 1
	sureOrders = 60
)

// Judge looks at texts. It is safe for concurrent use.
type Judge struct {
	hidden []finding.Detector
	orders finding.Detector
}

// Looked is what a text has, as the name of what was found.
type Looked struct{ Hidden, Orders string }

// builtin is made once: its patterns take longer to read than most files.
var builtin = sync.OnceValues(build)

// New returns the judge with the built-in rules.
func New() (*Judge, error) { return builtin() }

func build() (*Judge, error) {
	rules, err := injection.Builtin()
	if err != nil {
		return nil, fmt.Errorf("reading the rules for orders: %w", err)
	}
	orders, err := injection.New(injection.Options{Rules: rules})
	if err != nil {
		return nil, fmt.Errorf("reading the rules for orders: %w", err)
	}
	return &Judge{hidden: []finding.Detector{invisible.Detector{}, terminal.Detector{}}, orders: orders}, nil
}

// Look looks at a text.
func (j *Judge) Look(text string) Looked {
	b := []byte(text)
	out := Looked{Orders: worst(j.orders, b, sureOrders)}
	for _, d := range j.hidden {
		if out.Hidden == "" {
			out.Hidden = worst(d, b, anyHidden)
		}
	}
	return out
}

func worst(d finding.Detector, text []byte, mark uint8) string {
	for _, f := range d.Find(nil, text) {
		if f.Score >= mark {
			return f.Kind
		}
	}
	return ""
}
