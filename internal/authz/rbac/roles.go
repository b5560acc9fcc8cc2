package rbac

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// Roles is the table of roles. It is safe for concurrent use.
type Roles struct {
	grants map[string][]string
	merged cache[string, []string] // by the roles of a principal
}

// NewRoles validates and compiles a table.
func NewRoles(roles map[string][]string) (*Roles, error) {
	if err := ValidateRoles(roles); err != nil {
		return nil, err
	}
	r := &Roles{grants: make(map[string][]string, len(roles)), merged: newCache[string, []string]()}
	for name, grants := range roles {
		r.grants[name] = slices.Clone(grants)
	}
	return r, nil
}

// Of returns what the roles of a principal grant, each grant once. It is shared
// and read-only.
func (r *Roles) Of(p portcullis.Principal) []string {
	switch {
	case len(p.Roles) == 0 || p.IsZero():
		return nil
	case len(p.Roles) == 1:
		return r.grants[p.Roles[0]]
	}
	var buf [512]byte
	key := buf[:0]
	for _, role := range p.Roles {
		if _, ok := r.grants[role]; ok { // others give nothing, and only the known are finitely many
			key = append(append(key, role...), ',')
		}
	}
	if got, ok := r.merged.get(string(key)); ok {
		return got
	}
	var out []string
	for role := range strings.SplitSeq(string(key), ",") {
		for _, g := range r.grants[role] {
			if !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
	}
	out = slices.Clip(out)
	r.merged.put(string(key), out)
	return out
}

// Known reports whether a role is configured.
func (r *Roles) Known(role string) bool {
	_, ok := r.grants[role]
	return ok
}

// Opens opens nothing: there are no rules here.
func (*Roles) Opens(portcullis.Principal, portcullis.Action) (string, bool) { return "", false }
