// Package outline reads configuration structs by reflection and writes them
// down: as TOML or JSON with secrets masked, as a commented file to start
// from, as a JSON Schema, as a reference page, and as the list of changes
// between two of them. It knows no section by name; what it says comes from
// the struct tags that [tomlstrict.Fields] describes.
package outline

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// View is a configuration and what is needed to write it down.
type View struct {
	Value      any               // a struct
	Default    any               // the default of the same type
	Prototypes []any             // defaults of structs inside lists and maps
	Templates  map[string]string // text of values that name a variable, by path
}

// leaf is one setting: a scalar, a list of scalars or an entry of a map.
type leaf struct {
	path  string // with indexes: route[0].env.TOKEN
	label string // with names: route[files].env.TOKEN
	field tomlstrict.Field
	value reflect.Value
}

// leaves lists the settings of a struct in order; the entries of maps are
// sorted by key. Nil pointers are left out.
func leaves(v reflect.Value, path, label string) []leaf {
	var out []leaf
	for _, f := range tomlstrict.Fields(v.Type()) {
		at := leaf{tomlstrict.BarePath(path, f.Name), tomlstrict.BarePath(label, f.Name), f, v.FieldByIndex(f.Index)}
		out = append(out, at.below()...)
	}
	return out
}

func (l leaf) below() []leaf {
	if l.value.Kind() == reflect.Pointer {
		if l.value.IsNil() {
			return nil
		}
		l.value = l.value.Elem()
	}
	var out []leaf
	switch tomlstrict.FormOf(l.value.Type()) {
	case tomlstrict.FormTable:
		return leaves(l.value, l.path, l.label)
	case tomlstrict.FormTables:
		for i := range l.value.Len() {
			item := l.value.Index(i)
			out = append(out, leaves(item, fmt.Sprintf("%s[%d]", l.path, i), itemLabel(l.label, item, i))...)
		}
		return out
	case tomlstrict.FormMap:
		for _, k := range sortedKeys(l.value) {
			entry := leaf{tomlstrict.BarePath(l.path, k), tomlstrict.BarePath(l.label, k), l.field, mapEntry(l.value, k)}
			out = append(out, entry.below()...)
		}
		return out
	default:
		return []leaf{l}
	}
}

// itemLabel names an element of a list of tables by its name, so that a list
// whose elements moved shows no change.
func itemLabel(label string, item reflect.Value, i int) string {
	for _, f := range tomlstrict.Fields(item.Type()) {
		if name := item.FieldByIndex(f.Index); f.Name == "name" && name.Kind() == reflect.String && name.Len() > 0 {
			return fmt.Sprintf("%s[%s]", label, name.String())
		}
	}
	return fmt.Sprintf("%s[%d]", label, i)
}

func sortedKeys(m reflect.Value) []string {
	keys := make([]string, 0, m.Len())
	for _, k := range m.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	return keys
}

func mapEntry(m reflect.Value, key string) reflect.Value {
	return m.MapIndex(reflect.ValueOf(key).Convert(m.Type().Key()))
}

// prototype returns the default of a type inside a list or map.
func (v View) prototype(t reflect.Type) reflect.Value {
	for _, p := range v.Prototypes {
		if reflect.TypeOf(p) == t {
			return reflect.ValueOf(p)
		}
	}
	return reflect.Zero(t)
}

// Change is one setting that differs between two configurations. Secrets,
// passwords in URLs and what environment variables held are masked.
type Change struct {
	Field string // "route[files].timeout"
	Old   string // TOML text, "" if it was absent
	New   string // TOML text, "" if it is absent
}

// Diff lists what changed from one configuration to the next, in the order of
// the settings. Elements of lists of tables are matched by name; one that
// appeared or went is listed with its settings that are not the default.
func Diff(from, to View) []Change {
	before, after := from.byLabel(), to.byLabel()
	var out []Change
	for _, l := range merged(from.leaves(), to.leaves()) {
		b, hadBefore := before[l.label]
		a, hasAfter := after[l.label]
		if hadBefore && hasAfter && same(b.value, a.value) {
			continue
		}
		c := Change{Field: l.label}
		if hadBefore {
			c.Old = from.text(b, true)
		}
		if hasAfter {
			c.New = to.text(a, true)
		}
		switch {
		case hadBefore && hasAfter && c.Old == c.New:
			c.Old, c.New = masked, masked
		case !hadBefore && to.isItemDefault(a), !hasAfter && from.isItemDefault(b):
			continue
		}
		out = append(out, c)
	}
	return out
}

// same reports whether two values of a setting mean the same: an empty list is
// none, whether or not it was written.
func same(a, b reflect.Value) bool {
	return isEmpty(a) && isEmpty(b) || reflect.DeepEqual(a.Interface(), b.Interface())
}

func (v View) leaves() []leaf { return leaves(reflect.ValueOf(v.Value), "", "") }

func (v View) byLabel() map[string]leaf {
	out := map[string]leaf{}
	for _, l := range v.leaves() {
		out[l.label] = l
	}
	return out
}

// merged keeps the order of the new settings and puts each that is gone where
// it was.
func merged(before, after []leaf) []leaf {
	have := map[string]bool{}
	for _, l := range after {
		have[l.label] = true
	}
	var out []leaf
	i := 0
	for _, l := range before {
		if !have[l.label] {
			out = append(out, l)
			continue
		}
		for i < len(after) && after[i].label != l.label {
			out, i = append(out, after[i]), i+1
		}
		if i < len(after) {
			out, i = append(out, after[i]), i+1
		}
	}
	out = append(out, after[i:]...)
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(l leaf) bool {
		again := seen[l.label]
		seen[l.label] = true
		return again
	})
}

// isItemDefault reports whether a setting inside a list of tables has the
// value that it has when the file does not mention it.
func (v View) isItemDefault(l leaf) bool {
	if !strings.Contains(l.path, "]") {
		return false
	}
	for _, p := range v.Prototypes {
		for _, d := range leaves(reflect.ValueOf(p), "", "") {
			if strings.HasSuffix(l.path, "]."+d.path) && same(l.value, d.value) {
				return true
			}
		}
	}
	return false
}

// Reachable returns the struct types that a configuration contains, by path of
// their first appearance, for tests that every one is documented.
func Reachable(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	var visit func(path string, t reflect.Type)
	visit = func(path string, t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			visit(path, t.Elem())
		case reflect.Struct:
			if tomlstrict.FormOf(t) == tomlstrict.FormTable && !slices.Contains(slices.Collect(maps.Values(out)), t) {
				out[path] = t
				for _, f := range tomlstrict.Fields(t) {
					visit(tomlstrict.BarePath(path, f.Name), f.Type)
				}
			}
		}
	}
	visit("", t)
	return out
}
