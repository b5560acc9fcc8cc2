// Package metatool decides on the tool inside a tool. Some servers offer one
// tool that calls others and is told which in its arguments ("call_tool"). A
// route declares such tools; a call of one is then decided twice, for the tool
// that is called and for the one it names, and both must be allowed. What does
// not name exactly one tool is denied.
package metatool

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Tool declares that a tool calls another.
type Tool struct {
	Tool      string // its name
	Name      string // JSON pointer into its arguments: the name of the other
	Arguments string // JSON pointer: the arguments for the other; "" = it has none that policies see
}

// Validate checks names and pointers.
func (t Tool) Validate() error {
	var errs []error
	if t.Tool == "" || strings.Contains(t.Tool, "*") {
		errs = append(errs, fmt.Errorf("tool: %q: want the name of one tool", t.Tool))
	}
	if _, err := parse(t.Name); err != nil {
		errs = append(errs, fmt.Errorf("name: %w", err))
	}
	if t.Arguments != "" {
		if _, err := parse(t.Arguments); err != nil {
			errs = append(errs, fmt.Errorf("arguments: %w", err))
		}
	}
	return errors.Join(errs...)
}

// pointer is a parsed JSON pointer (RFC 6901) through objects.
type pointer []string

func parse(text string) (pointer, error) {
	if len(text) < 2 || text[0] != '/' || len(text) > 512 {
		return nil, fmt.Errorf(`%q: want a JSON pointer such as "/tool_name"`, text)
	}
	p := pointer(strings.Split(text[1:], "/"))
	for i, token := range p {
		if token == "" || strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(token), "~") {
			return nil, fmt.Errorf("%q: want a JSON pointer without empty parts, with ~ as ~0 and / as ~1", text)
		}
		p[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
	}
	return p, nil
}

// find follows the pointer. It returns nil if there is nothing, and false if
// something on the way can be read in two ways: no object, or a member that a
// lax reader takes for the one that is meant.
func (p pointer) find(raw []byte) (value []byte, ok bool) {
	value = raw
	for _, token := range p {
		if value == nil {
			return nil, true
		}
		if jsonrpc.ValueOf(value).Kind != jsonrpc.Object {
			return nil, false
		}
		at := value
		value = nil
		it := jsonrpc.Walk(at)
		for it.Next() {
			switch name := it.Name.Text(at); {
			case name == token && value == nil:
				value = it.Value.Raw(at)
			case strings.EqualFold(strings.TrimSpace(name), token):
				return nil, false
			}
		}
		if it.Bad {
			return nil, false
		}
	}
	return value, true
}

type compiled struct {
	name, arguments pointer // arguments is nil where none are declared
}

// Guard is the guard "meta_tool". It is immutable and safe for concurrent use.
type Guard struct {
	tools map[string][]compiled
	authz []portcullis.Authorizer
}

var _ portcullis.Authorizer = (*Guard)(nil)

// New returns a guard that asks authz, all of it, about the inner tools.
func New(tools []Tool, authz []portcullis.Authorizer) (*Guard, error) {
	g := &Guard{tools: map[string][]compiled{}, authz: authz}
	for i, t := range tools {
		if err := t.Validate(); err != nil {
			return nil, fmt.Errorf("meta[%d]: %w", i, err)
		}
		var c compiled
		var err error
		if c.name, err = parse(t.Name); err != nil {
			return nil, err
		}
		if t.Arguments != "" {
			if c.arguments, err = parse(t.Arguments); err != nil {
				return nil, err
			}
		}
		g.tools[t.Tool] = append(g.tools[t.Tool], c)
	}
	return g, nil
}

// Name returns "meta_tool".
func (*Guard) Name() string { return "meta_tool" }

// maxNesting is how often a tool may call a tool that calls a tool.
const maxNesting = 4

// maxName is the longest name of a tool, in bytes.
const maxName = 256

// Authorize implements [portcullis.Authorizer]. In a list the tool itself is
// shown: what it may call is decided when it is called.
func (g *Guard) Authorize(ctx context.Context, p portcullis.Principal, a portcullis.Action) (portcullis.Decision, error) {
	if p.IsZero() {
		return portcullis.Decision{Rule: "no principal"}, nil
	}
	return g.decide(ctx, p, a, 0)
}

func (g *Guard) decide(ctx context.Context, p portcullis.Principal, a portcullis.Action, nesting int) (portcullis.Decision, error) {
	d := portcullis.Decision{Effect: portcullis.Allow, Rule: "calls no other tool"}
	if a.Listing || a.Target.Kind != portcullis.TargetTool {
		return d, nil
	}
	for _, c := range g.tools[a.Target.Name] {
		if nesting == maxNesting {
			return portcullis.Decision{Rule: "tools inside tools"}, nil
		}
		inner, ok := c.inner(a)
		if !ok {
			return portcullis.Decision{Rule: "names no one tool"}, nil
		}
		for _, other := range g.authz {
			got, err := other.Authorize(ctx, p, inner)
			if err != nil || !got.Allowed() {
				got.Effect, got.Rule = portcullis.Deny, "inner tool: "+other.Name()+": "+got.Rule
				return got, err
			}
		}
		got, err := g.decide(ctx, p, inner, nesting+1)
		if err != nil || !got.Allowed() {
			return got, err
		}
		d.Rule = "inner tool is allowed"
	}
	return d, nil
}

// Names returns the tools that a call names: its own and those inside it, as
// deep as they can be read.
func (g *Guard) Names(a portcullis.Action) []string {
	calls := g.Calls(a)
	names := make([]string, len(calls))
	for i, c := range calls {
		names[i] = c.Target.Name
	}
	return names
}

// Calls returns a call and those inside it, as deep as they can be read. Of an
// inner one whose arguments nobody declared, or that has none, they are nil.
func (g *Guard) Calls(a portcullis.Action) []portcullis.Action {
	calls := []portcullis.Action{a}
	for i := 0; i < len(calls) && len(calls) <= maxNames; i++ {
		for _, c := range g.tools[calls[i].Target.Name] {
			if inner, ok := c.inner(calls[i]); ok {
				calls = append(calls, inner)
			}
		}
	}
	return calls
}

// maxNames bounds what Names and Calls return.
const maxNames = 64

// inner is the action that a call of a meta tool leads to.
func (c compiled) inner(a portcullis.Action) (portcullis.Action, bool) {
	raw, ok := c.name.find(a.Arguments)
	if !ok || raw == nil {
		return portcullis.Action{}, false
	}
	name := jsonrpc.ValueOf(raw)
	text := name.Text(raw)
	if name.Kind != jsonrpc.String || text == "" || len(text) > maxName {
		return portcullis.Action{}, false
	}
	out := a
	out.Target.Name, out.Arguments = text, nil
	if c.arguments == nil {
		return out, true
	}
	args, ok := c.arguments.find(a.Arguments)
	if !ok || args != nil && jsonrpc.ValueOf(args).Kind != jsonrpc.Object {
		return portcullis.Action{}, false
	}
	out.Arguments = args
	return out, true
}

// Any reports whether has is true of what a message is about: the tool it
// calls or, if that is one that calls others, one of those inside.
func (g *Guard) Any(m *portcullis.Message, has func(portcullis.Target) bool) bool {
	if has(m.Target) {
		return true
	}
	if m.Target.Kind != portcullis.TargetTool || len(g.tools[m.Target.Name]) == 0 {
		return false
	}
	for _, name := range g.Names(portcullis.Action{Target: m.Target, Arguments: m.Arguments})[1:] {
		if has(portcullis.Target{Kind: portcullis.TargetTool, Name: name}) {
			return true
		}
	}
	return false
}
