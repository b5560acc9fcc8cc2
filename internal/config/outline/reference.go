package outline

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// Reference returns the Markdown tables of all keys, one for each section,
// without a title.
func (v View) Reference() string {
	var b strings.Builder
	v.section(&b, reflect.ValueOf(v.Default), tomlstrict.Field{}, "")
	return b.String()
}

func (v View) section(b *strings.Builder, def reflect.Value, section tomlstrict.Field, header string) {
	var nested []tomlstrict.Field
	var rows []string
	for _, f := range tomlstrict.Fields(def.Type()) {
		if isTable(f.Type) {
			nested = append(nested, f)
			continue
		}
		rows = append(rows, v.row(def.FieldByIndex(f.Index), f))
	}
	if header != "" {
		fmt.Fprintf(b, "\n## `%s`\n", header)
		if section.Doc != "" {
			fmt.Fprintf(b, "\n%s\n", section.Doc)
		}
	}
	if len(rows) > 0 {
		b.WriteString("\n| key | form | default | meaning |\n|---|---|---|---|\n")
		b.WriteString(strings.Join(rows, ""))
	}
	for _, f := range nested {
		child, name := v.child(def.FieldByIndex(f.Index), f)
		v.section(b, child, f, nestedHeader(header, name, tomlstrict.FormOf(f.Type) == tomlstrict.FormTables))
	}
}

// child returns the default of a nested table and how its name is written.
func (v View) child(def reflect.Value, f tomlstrict.Field) (reflect.Value, string) {
	switch tomlstrict.FormOf(f.Type) {
	case tomlstrict.FormTables:
		return v.prototype(f.Type.Elem()), f.Name
	case tomlstrict.FormMap:
		return v.prototype(f.Type.Elem()), f.Name + ".NAME"
	default:
		if def.Kind() == reflect.Pointer {
			return v.prototype(def.Type().Elem()), f.Name
		}
		return def, f.Name
	}
}

// nestedHeader puts a name under a header: [[route]] and tools give
// [route.tools].
func nestedHeader(header, name string, list bool) string {
	path := name
	if outer := strings.Trim(header, "[]"); outer != "" {
		path = outer + "." + name
	}
	if list {
		return "[[" + path + "]]"
	}
	return "[" + path + "]"
}

func (v View) row(def reflect.Value, f tomlstrict.Field) string {
	text := "–"
	switch {
	case f.Required:
		text = "required"
	case def.Kind() != reflect.Pointer && !isEmpty(def):
		text = "`" + v.text(leaf{field: f, value: def}, false) + "`"
	case def.Kind() == reflect.Bool, def.CanInt(), def.CanUint():
		text = "`" + v.text(leaf{field: f, value: def}, false) + "`"
	}
	meaning := f.Doc
	if len(f.Enum) > 0 {
		meaning += " One of `" + strings.Join(f.Enum, "`, `") + "`."
	}
	if f.Example != "" {
		meaning += " Example: `" + f.Example + "`."
	}
	escape := strings.NewReplacer("|", `\|`, "\n", " ")
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.Name, formName(f), escape.Replace(text), escape.Replace(strings.TrimSpace(meaning)))
}

func formName(f tomlstrict.Field) string {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	names := [...]string{
		tomlstrict.FormNone: "", tomlstrict.FormText: "text", tomlstrict.FormBool: "true or false",
		tomlstrict.FormInteger: "integer", tomlstrict.FormFloat: "number", tomlstrict.FormDuration: "duration",
		tomlstrict.FormSize: "size", tomlstrict.FormList: "list", tomlstrict.FormMap: "table",
		tomlstrict.FormTable: "table", tomlstrict.FormTables: "list of tables",
	}
	switch form := tomlstrict.FormOf(t); {
	case f.Secret:
		return names[form] + ", secret"
	case f.Bytes:
		return "size"
	case f.TextList:
		return "list or text"
	default:
		return names[form]
	}
}
