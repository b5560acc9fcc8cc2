package tool

import (
	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/pattern"
)

// Set is a list of patterns that guards other than this one ask about: which
// tools, prompts, resources and skills does the operator mean? It is immutable
// and safe for concurrent use.
type Set struct{ list pattern.List }

// NewSet checks the patterns and returns their set.
func NewSet(list []string) (*Set, error) {
	if err := pattern.Validate("", list); err != nil {
		return nil, err
	}
	return &Set{pattern.Compile(list)}, nil
}

// Has reports whether a pattern means the thing. A resource is looked for in
// its normalized spelling too; one that has several readings is in every set
// that is not empty, as a set names what wants care. So is a message to an agent
// that may use any of its skills.
func (s *Set) Has(t portcullis.Target) bool {
	if t.Kind == portcullis.TargetNone || s.list.Empty() {
		return false
	}
	if t.AnySkill() {
		return true
	}
	if t.Kind == portcullis.TargetResource {
		plain, ok := pattern.Plain(t.Name)
		if !ok {
			return true
		}
		if plain != t.Name {
			if _, ok := s.list.Match(plain); ok {
				return true
			}
		}
	}
	_, ok := s.list.Match(t.Name)
	return ok
}

// Empty reports whether nothing is in the set.
func (s *Set) Empty() bool { return s.list.Empty() }
