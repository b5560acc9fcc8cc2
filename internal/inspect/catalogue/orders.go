package catalogue

import (
	"sync"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/inspect/injection"
)

// orders finds instructions to a model. Its rules come with the gateway and
// take milliseconds to put together, which is done when the first text is read:
// whoever only checks a configuration does not wait for it.
type orders struct {
	injection.Detector // for its name, kinds and hint
	made               func() (*injection.Detector, error)
}

var _ finding.Detector = (*orders)(nil)

func newOrders() *orders {
	return &orders{made: sync.OnceValues(func() (*injection.Detector, error) {
		rules, err := injection.Builtin()
		if err != nil {
			return nil, err
		}
		return injection.New(injection.Options{Rules: rules})
	})}
}

// Find implements [finding.Detector]. Without its rules it panics, so that the
// message is refused and not passed unread; the tests read the rules.
func (o *orders) Find(dst []finding.Finding, s []byte) []finding.Finding {
	d, err := o.made()
	if err != nil {
		panic(err)
	}
	return d.Find(dst, s)
}
