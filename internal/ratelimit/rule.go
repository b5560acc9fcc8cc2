package ratelimit

import (
	"errors"
	"fmt"
	"strings"
)

// Scope says whose calls a [Rule] counts together.
type Scope uint8

// The scopes. ScopeAddress is counted before anyone is known, the others
// after; only ScopeRoute is shared by callers.
const (
	scopeNone    Scope = iota
	ScopeAddress       // a client address, IPv6 by /64
	ScopeKey           // an authenticated caller
	ScopeTool          // an authenticated caller and a tool
	ScopeRoute         // everybody who uses the route
)

var scopeNames = [...]string{"", "address", "key", "tool", "route"}

// String returns the word that rules use: "address".
func (s Scope) String() string {
	if int(s) < len(scopeNames) {
		return scopeNames[s]
	}
	return "unknown"
}

// Rule is a rate and whose calls it counts. The zero Rule is not valid.
type Rule struct {
	Rate  Rate
	Scope Scope
	Tool  string // with ScopeTool: this tool only; "" = each tool that no rule names
}

const maxToolName = 256

// ParseRule reads "<rate> per address|key|route|tool|tool:NAME". Without "per"
// the rule is per key.
func ParseRule(s string) (Rule, error) {
	rate, scope, hasScope := strings.Cut(s, " per ")
	r := Rule{Scope: ScopeKey}
	var err error
	if r.Rate, err = Parse(strings.TrimSpace(rate)); err != nil {
		return Rule{}, err
	}
	if hasScope {
		scope, tool, hasTool := strings.Cut(strings.TrimSpace(scope), ":")
		r.Scope, r.Tool = parseScope(scope), strings.TrimSpace(tool)
		if r.Scope == scopeNone || hasTool && (r.Scope != ScopeTool || r.Tool == "") {
			return Rule{}, fmt.Errorf("%q: want per address, key, route, tool or tool:NAME", s)
		}
	}
	if err := r.Validate(); err != nil {
		return Rule{}, fmt.Errorf("%q: %w", s, err)
	}
	return r, nil
}

func parseScope(s string) Scope {
	for i, name := range scopeNames {
		if i > 0 && s == name {
			return Scope(i)
		}
	}
	return scopeNone
}

// Validate reports what is wrong with r.
func (r Rule) Validate() error {
	if err := r.Rate.Validate(); err != nil {
		return err
	}
	switch {
	case r.Scope == scopeNone || int(r.Scope) >= len(scopeNames):
		return errors.New("no scope: want per address, key, route, tool or tool:NAME")
	case r.Tool != "" && r.Scope != ScopeTool:
		return fmt.Errorf("tool %q: only a rule per tool names one", r.Tool)
	case len(r.Tool) > maxToolName:
		return fmt.Errorf("tool name of %d bytes: want at most %d", len(r.Tool), maxToolName)
	case strings.TrimSpace(r.Tool) != r.Tool:
		return fmt.Errorf("tool %q: spaces around the name", r.Tool)
	}
	return nil
}

// String returns the form that [ParseRule] reads: "100/1m per key".
func (r Rule) String() string {
	s := r.Rate.String() + " per " + r.Scope.String()
	if r.Tool != "" {
		s += ":" + r.Tool
	}
	return s
}

// MarshalText writes the form of [Rule.String].
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what [ParseRule] reads.
func (r *Rule) UnmarshalText(text []byte) error {
	parsed, err := ParseRule(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
