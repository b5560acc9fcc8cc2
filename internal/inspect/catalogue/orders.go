package catalogue

import (
	"fmt"
	"io"
	"os"
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

func newOrders(file string, strict bool) *orders {
	return &orders{made: sync.OnceValues(func() (*injection.Detector, error) {
		rules, err := Orders(file)
		if err != nil {
			return nil, err
		}
		return injection.New(injection.Options{Rules: rules, Strict: strict})
	})}
}

// maxRuleFile bounds a file of rules, in bytes.
const maxRuleFile = 1 << 20

// Orders returns the rules for instructions to a model: those of the house and,
// behind them, those of a file.
func Orders(file string) (injection.Rules, error) {
	rules, err := injection.Builtin()
	if err != nil || file == "" {
		return rules, err
	}
	f, err := os.Open(file)
	if err != nil {
		return injection.Rules{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRuleFile+1))
	switch {
	case err != nil:
		return injection.Rules{}, err
	case len(text) > maxRuleFile:
		return injection.Rules{}, fmt.Errorf("is larger than %d bytes", maxRuleFile)
	}
	own, err := injection.Parse(text)
	if err != nil {
		return injection.Rules{}, err
	}
	rules.Rule, rules.Discussion = append(rules.Rule, own.Rule...), append(rules.Discussion, own.Discussion...)
	if _, err := injection.New(injection.Options{Rules: rules}); err != nil { // together they may be too many
		return injection.Rules{}, err
	}
	return rules, nil
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
