package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/authz/pattern"
	"github.com/portcullis-dev/portcullis/internal/authz/rbac"
	"github.com/portcullis-dev/portcullis/internal/authz/tool"
	"github.com/portcullis-dev/portcullis/internal/config/privacy"
)

// Access is [access].
type Access struct {
	Roles        map[string][]string `toml:"roles" doc:"What each role grants: permissions, which are words such as read, and scopes such as tools:read_*. A role that is not here grants nothing."`
	Rules        []AccessRule        `toml:"rules" doc:"What actions need. Every rule that fits must be satisfied; on a route that has rules, what no rule fits is denied."`
	PolicyFiles  []string            `toml:"policy_files" list:"text" example:"[\"/etc/portcullis/policies/*.cedar\"]" doc:"Cedar policy files; * stands for any part of a file's name. What no policy permits is denied, and a forbid wins. The files are followed like this one."`
	PolicyRoutes []string            `toml:"policy_routes" list:"text" doc:"Routes that the policy files decide on, by name; * stands for any text."`
}

// AccessRule is one [[access.rules]].
type AccessRule struct {
	Routes    []string `toml:"routes" list:"text" example:"[\"files\"]" doc:"Routes it is about; empty means all. * stands for any text, here and in the other lists."`
	Methods   []string `toml:"methods" list:"text" example:"[\"logging/setLevel\"]" doc:"Methods it is about; empty means any that acts on the things below."`
	Tools     []string `toml:"tools" list:"text" example:"[\"get_*\", \"list_*\"]" doc:"Tools it is about."`
	Prompts   []string `toml:"prompts" list:"text" example:"[\"*\"]" doc:"Prompts it is about."`
	Resources []string `toml:"resources" list:"text" example:"[\"file:///srv/docs/*\"]" doc:"Resources it is about, by URI."`
	Skills    []string `toml:"skills" list:"text" example:"[\"translate\"]" doc:"Skills it is about."`
	Needs     []string `toml:"needs" list:"text" example:"[\"read\"]" doc:"Permissions or scopes that are needed, all of them."`
}

// DefaultAccess returns the defaults of [access]: the roles of the hardening
// guide, and no rule.
func DefaultAccess() Access {
	return Access{
		Roles: map[string][]string{
			"admin": {"read", "write", "delete", "manage"}, "editor": {"read", "write"}, "viewer": {"read"},
		},
		PolicyRoutes: []string{"*"},
	}
}

const maxPolicyFiles = 100 // patterns

// Validate checks [access] without its rules.
func (a Access) Validate() error {
	var errs []error
	if err := rbac.ValidateRoles(a.Roles); err != nil {
		errs = append(errs, fmt.Errorf("roles: %w", err))
	}
	if len(a.PolicyFiles) > maxPolicyFiles {
		errs = append(errs, fmt.Errorf("policy_files: %d patterns: want at most %d", len(a.PolicyFiles), maxPolicyFiles))
	}
	for i, f := range a.PolicyFiles {
		if _, err := filepath.Match(f, ""); err != nil || f == "" {
			errs = append(errs, fmt.Errorf(`policy_files[%d]: %q: want a file, or a pattern such as "policies/*.cedar"`, i, f))
		}
	}
	errs = append(errs, pattern.Validate("policy_routes", a.PolicyRoutes))
	return errors.Join(errs...)
}

// Rule returns the rule as the guard takes it.
func (r AccessRule) Rule() rbac.Rule { return rbac.Rule(r) }

// Validate checks a rule.
func (r AccessRule) Validate() error { return r.Rule().Validate() }

// ToolRules is [route.tools].
type ToolRules struct {
	Rules
	Meta    []MetaTool        `toml:"meta" doc:"Tools that call other tools: the one they name in their arguments must be allowed as well."`
	PHI     []string          `toml:"phi" list:"text" example:"[\"get_patient\"]" doc:"Tools whose calls are protected health information: only the role of [privacy.phi] calls them."`
	Consent map[string]string `toml:"consent" example:"{ \"send_*\" = \"marketing\" }" doc:"Purpose, of those in [[privacy.purpose]], that callers of a tool must have agreed to, by name of the tool; * stands for any text. All that fit count."`
}

// Validate checks the lists.
func (r ToolRules) Validate() error {
	errs := []error{r.Rules.Validate(), pattern.Validate("phi", r.PHI)}
	for name := range r.Consent {
		errs = append(errs, pattern.Validate("consent", []string{name}))
	}
	return errors.Join(errs...)
}

// checkConsent refuses a purpose that nobody declared: nobody could agree to it.
func (c *Config) checkConsent(i int) error {
	declared := func(name string) bool {
		return slices.ContainsFunc(c.Privacy.Purpose, func(p privacy.Purpose) bool { return p.Name == name })
	}
	const mend = "declare it in [[privacy.purpose]]"
	r := c.Routes[i]
	var errs []error
	if r.Consent != "" && !declared(r.Consent) {
		errs = append(errs, fmt.Errorf("consent: %q: is no purpose: %s", r.Consent, mend))
	}
	for _, pattern := range slices.Sorted(maps.Keys(r.Tools.Consent)) {
		if name := r.Tools.Consent[pattern]; !declared(name) {
			errs = append(errs, fmt.Errorf("tools.consent: %q: is no purpose: %s", name, mend))
		}
	}
	for j, p := range r.PHI {
		if err := pattern.Validate("tools", p.Tools); err != nil {
			errs = append(errs, fmt.Errorf("phi[%d].%w", j, err))
		}
	}
	return errors.Join(errs...)
}

// MetaTool is one entry of route.tools.meta.
type MetaTool struct {
	Tool      string `toml:"tool" required:"true" example:"\"call_tool\"" doc:"Name of the tool."`
	Name      string `toml:"name" required:"true" example:"\"/tool_name\"" doc:"JSON pointer into its arguments: the name of the tool it calls."`
	Arguments string `toml:"arguments" example:"\"/arguments\"" doc:"JSON pointer into its arguments: those of the tool it calls. Without it policies see none."`
}

// Validate checks a declaration.
func (m MetaTool) Validate() error { return metatool.Tool(m).Validate() }

// Lists returns the allow and deny lists of a route.
func (r Route) Lists() tool.Config {
	return tool.Config{
		Allow: r.Tools.Allow, Deny: r.Tools.Deny,
		Prompts:   tool.List{Allow: r.Prompts.Allow, Deny: r.Prompts.Deny},
		Resources: tool.List{Allow: r.Resources.Allow, Deny: r.Resources.Deny},
		Skills:    tool.List{Allow: r.Skills.Allow, Deny: r.Skills.Deny},
	}
}

// MetaTools returns the tools that call others as the guards take them.
func (r ToolRules) MetaTools() []metatool.Tool {
	out := make([]metatool.Tool, len(r.Meta))
	for i, m := range r.Meta {
		out[i] = metatool.Tool(m)
	}
	return out
}
