// Package schemas makes what a route needs to hold messages to JSON Schemas:
// the guard with the route's settings, its own schemas, and what the table
// before it had learnt of the server's tools.
package schemas

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/inspect/schema"
)

// Guard is the guard of a route and the server whose tools it knows.
type Guard struct {
	inspector *schema.Inspector
	upstream  string
	command   []string
}

// New returns the guard of a route. prev, which may be nil, is the one that
// the route had: of the same server its tools stay known.
func New(rc *config.Route, prev *Guard) (*Guard, error) {
	var rules []schema.Rule
	var errs []error
	for i, s := range rc.Schemas {
		rule, err := s.Rule()
		if err != nil {
			errs = append(errs, fmt.Errorf("schemas[%d]: %w", i, err))
		}
		rules = append(rules, rule)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	g := &Guard{upstream: rc.Upstream, command: rc.Command}
	if i := schema.New(rc.Schema.Guard(), rules); i != nil {
		g.inspector = i
		if len(rc.Tools.Meta) > 0 {
			meta, err := metatool.New(rc.Tools.MetaTools(), nil)
			if err != nil {
				return nil, err
			}
			i.LookInside(meta.Calls)
		}
		if prev != nil && prev.inspector != nil && prev.upstream == g.upstream && slices.Equal(prev.command, g.command) {
			i.Follow(prev.inspector)
		}
	}
	return g, nil
}

// Behind returns the inspectors first and, behind them, the guard if there is
// anything to check.
func (g *Guard) Behind(first ...portcullis.Inspector) []portcullis.Inspector {
	if g.inspector == nil {
		return first
	}
	return append(first, g.inspector)
}
