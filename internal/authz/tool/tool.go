// Package tool holds the allow and deny lists of a route: which tools,
// prompts, resources and skills of its upstream exist for callers at all.
//
// A pattern is a name, or a name with '*' for any run of characters. Names are
// compared exactly, case included. Deny wins over allow; an empty allow list
// allows everything that is not denied. The lists say the same of a call and
// of an entry in a list, so what callers see is what they may use.
//
// Resources are URIs, which have many spellings. As soon as a route has a list
// for them, a URI with a "." or ".." segment is denied, and deny patterns are
// tried on the normalized URI (RFC 3986 section 6.2.2) as well as on the given
// one. An allow list is still the safer of the two.
package tool

import (
	"context"
	"errors"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/pattern"
)

// List is one pair of lists.
type List struct {
	Allow []string `toml:"allow"` // empty = all
	Deny  []string `toml:"deny"`  // wins over Allow
}

// Config is what a route allows. The tools' own lists stand at its top.
type Config struct {
	Allow     []string `toml:"allow"`
	Deny      []string `toml:"deny"`
	Prompts   List     `toml:"prompts"`
	Resources List     `toml:"resources"`
	Skills    List     `toml:"skills"`
}

// Default returns the configuration that holds when nothing is configured:
// everything is allowed here, and scopes decide.
func Default() Config { return Config{} }

// Empty reports whether there are no rules, so that a route needs no guard.
func (c Config) Empty() bool {
	return len(c.Allow)+len(c.Deny)+len(c.Prompts.Allow)+len(c.Prompts.Deny)+
		len(c.Resources.Allow)+len(c.Resources.Deny)+len(c.Skills.Allow)+len(c.Skills.Deny) == 0
}

// Validate checks the patterns.
func (c Config) Validate() error {
	return errors.Join(
		pattern.Validate("allow", c.Allow), pattern.Validate("deny", c.Deny),
		pattern.Validate("prompts.allow", c.Prompts.Allow), pattern.Validate("prompts.deny", c.Prompts.Deny),
		pattern.Validate("resources.allow", c.Resources.Allow), pattern.Validate("resources.deny", c.Resources.Deny),
		pattern.Validate("skills.allow", c.Skills.Allow), pattern.Validate("skills.deny", c.Skills.Deny),
	)
}

// Authorizer is the guard "tool". It is immutable and safe for concurrent use.
type Authorizer struct {
	tools, prompts, resources, skills rules
}

type rules struct{ allow, deny pattern.List }

// New validates the configuration and returns its guard.
func New(c Config) (*Authorizer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Authorizer{
		tools:     rules{pattern.Compile(c.Allow), pattern.Compile(c.Deny)},
		prompts:   rules{pattern.Compile(c.Prompts.Allow), pattern.Compile(c.Prompts.Deny)},
		resources: rules{pattern.Compile(c.Resources.Allow), pattern.Compile(c.Resources.Deny)},
		skills:    rules{pattern.Compile(c.Skills.Allow), pattern.Compile(c.Skills.Deny)},
	}, nil
}

// Name returns "tool".
func (*Authorizer) Name() string { return "tool" }

// Authorize implements portcullis.Authorizer. It never returns an error and
// does not allocate, but for resources with percent-encoding. An action
// without a target is allowed here: the lists are about things, and whether
// the method itself is known is for the scope guard.
func (a *Authorizer) Authorize(_ context.Context, p portcullis.Principal, act portcullis.Action) (portcullis.Decision, error) {
	if p.IsZero() {
		return portcullis.Decision{Rule: "no principal"}, nil
	}
	name := act.Target.Name
	switch act.Target.Kind {
	case portcullis.TargetNone:
		return portcullis.Decision{Effect: portcullis.Allow, Rule: "no target"}, nil
	case portcullis.TargetTool:
		return a.tools.decide(name), nil
	case portcullis.TargetPrompt:
		return a.prompts.decide(name), nil
	case portcullis.TargetSkill:
		return a.skills.decide(name), nil
	case portcullis.TargetResource:
		return a.resources.decideURI(name), nil
	}
	return portcullis.Decision{Rule: "unknown target"}, nil
}

func (r *rules) decide(name string) portcullis.Decision {
	if name == "" {
		return portcullis.Decision{Rule: "no name"}
	}
	if rule, ok := r.deny.Match(name); ok {
		return portcullis.Decision{Rule: rule}
	}
	if r.allow.Empty() {
		return portcullis.Decision{Effect: portcullis.Allow, Rule: "no allow list"}
	}
	if rule, ok := r.allow.Match(name); ok {
		return portcullis.Decision{Effect: portcullis.Allow, Rule: rule}
	}
	return portcullis.Decision{Rule: "not in the allow list"}
}

func (r *rules) decideURI(uri string) portcullis.Decision {
	if r.allow.Empty() && r.deny.Empty() {
		return r.decide(uri)
	}
	plain, ok := pattern.Plain(uri)
	if !ok {
		return portcullis.Decision{Rule: "dot segment"}
	}
	if plain != uri {
		if rule, ok := r.deny.Match(plain); ok {
			return portcullis.Decision{Rule: rule}
		}
	}
	return r.decide(uri)
}
