package scope

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Config says what a route needs beyond the scopes of the things themselves.
type Config struct {
	// Tools maps a tool's name, or a name that ends in *, to scopes that a
	// caller needs besides tools:NAME: all of them, of every entry that fits.
	Tools map[string][]string `toml:"scopes"`
	// Skills is the same for the skills of an agent, besides skills:NAME. A
	// message that may use any skill needs the scopes of all.
	Skills map[string][]string `toml:"skills"`
	// Methods maps a method the protocol does not define to the scopes it
	// needs, all of them. Without an entry such a method is denied.
	Methods map[string][]string `toml:"methods"`
}

// Default returns the configuration that holds when nothing is configured.
func Default() Config { return Config{} }

// Validate checks patterns and scopes.
func (c Config) Validate() error {
	for _, by := range [...]map[string][]string{c.Tools, c.Skills} {
		for _, pattern := range slices.Sorted(maps.Keys(by)) {
			if pattern == "" || strings.Contains(strings.TrimSuffix(pattern, "*"), "*") {
				return fmt.Errorf("scopes: %q: want a name, with * only at the end", pattern)
			}
			if err := validateNeeds(by[pattern]); err != nil {
				return fmt.Errorf("scopes.%q: %w", pattern, err)
			}
		}
	}
	for _, method := range slices.Sorted(maps.Keys(c.Methods)) {
		if method == "" {
			return fmt.Errorf("methods: %q: want the name of a method", method)
		}
		if _, ok := targets[method]; ok || Open(method) {
			return fmt.Errorf("methods: %q: the protocol's own methods have fixed rules", method)
		}
		if err := validateNeeds(c.Methods[method]); err != nil {
			return fmt.Errorf("methods.%q: %w", method, err)
		}
	}
	return nil
}

// validateNeeds refuses wildcards: what is needed names one thing.
func validateNeeds(scopes []string) error {
	if len(scopes) == 0 {
		return fmt.Errorf("want at least one scope")
	}
	for _, s := range scopes {
		if err := Validate(s); err != nil {
			return err
		}
		if strings.HasSuffix(s, "*") {
			return fmt.Errorf("%q: a needed scope has no wildcard", s)
		}
	}
	return nil
}

// target is the kinds of thing a method acts on; the second is TargetNone
// where there is only one.
type target [2]portcullis.TargetKind

// targets lists the methods that act on a thing and therefore need its scope.
var targets = map[string]target{
	"tools/call":            {portcullis.TargetTool},
	"prompts/get":           {portcullis.TargetPrompt},
	"resources/read":        {portcullis.TargetResource},
	"resources/subscribe":   {portcullis.TargetResource},
	"resources/unsubscribe": {portcullis.TargetResource},
	"completion/complete":   {portcullis.TargetPrompt, portcullis.TargetResource},
	"message/send":          {portcullis.TargetSkill},
	"message/stream":        {portcullis.TargetSkill},
	"SendMessage":           {portcullis.TargetSkill},
	"SendStreamingMessage":  {portcullis.TargetSkill},
}

// Open reports whether a method needs a principal and nothing more: it opens,
// lists (the lists are filtered entry by entry), answers or ends. Names are
// those of MCP 2024-11-05 to 2026-07-28, of A2A 1.0 (what is whose is
// another guard's), and the gateway's own three.
func Open(method string) bool {
	switch method {
	case "initialize", "ping", "server/discover", "logging/setLevel",
		"tools/list", "prompts/list", "resources/list", "resources/templates/list",
		"subscriptions/listen",
		"tasks/get", "tasks/list", "tasks/result", "tasks/update", "tasks/cancel",
		"notifications/initialized", "notifications/cancelled", "notifications/progress",
		"notifications/roots/list_changed", "notifications/tasks/status",
		"GetTask", "ListTasks", "CancelTask", "SubscribeToTask", "GetExtendedAgentCard",
		"CreateTaskPushNotificationConfig", "GetTaskPushNotificationConfig", "ListTaskPushNotificationConfigs", "DeleteTaskPushNotificationConfig",
		"stream/open", "session/close", "response":
		return true
	}
	return false
}

// Authorizer is the guard "scope". It is immutable and safe for concurrent use.
type Authorizer struct {
	tools   needs
	skills  needs
	methods map[string][]string
	clock   func() time.Time
	roles   Roles
}

// Roles is what the roles of a principal add to its own scopes. It is pure.
type Roles interface {
	// Of returns the scopes that the roles grant; shared and read-only.
	Of(p portcullis.Principal) []string
	// Opens reports whether a rule gives what the action is about to the roles
	// of the principal, so that no scope of its own is needed.
	Opens(p portcullis.Principal, a portcullis.Action) (rule string, ok bool)
}

// noRoles adds nothing.
type noRoles struct{}

func (noRoles) Of(portcullis.Principal) []string { return nil }

func (noRoles) Opens(portcullis.Principal, portcullis.Action) (string, bool) { return "", false }

// With returns a guard that counts in what roles add.
func (a *Authorizer) With(r Roles) *Authorizer {
	out := *a
	out.roles = r
	return &out
}

// needs are the scopes that names take besides their own.
type needs []need

