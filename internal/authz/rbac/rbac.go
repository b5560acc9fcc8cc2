// Package rbac decides by roles and permissions what a principal may do.
//
// There is one kind of grant. It is a scope such as "tools:read_*", see package
// scope, or a plain word such as "read", which is a permission. A role is a
// name for a list of grants; what a principal holds is what it has itself and
// what its roles give. A role that nobody configured gives nothing.
//
// [Rule]s map actions to the grants they need. Every rule that fits an action
// must be satisfied, so the order of rules means nothing and a rule more never
// gives more than the rule that was there. On a route that has rules, an action
// on a thing that no rule fits is denied; methods that open, list or end need
// no rule (see scope.Open), but one that fits them holds.
//
// A rule whose needs are met by roles alone opens the thing to them: who has
// the role needs no scope of its own for it. Grants that a credential itself
// carries only ever meet needs; the scope guard still asks for tools:NAME.
// So a key may do what its scopes say, or what its roles say, and no rule makes
// the scopes of a key mean more than they say.
//
// What a server says of its own tools (readOnlyHint and the like) is never
// asked.
package rbac

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/pattern"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
)

// Bounds of a configuration.
const (
	maxRoles  = 1000
	maxGrants = 1000 // of a role
	maxRules  = 10000
	maxNeeds  = 50 // of a rule
	maxRole   = 100
)

// Rule says what actions need. It fits an action when all that it names fits:
// the route, the method, and one of the lists of things. A list that is empty
// leaves its part open; Methods and the lists of things cannot all be empty.
type Rule struct {
	Routes    []string
	Methods   []string
	Tools     []string
	Prompts   []string
	Resources []string
	Skills    []string
	Needs     []string // grants, all of them
}

// ValidateRoles checks the names of roles and what they grant.
func ValidateRoles(roles map[string][]string) error {
	if len(roles) > maxRoles {
		return fmt.Errorf("%d roles: want at most %d", len(roles), maxRoles)
	}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		if err := ValidateRole(name); err != nil {
			return err
		}
		if len(roles[name]) > maxGrants {
			return fmt.Errorf("%s: %d grants: want at most %d", name, len(roles[name]), maxGrants)
		}
		for i, g := range roles[name] {
			if err := scope.Validate(g); err != nil {
				return fmt.Errorf("%s[%d]: %w", name, i, err)
			}
		}
	}
	return nil
}

// ValidateRole checks the name of a role.
func ValidateRole(name string) error {
	if name == "" || len(name) > maxRole || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' || r == '"' || r == '\\' }) {
		return fmt.Errorf("%.40q: want the name of a role: 1 to %d characters without spaces, quotes and commas", name, maxRole)
	}
	return nil
}

