package outline

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// width is the column at which comments are wrapped.
const width = 80

// TOML writes the configuration in force, secrets masked. A setting that has
// its default value is marked so.
func (v View) TOML() string {
	r := renderer{View: v, literal: literal{View: v, mask: true}}
	r.table(reflect.ValueOf(v.Value), reflect.ValueOf(v.Default), "", "")
	return strings.TrimLeft(r.out.String(), "\n")
}

// Commented writes the configuration as a file to start from: every key with
// its description, in front of a # where it has its default. Reading the file
// gives the configuration back. Lists of tables that are empty get an example
// that is commented out.
func (v View) Commented(intro string) string {
	r := renderer{View: v, literal: literal{View: v}, docs: true}
	r.comment(intro)
	r.table(reflect.ValueOf(v.Value), reflect.ValueOf(v.Default), "", "")
	return r.out.String()
}

type renderer struct {
	View
	literal literal
	docs    bool // descriptions, and defaults commented out
	example bool // inside an example: everything is commented out
	out     strings.Builder
}

func (r *renderer) comment(text string) {
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := "#"
		for word := range strings.FieldsSeq(paragraph) {
			if len(line)+1+len(word) > width {
				r.out.WriteString(line + "\n")
				line = "#"
			}
			line += " " + word
		}
		r.out.WriteString(line + "\n")
	}
}

// table writes the scalars of a struct, then its tables, as TOML demands. The
// origin is the path with indexes, the header the path without.
func (r *renderer) table(v, def reflect.Value, header, origin string) {
	var later []tomlstrict.Field
	for _, f := range tomlstrict.Fields(v.Type()) {
		if isTable(f.Type) {
			later = append(later, f)
			continue
		}
		r.setting(v.FieldByIndex(f.Index), def.FieldByIndex(f.Index), f, tomlstrict.BarePath(origin, f.Name))
	}
	for _, f := range later {
		value, base := v.FieldByIndex(f.Index), def.FieldByIndex(f.Index)
		r.tables(value, base, f, tomlstrict.BarePath(header, f.Name), tomlstrict.BarePath(origin, f.Name))
	}
}

// isTable reports whether a type is written under a header of its own.
func isTable(t reflect.Type) bool {
	switch tomlstrict.FormOf(t) {
	case tomlstrict.FormTable, tomlstrict.FormTables:
		return true
	case tomlstrict.FormMap:
		return isTable(t.Elem())
	default:
		return false
	}
}

func (r *renderer) tables(v, def reflect.Value, f tomlstrict.Field, header, origin string) {
	switch tomlstrict.FormOf(f.Type) {
	case tomlstrict.FormTable:
		if v.Kind() == reflect.Pointer {
			if v.IsNil() && !r.docs {
				return
			}
			v, def = r.pointee(v), r.pointee(def)
		}
		r.header("["+header+"]", f)
		r.table(v, def, header, origin)
	case tomlstrict.FormTables:
		for i := range v.Len() {
			r.header("[["+header+"]]", f)
			r.table(v.Index(i), r.prototype(v.Index(i).Type()), header, fmt.Sprintf("%s[%d]", origin, i))
		}
		if v.Len() == 0 {
			r.exampleOf(func(proto reflect.Value) {
				r.header("[["+header+"]]", f)
				r.table(proto, proto, header, origin+"[]")
			}, v.Type().Elem())
		}
	case tomlstrict.FormMap:
		for _, k := range sortedKeys(v) {
			r.header("["+tomlstrict.BarePath(header, k)+"]", f)
			entry := mapEntry(v, k)
			r.table(entry, r.prototype(entry.Type()), tomlstrict.BarePath(header, k), tomlstrict.BarePath(origin, k))
		}
		if v.Len() == 0 {
			r.exampleOf(func(proto reflect.Value) {
				r.header("["+header+".NAME]", f)
				r.table(proto, proto, header+".NAME", origin+".NAME")
			}, v.Type().Elem())
		}
	}
}

func (r *renderer) pointee(v reflect.Value) reflect.Value {
	if v.IsNil() {
		return r.prototype(v.Type().Elem())
	}
	return v.Elem()
}

func (r *renderer) exampleOf(write func(proto reflect.Value), t reflect.Type) {
	if !r.docs {
		return
	}
	was := r.example
	r.example = true
	write(r.prototype(t))
	r.example = was
}

func (r *renderer) header(text string, f tomlstrict.Field) {
	r.out.WriteString("\n")
	if r.docs && f.Doc != "" {
		r.comment(f.Doc)
	}
	if r.example {
		text = "#" + text
	}
	r.out.WriteString(text + "\n")
}

func (r *renderer) setting(v, def reflect.Value, f tomlstrict.Field, path string) {
	absent := v.Kind() == reflect.Pointer && v.IsNil()
	if absent && !r.docs {
		return
	}
	_, isTemplate := r.Templates[path]
	isDefault := same(v, def) && !isTemplate
	text := ""
	if !absent {
		text = r.literal.value(v, f, path)
	}
	switch {
	case !r.docs && isDefault:
		fmt.Fprintf(&r.out, "%s = %s # default\n", f.Name, text)
	case !r.docs:
		fmt.Fprintf(&r.out, "%s = %s\n", f.Name, text)
	default:
		r.described(v, f, path, text, isDefault)
	}
}

// described writes a setting under its description. One that is empty by
// default is shown with an example.
func (r *renderer) described(v reflect.Value, f tomlstrict.Field, path, text string, isDefault bool) {
	doc := f.Doc
	if len(f.Enum) > 0 {
		doc += " One of: " + strings.Join(f.Enum, ", ") + "."
	}
	switch {
	case f.Required:
		doc += " Required."
	case f.Example != "" && isDefault && isEmpty(v):
		doc += " Example:"
	}
	if f.Example != "" && isDefault && isEmpty(v) {
		text = f.Example
	} else if text == "" {
		text = r.literal.value(reflect.Zero(v.Type().Elem()), f, path)
	}
	mark := ""
	if r.example || isDefault {
		mark = "#"
	}
	r.out.WriteString("\n")
	r.comment(strings.TrimSpace(doc))
	fmt.Fprintf(&r.out, "%s%s = %s\n", mark, f.Name, text)
}

func isEmpty(v reflect.Value) bool {
	return v.IsZero() || (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}

// JSON writes the configuration in force as indented JSON, secrets masked.
// Durations and sizes are text, as in the file.
func (v View) JSON() ([]byte, error) {
	w := literal{View: v, mask: true}
	out, err := json.MarshalIndent(w.tree(reflect.ValueOf(v.Value), tomlstrict.Field{}, ""), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the configuration as JSON: %w", err)
	}
	return append(out, '\n'), nil
}

// tree builds the JSON value of a setting from its TOML text, so that both
// outputs mask the same.
func (w literal) tree(v reflect.Value, f tomlstrict.Field, path string) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch tomlstrict.FormOf(v.Type()) {
	case tomlstrict.FormTable:
		out := map[string]any{}
		for _, f := range tomlstrict.Fields(v.Type()) {
			out[f.Name] = w.tree(v.FieldByIndex(f.Index), f, tomlstrict.BarePath(path, f.Name))
		}
		return out
	case tomlstrict.FormTables:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = w.tree(v.Index(i), f, fmt.Sprintf("%s[%d]", path, i))
		}
		return out
	case tomlstrict.FormMap:
		out := map[string]any{}
		for _, k := range sortedKeys(v) {
			out[k] = w.tree(mapEntry(v, k), f, tomlstrict.BarePath(path, k))
		}
		return out
	default:
		return scalarJSON(w.value(v, f, path))
	}
}
