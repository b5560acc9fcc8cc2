package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// Verdict is what one guard says.
type Verdict struct {
	Guard  string   `json:"guard"`
	Effect string   `json:"effect"` // "allow" or "deny"
	Rule   string   `json:"rule"`
	Need   []string `json:"need,omitempty"` // scopes that would have helped
}

// Answer is what all guards of a route say of one action. The guards behind
// the one that denied would not be asked for a call; here they are.
type Answer struct {
	Effect string    `json:"effect"`
	Guard  string    `json:"guard,omitempty"` // that decided; "" when all allowed
	Rule   string    `json:"rule"`
	Guards []Verdict `json:"guards"`
}

// Allowed reports whether all guards allow.
func (a Answer) Allowed() bool { return a.Effect == effect(portcullis.Allow) }

func effect(e portcullis.Effect) string {
	if e == portcullis.Allow {
		return "allow"
	}
	return "deny"
}

// Explain asks every guard of a route. An error of a guard is a denial, as it
// is for a call.
func Explain(ctx context.Context, guards []portcullis.Authorizer, p portcullis.Principal, a portcullis.Action) Answer {
	out := Answer{Effect: effect(portcullis.Allow), Guards: []Verdict{}}
	if len(guards) == 0 {
		out.Effect = effect(portcullis.Deny)
	}
	for _, g := range guards {
		d, err := g.Authorize(ctx, p, a)
		if err != nil {
			d = portcullis.Decision{Rule: "failed: " + err.Error()}
		}
		out.Guards = append(out.Guards, Verdict{g.Name(), effect(d.Effect), d.Rule, d.Need})
		switch {
		case out.Guard != "": // an earlier one has decided
		case !d.Allowed():
			out.Effect, out.Guard, out.Rule = effect(portcullis.Deny), g.Name(), d.Rule
		default:
			out.Rule = d.Rule
		}
	}
	return out
}

// Find returns a route of the configuration by name, or the only one if name is
// empty.
func Find(cfg *config.Config, name string) (*config.Route, error) {
	var names []string
	for i := range cfg.Routes {
		if cfg.Routes[i].Name == name || name == "" && len(cfg.Routes) == 1 {
			return &cfg.Routes[i], nil
		}
		names = append(names, cfg.Routes[i].Name)
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("the configuration has no route")
	case name == "":
		return nil, fmt.Errorf("name a route: %s", strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("there is no route %q: there are %s", name, strings.Join(names, ", "))
}

// ParseTarget reads "tool:NAME" and its like; "" is no target.
func ParseTarget(text string) (portcullis.Target, error) {
	if text == "" {
		return portcullis.Target{}, nil
	}
	kind, name, ok := strings.Cut(text, ":")
	for _, k := range [...]portcullis.TargetKind{portcullis.TargetTool, portcullis.TargetPrompt, portcullis.TargetResource, portcullis.TargetSkill} {
		if ok && name != "" && k.String() == kind {
			return portcullis.Target{Kind: k, Name: name}, nil
		}
	}
	return portcullis.Target{}, fmt.Errorf("%q: want tool:NAME, prompt:NAME, resource:URI or skill:NAME", text)
}

// UseMethod returns the method that uses a thing, which is what an action is
// where only the thing is named.
func UseMethod(k portcullis.TargetKind) string {
	switch k {
	case portcullis.TargetTool:
		return "tools/call"
	case portcullis.TargetPrompt:
		return "prompts/get"
	case portcullis.TargetResource:
		return "resources/read"
	case portcullis.TargetSkill:
		return "SendMessage"
	}
	return ""
}