// Validate checks a rule.
func (r Rule) Validate() error {
	errs := []error{
		pattern.Validate("routes", r.Routes), pattern.Validate("methods", r.Methods),
		pattern.Validate("tools", r.Tools), pattern.Validate("prompts", r.Prompts),
		pattern.Validate("resources", r.Resources), pattern.Validate("skills", r.Skills),
	}
	if len(r.Methods)+r.things() == 0 {
		errs = append(errs, errors.New("tools: a rule needs methods, tools, prompts, resources or skills that it is about"))
	}
	if len(r.Needs) == 0 || len(r.Needs) > maxNeeds {
		errs = append(errs, fmt.Errorf("needs: want 1 to %d permissions or scopes", maxNeeds))
	}
	for i, n := range r.Needs {
		err := scope.Validate(n)
		if err == nil && strings.HasSuffix(n, "*") {
			err = fmt.Errorf("%q: a needed scope has no wildcard", n)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("needs[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// things counts the patterns for things.
func (r Rule) things() int {
	return len(r.Tools) + len(r.Prompts) + len(r.Resources) + len(r.Skills)
}

// rule is a Rule ready to match.
type rule struct {
	name    string // for the log: "access.rules[2]"
	methods pattern.List
	things  [portcullis.TargetSkill + 1]pattern.List
	any     bool // names no thing
	needs   []string
}

func (r *rule) fits(method string, t portcullis.Target) bool {
	if !r.methods.Empty() {
		if _, ok := r.methods.Match(method); !ok {
			return false
		}
	}
	if r.any {
		return true
	}
	_, ok := r.things[t.Kind].Match(t.Name)
	return ok && t.Kind != portcullis.TargetNone
}

// Guard is the guard "rbac" of one route. It is immutable but for what it
// remembers of earlier answers, and safe for concurrent use.
type Guard struct {
	*Roles
	rules []rule
	known cache[question, verdict]
}

var _ portcullis.Authorizer = (*Guard)(nil)

// New returns the guard of a route: of the rules, those that are about it.
func New(route string, roles *Roles, rules []Rule) (*Guard, error) {
	if len(rules) > maxRules {
		return nil, fmt.Errorf("%d rules: want at most %d", len(rules), maxRules)
	}
	g := &Guard{Roles: roles, known: newCache[question, verdict]()}
	for i, r := range rules {
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("rules[%d]: %w", i, err)
		}
		if routes := pattern.Compile(r.Routes); !routes.Empty() {
			if _, ok := routes.Match(route); !ok {
				continue
			}
		}
		g.rules = append(g.rules, rule{
			name: fmt.Sprintf("access.rules[%d]", i), methods: pattern.Compile(r.Methods), any: r.things() == 0,
			things: [...]pattern.List{
				portcullis.TargetTool: pattern.Compile(r.Tools), portcullis.TargetPrompt: pattern.Compile(r.Prompts),
				portcullis.TargetResource: pattern.Compile(r.Resources), portcullis.TargetSkill: pattern.Compile(r.Skills),
			},
			needs: slices.Clone(r.Needs),
		})
	}
	return g, nil
}

// Empty reports whether no rule is about the route, which then needs no guard.
func (g *Guard) Empty() bool { return len(g.rules) == 0 }

// Name returns "rbac".
func (*Guard) Name() string { return "rbac" }

// Authorize implements [portcullis.Authorizer]. It never returns an error.
func (g *Guard) Authorize(_ context.Context, p portcullis.Principal, a portcullis.Action) (portcullis.Decision, error) {
	if p.IsZero() {
		return portcullis.Decision{Rule: "no principal"}, nil
	}
	v := g.verdict(a)
	if !v.mapped {
		return portcullis.Decision{Rule: v.rule}, nil
	}
	granted := g.Of(p)
	for _, need := range v.needs {
		if !scope.Match(p.Scopes, need) && !scope.Match(granted, need) {
			return portcullis.Decision{Rule: v.rule, Need: v.offer(a.Target)}, nil
		}
	}
	return portcullis.Decision{Effect: portcullis.Allow, Rule: v.rule}, nil
}

// Opens implements scope.Roles: what roles alone satisfy is open to them. A
// method that acts on nothing has no scope, so there the needs are enough.
func (g *Guard) Opens(p portcullis.Principal, a portcullis.Action) (string, bool) {
	if p.IsZero() || len(g.rules) == 0 {
		return "", false
	}
	v := g.verdict(a)
	if !v.mapped || len(v.needs) == 0 {
		return "", false
	}
	granted := g.Of(p)
	for _, need := range v.needs {
		own := a.Target.Kind == portcullis.TargetNone && scope.Match(p.Scopes, need)
		if !own && !scope.Match(granted, need) {
			return "", false
		}
	}
	return v.rule, true
}

// question is what a verdict depends on.
type question struct {
	method, name string
	kind         portcullis.TargetKind
}

// verdict is what the rules say of an action, whoever asks.
type verdict struct {
	mapped bool
	rule   string
	needs  []string
}

// offer lists the scopes that would have helped.
func (v verdict) offer(t portcullis.Target) []string {
	out := slices.Clone(v.needs)
	if own, ok := scope.For(t); ok && !slices.Contains(out, own) {
		out = append(out, own)
	}
	return out
}

// maxRemembered is the longest name that is remembered, in bytes.
const maxRemembered = 256

func (g *Guard) verdict(a portcullis.Action) verdict {
	if len(a.Target.Name)+len(a.Method) > maxRemembered || a.Target.Kind > portcullis.TargetSkill {
		return g.judge(a.Method, a.Target)
	}
	q := question{method: a.Method, name: a.Target.Name, kind: a.Target.Kind}
	if v, ok := g.known.get(q); ok {
		return v
	}
	v := g.judge(a.Method, a.Target)
	q.method, q.name = strings.Clone(q.method), strings.Clone(q.name) // they may be parts of a large message
	g.known.put(q, v)
	return v
}

// judge asks every rule. A URI is tried in its plain spelling as well, which
// can only add needs: what maps it is the spelling that the server will see.
func (g *Guard) judge(method string, t portcullis.Target) verdict {
	if t.Kind > portcullis.TargetSkill {
		return verdict{rule: "unknown target"}
	}
	also := t
	if t.Kind == portcullis.TargetResource {
		plain, ok := pattern.Plain(t.Name)
		if !ok {
			return verdict{rule: "dot segment"}
		}
		also.Name = plain
	}
	v := verdict{mapped: scope.Open(method), rule: "no rule maps this"}
	if v.mapped {
		v.rule = method
	}
	var names []string
	for i := range g.rules {
		r := &g.rules[i]
		fits := r.fits(method, t)
		if !fits && (also == t || !r.fits(method, also)) {
			continue
		}
		v.mapped = v.mapped || fits
		names = append(names, r.name)
		for _, n := range r.needs {
			if !slices.Contains(v.needs, n) {
				v.needs = append(v.needs, n)
			}
		}
	}
	if v.mapped && len(names) > 0 {
		v.rule = names[0]
		if len(names) > 1 {
			v.rule = strings.Join(names[:min(len(names), maxNamed)], " ")
		}
	}
	return v
}

// maxNamed is how many rules an event names.
const maxNamed = 5
