package schema

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Failure says where a value breaks which rule, and never what it is. Path is a
// JSON Pointer. A name in it that does not stand in the schema reads *: it is
// the sender's, and could be anything. Rule is the keyword: "enum", or "budget",
// "depth", "number" and "json" for values that cannot be checked at all.
type Failure struct{ Path, Rule string }

// Bounds on what is told of a place.
const (
	maxName = 64
	maxPath = 256
)

// Check holds a value to the schema. A value whose check could cost too much is
// not checked, which is a failure too. prefix stands before the path of a
// failure.
func (s *Schema) Check(raw []byte, prefix string) *Failure {
	return s.check(raw, prefix, func() bool { return true })
}

// Checks above these bounds are heavy: they take memory of another order.
const (
	heavyBytes = 64 << 10
	heavySteps = 20_000
)

// check is Check. heavy is called, once at the most, before a heavy check
// begins; where it returns false, nothing is checked.
func (s *Schema) check(raw []byte, prefix string, heavy func() bool) (f *Failure) {
	defer func() {
		if p := recover(); p != nil { // nothing passes that was not checked
			f = &Failure{prefix, "budget"}
		}
	}()
	large := len(raw) > heavyBytes
	if large && !heavy() {
		return &Failure{prefix, "budget"}
	}
	v, d, err := decode(raw, false)
	switch {
	case errors.Is(err, errTooLarge):
		return &Failure{prefix, "budget"}
	case errors.Is(err, errTooDeep):
		return &Failure{prefix, "depth"}
	case errors.Is(err, errNumber):
		return &Failure{prefix, "number"}
	case err != nil:
		return &Failure{prefix, "json"}
	}
	steps, ok := affordable(&s.costs, &d.shape)
	if !ok || !large && steps > heavySteps && !heavy() {
		return &Failure{prefix, "budget"}
	}
	err = s.root.Validate(v)
	if err == nil {
		return nil
	}
	var broken *jsonschema.ValidationError
	if !errors.As(err, &broken) {
		return &Failure{prefix, "json"}
	}
	var found []Failure
	s.collect(&found, broken, v)
	if len(found) == 0 {
		return &Failure{prefix, "schema"}
	}
	first := slices.MinFunc(found, func(a, b Failure) int { // of many always the same one
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return strings.Compare(a.Rule, b.Rule)
	})
	first.Path = prefix + first.Path
	if len(first.Path) > maxPath {
		first.Path = first.Path[:maxPath]
	}
	return &first
}

// maxFound is the number of failures the first is chosen from.
const maxFound = 100

// collect goes down to the rules that were broken. Of alternatives none of
// which fits it is the choice that is told.
func (s *Schema) collect(found *[]Failure, e *jsonschema.ValidationError, v any) {
	if len(*found) >= maxFound {
		return
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range e.Causes {
			s.collect(found, cause, v)
		}
		return
	case *kind.Required:
		if len(k.Missing) > 0 {
			*found = append(*found, Failure{s.pointer(append(slices.Clone(e.InstanceLocation), slices.Min(k.Missing)), v), "required"})
			return
		}
	case *kind.PropertyNames: // its place is in memory that was used again since
		*found = append(*found, Failure{s.pointer(owner(v, k.Property, len(e.InstanceLocation), nil), v), "propertyNames"})
		return
	case *kind.AdditionalProperties:
		*found = append(*found, Failure{s.pointer(append(slices.Clone(e.InstanceLocation), ""), v), "additionalProperties"})
		return
	}
	*found = append(*found, Failure{s.pointer(e.InstanceLocation, v), rule(e.ErrorKind)})
}

// owner returns where, so many steps down, an object has a member of a name.
func owner(v any, name string, steps int, place []string) []string {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v[name]; ok && steps == 0 {
			return place
		}
		for _, step := range slices.Sorted(maps.Keys(v)) {
			if steps > 0 {
				if found := owner(v[step], name, steps-1, append(slices.Clone(place), step)); found != nil {
					return found
				}
			}
		}
	case []any:
		for i, inner := range v {
			if steps > 0 {
				if found := owner(inner, name, steps-1, append(slices.Clone(place), strconv.Itoa(i))); found != nil {
					return found
				}
			}
		}
	}
	return nil
}

// rule is the keyword that was broken.
func rule(k jsonschema.ErrorKind) string {
	switch k.(type) {
	case *kind.Not:
		return "not"
	case *kind.FalseSchema:
		return "false"
	}
	path := k.KeywordPath()
	if len(path) == 0 {
		return "schema"
	}
	return path[0] // what follows is a name
}

// pointer writes a place. Steps through arrays are numbers; a step through an
// object is a name.
func (s *Schema) pointer(place []string, v any) string {
	var b strings.Builder
	for _, step := range place {
		b.WriteByte('/')
		switch inner := v.(type) {
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(inner) {
				return b.String() + "*"
			}
			b.WriteString(step)
			v = inner[i]
			continue
		case map[string]any:
			v = inner[step]
		default:
			v = nil
		}
		if s.names[step] && plain(step) {
			b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
		} else {
			b.WriteByte('*')
		}
	}
	return b.String()
}

// plain reports whether a name can stand in a log line as it is.
func plain(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for _, c := range []byte(name) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
