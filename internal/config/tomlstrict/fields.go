package tomlstrict

import (
	"encoding"
	"reflect"
	"strings"
	"time"
)

// Field is one key of a struct.
type Field struct {
	Name     string // key in the file
	Index    []int  // for reflect.Value.FieldByIndex
	Type     reflect.Type
	Doc      string   // what it is for, one or more sentences
	Enum     []string // the only values allowed, of each element if it is a list
	Example  string   // a value as TOML text, shown where the default is empty
	Secret   bool     // never printed
	Required bool     // must stand in the file
	Bytes    bool     // a number of bytes, "1MiB" allowed
	TextList bool     // one text with commas is allowed in place of a list
	TextKey  string   // key of a table that a text in place of the table stands for
}

// Fields returns the keys of a struct type in order of declaration. It reads
// these tags:
//
//	toml:"name"        the key; "-" leaves the field out; a field without the
//	                   tag is no key
//	toml:",inline"     the keys of this struct belong to the one around it; so
//	                   do those of an embedded struct
//	doc:"…"            description for the reference, the schema and `init`
//	enum:"a|b"         allowed values
//	example:"…"        TOML text of an example value
//	secret:"true"      mask it; also any type with a method Reveal() string
//	required:"true"    must be given
//	unit:"bytes"       an integer that may be written "1MiB"; Size always may
//	text:"key"         a table that may be written as the text of one key
//	list:"text"        a list that may be written as one text with commas
func Fields(t reflect.Type) []Field {
	var out []Field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, option, _ := strings.Cut(sf.Tag.Get("toml"), ",")
		inline := option == "inline" || sf.Anonymous && name == ""
		if inline && sf.Type.Kind() == reflect.Struct {
			for _, f := range Fields(sf.Type) {
				f.Index = append([]int{i}, f.Index...)
				out = append(out, f)
			}
			continue
		}
		if name == "" || name == "-" || !sf.IsExported() {
			continue
		}
		f := Field{
			Name: name, Index: []int{i}, Type: sf.Type,
			Doc: sf.Tag.Get("doc"), Example: sf.Tag.Get("example"),
			Secret:   sf.Tag.Get("secret") == "true" || isRevealer(sf.Type),
			Required: sf.Tag.Get("required") == "true",
			Bytes:    sf.Tag.Get("unit") == "bytes" || sf.Type == reflect.TypeFor[Size](),
			TextList: sf.Tag.Get("list") == "text",
			TextKey:  sf.Tag.Get("text"),
		}
		if e := sf.Tag.Get("enum"); e != "" {
			f.Enum = strings.Split(e, "|")
		}
		out = append(out, f)
	}
	return out
}

func isRevealer(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[interface{ Reveal() string }]())
}

// Form says how a Go type is written in a file.
type Form uint8

// The forms. FormNone is a type that a configuration cannot hold.
const (
	FormNone     Form = iota
	FormText          // string, or a type that reads itself from text
	FormBool          // bool
	FormInteger       // any integer type
	FormFloat         // any float type
	FormDuration      // time.Duration
	FormSize          // Size
	FormList          // slice of scalars
	FormMap           // map from string
	FormTable         // struct
	FormTables        // slice of structs
)

// FormOf returns the form of a type; pointers are looked through.
func FormOf(t reflect.Type) Form {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return FormDuration
	case t == reflect.TypeFor[Size]():
		return FormSize
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return FormText
	}
	switch t.Kind() {
	case reflect.String:
		return FormText
	case reflect.Bool:
		return FormBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return FormInteger
	case reflect.Float32, reflect.Float64:
		return FormFloat
	case reflect.Struct:
		return FormTable
	case reflect.Slice:
		switch FormOf(t.Elem()) {
		case FormTable:
			return FormTables
		case FormNone, FormList, FormMap, FormTables:
			return FormNone
		default:
			return FormList
		}
	case reflect.Map:
		if t.Key().Kind() == reflect.String && FormOf(t.Elem()) != FormNone {
			return FormMap
		}
	}
	return FormNone
}

// BarePath returns the path with one more key, quoted where TOML would need it.
func BarePath(path, key string) string {
	if !isBareKey(key) {
		key = Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func isBareKey(s string) bool {
	for _, c := range []byte(s) {
		ok := c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !ok {
			return false
		}
	}
	return s != ""
}
