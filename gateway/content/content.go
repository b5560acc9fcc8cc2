// Package content makes what a route needs for its content rules: the engine
// that inspects arguments and reviews results, with the detectors, the tokens
// and the counters that it uses.
package content

import (
	"fmt"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/inspect/content"
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// ScopeDetokenize lets its holder have tokens in arguments swapped back, on
// routes that allow it.
const ScopeDetokenize = "detokenize"

// Tokens makes tokens of values and turns them back.
type Tokens = content.Tokens

// Guard returns the guard of a route, nil if its rules ask for nothing.
// detectors are those of the configuration, shared by its routes; tokens may be
// nil where no rule tokenizes; m may be nil.
func Guard(rc *config.Route, detectors []finding.Detector, tokens *Tokens, m *obs.Metrics) (*content.Engine, error) {
	var err error
	o := content.Options{
		Route: rc.Name, Detectors: detectors, Tokens: tokens, Detokenize: rc.Inspect.Detokenize,
		MayDetokenize: func(scopes []string) bool { return scope.Match(scopes, ScopeDetokenize) },
	}
	if o.Arguments, err = rc.Inspect.Rules(portcullis.ToServer); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	if o.Results, err = rc.Inspect.Rules(portcullis.ToClient); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	if m != nil {
		found := m.Content(rc.Name)
		o.Count = func(kind string, a content.Action, n int) { found.Found(kind, a.String(), n) }
	}
	e, err := content.New(o)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	return e, nil
}

// Inspectors returns the guard where it acts on messages of a direction.
func Inspectors(e *content.Engine, d portcullis.Direction) []portcullis.Inspector {
	if !e.Acts(d) {
		return nil
	}
	return []portcullis.Inspector{e}
}
