package toolpin

import (
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/inspect/injection"
	"github.com/portcullis-dev/portcullis/internal/inspect/invisible"
	"github.com/portcullis-dev/portcullis/internal/inspect/terminal"
)

// scanner reads the texts of a tool the way content rules do, but with a lower
// mark: whoever describes a tool has no need for a doubtful character.
type scanner struct {
	hidden []finding.Detector
	orders finding.Detector
}

// Marks from which a finding counts, of 100.
const (
	anyHidden  = 1
	sureOrders = 60
)

func newScanner() (*scanner, error) {
	rules, err := injection.Builtin()
	if err != nil {
		return nil, err
	}
	orders, err := injection.New(injection.Options{Rules: rules})
	if err != nil {
		return nil, err
	}
	return &scanner{hidden: []finding.Detector{invisible.Detector{}, terminal.Detector{}}, orders: orders}, nil
}

// look says what is wrong with a text and names what it found: characters that
// a reader does not see, text that gives orders to a model.
func (s *scanner) look(text string) (hidden, orders string) {
	b := []byte(text)
	for _, d := range s.hidden {
		if hidden == "" {
			hidden = worst(d, b, anyHidden)
		}
	}
	return hidden, worst(s.orders, b, sureOrders)
}

// worst returns the kind of the first finding that counts.
func worst(d finding.Detector, text []byte, mark uint8) string {
	for _, f := range d.Find(nil, text) {
		if f.Score >= mark {
			return f.Kind
		}
	}
	return ""
}