type need struct {
	stem   string
	all    bool // all names that begin with stem
	scopes []string
}

func newNeeds(by map[string][]string) needs {
	var out needs
	for _, pattern := range slices.Sorted(maps.Keys(by)) {
		stem, all := strings.CutSuffix(pattern, "*")
		out = append(out, need{stem, all, slices.Clone(by[pattern])})
	}
	return out
}

func (n *need) means(t portcullis.Target) bool {
	return t.Name == n.stem || n.all && strings.HasPrefix(t.Name, n.stem) || t.AnySkill()
}

// of returns the needs of the names of a kind.
func (a *Authorizer) of(k portcullis.TargetKind) needs {
	switch k {
	case portcullis.TargetTool:
		return a.tools
	case portcullis.TargetSkill:
		return a.skills
	}
	return nil
}

// New validates the configuration. clock tells whether a principal has
// expired; nil means time.Now.
func New(c Config, clock func() time.Time) (*Authorizer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	a := &Authorizer{tools: newNeeds(c.Tools), skills: newNeeds(c.Skills), methods: map[string][]string{}, clock: clock, roles: noRoles{}}
	if clock == nil {
		a.clock = time.Now
	}
	for method, needs := range c.Methods {
		a.methods[method] = slices.Clone(needs)
	}
	return a, nil
}

// Name returns "scope".
func (*Authorizer) Name() string { return "scope" }

// Authorize implements portcullis.Authorizer. It never returns an error. Rule
// of an allowed action is the granted scope that covered it, or the method.
// Need of a denied one lists every scope the action takes, held or not.
func (a *Authorizer) Authorize(_ context.Context, p portcullis.Principal, act portcullis.Action) (portcullis.Decision, error) {
	switch {
	case p.IsZero():
		return portcullis.Decision{Rule: "no principal"}, nil
	case !p.Expires.IsZero() && !a.clock().Before(p.Expires):
		return portcullis.Decision{Rule: "principal expired"}, nil
	case Open(act.Method):
		return portcullis.Decision{Effect: portcullis.Allow, Rule: act.Method}, nil
	}
	if kinds, ok := targets[act.Method]; ok {
		return a.authorizeTarget(p, act, kinds), nil
	}
	if needs, ok := a.methods[act.Method]; ok {
		for _, need := range needs {
			if !a.holds(p, need) {
				return portcullis.Decision{Rule: "no scope", Need: slices.Clone(needs)}, nil
			}
		}
		return portcullis.Decision{Effect: portcullis.Allow, Rule: needs[0]}, nil
	}
	if rule, ok := a.roles.Opens(p, act); ok {
		return portcullis.Decision{Effect: portcullis.Allow, Rule: rule}, nil
	}
	return portcullis.Decision{Rule: "unknown method"}, nil
}

// holds reports whether the principal has a scope, itself or by a role.
func (a *Authorizer) holds(p portcullis.Principal, need string) bool {
	return Match(p.Scopes, need) || Match(a.roles.Of(p), need)
}

func (a *Authorizer) authorizeTarget(p portcullis.Principal, act portcullis.Action, want target) portcullis.Decision {
	t := act.Target
	if t.Kind == portcullis.TargetNone || t.Name == "" || (t.Kind != want[0] && t.Kind != want[1]) {
		return portcullis.Decision{Rule: "wrong target"}
	}
	for _, k := range kinds {
		if k.kind != t.Kind {
			continue
		}
		rule, ok := find(p.Scopes, k.prefix, t.Name, k.kind)
		if !ok {
			rule, ok = find(a.roles.Of(p), k.prefix, t.Name, k.kind)
		}
		if !ok {
			rule, ok = a.roles.Opens(p, act)
		}
		if !ok || !a.extras(p, t) {
			return portcullis.Decision{Rule: "no scope", Need: a.needs(k.prefix, t)}
		}
		return portcullis.Decision{Effect: portcullis.Allow, Rule: rule}
	}
	return portcullis.Decision{Rule: "wrong target"}
}

// extras reports whether the principal holds what the route asks beyond the
// own scope of the thing.
func (a *Authorizer) extras(p portcullis.Principal, t portcullis.Target) bool {
	extra := a.of(t.Kind)
	for i := range extra {
		if !extra[i].means(t) {
			continue
		}
		for _, s := range extra[i].scopes {
			if !a.holds(p, s) {
				return false
			}
		}
	}
	return true
}

// For returns the scope that names a thing, and false if none can.
func For(t portcullis.Target) (string, bool) {
	for _, k := range kinds {
		if k.kind == t.Kind {
			s := k.prefix + t.Name
			return s, Validate(s) == nil
		}
	}
	return "", false
}

// needs lists every scope an action takes. A name that cannot stand in a scope
// is left out: only a wildcard grants it, and a challenge could not carry it.
func (a *Authorizer) needs(prefix string, t portcullis.Target) []string {
	var out []string
	if own := prefix + t.Name; Validate(own) == nil {
		out = append(out, own)
	}
	extra := a.of(t.Kind)
	for i := range extra {
		if extra[i].means(t) {
			out = append(out, extra[i].scopes...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
