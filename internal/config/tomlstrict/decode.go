package tomlstrict

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Decoder fills structs from a [Tree]. The zero Decoder knows no environment
// variable. It may be used for several trees, one after the other.
type Decoder struct {
	// Getenv looks up an environment variable, as os.LookupEnv does.
	Getenv func(string) (string, bool)
	// Prototypes are the defaults of structs that a file makes any number of,
	// such as the elements of [[route]]; at most one of each type.
	Prototypes []any
	// Reserved says why a key that no field has is refused although it is not
	// a mistake of spelling. Indexes are left out of the path:
	// "route[].credential".
	Reserved func(path string) (why string, ok bool)
}

// Decode fills dst, a pointer to a struct that holds the defaults. Tables are
// merged into it key by key; a list or map in the file replaces the default.
// All mistakes are returned together as [Errors]; dst is then incomplete. The
// origin is valid also beside an error.
func (d Decoder) Decode(t *Tree, dst any) (*Origin, error) {
	run := &decoding{
		Decoder: d,
		origin:  &Origin{file: t.file, lines: map[string]int{"": 1}, templates: map[string]string{}, resolved: map[string]string{}},
	}
	if run.Getenv == nil {
		run.Getenv = func(string) (string, bool) { return "", false }
	}
	run.table(t.root, reflect.ValueOf(dst).Elem(), "")
	run.origin.errs = run.errs
	if len(run.errs) > 0 {
		return run.origin, run.errs.Sorted()
	}
	return run.origin, nil
}

type decoding struct {
	Decoder
	origin *Origin
	errs   Errors
}

func (d *decoding) fail(n *node, path, format string, args ...any) {
	d.errs = append(d.errs, Error{File: d.origin.file, Line: n.line, Path: path, Text: fmt.Sprintf(format, args...)})
}

// table fills the fields of a struct.
func (d *decoding) table(n *node, v reflect.Value, path string) {
	d.origin.lines[path] = n.line
	if n.kind != kindTable {
		d.fail(n, path, "want a table, not %s", kindNames[n.kind])
		return
	}
	fields := Fields(v.Type())
	for _, f := range fields {
		at := BarePath(path, f.Name)
		value, ok := n.fields[f.Name]
		switch {
		case ok:
			d.origin.lines[at] = value.line
			d.value(value, v.FieldByIndex(f.Index), f, at)
		case f.Required:
			d.fail(n, at, "must be given")
		}
	}
	for _, name := range n.names {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name }) {
			d.unknown(n.fields[name], BarePath(path, name), name, fields)
		}
	}
}

func (d *decoding) unknown(n *node, path, name string, fields []Field) {
	if d.Reserved != nil {
		if why, ok := d.Reserved(withoutIndexes(path)); ok {
			d.fail(n, path, "%s", why)
			return
		}
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	if near := nearest(name, names); near != "" {
		d.fail(n, path, "unknown key (did you mean %q?)", near)
		return
	}
	d.fail(n, path, "unknown key")
}

func (d *decoding) value(n *node, v reflect.Value, f Field, path string) {
	if v.Kind() == reflect.Pointer {
		fresh := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			fresh.Elem().Set(v.Elem())
		} else {
			d.prototype(fresh.Elem())
		}
		v.Set(fresh)
		v = fresh.Elem()
	}
	switch FormOf(v.Type()) {
	case FormTable:
		if n.kind == kindString && f.TextKey != "" {
			n = &node{kind: kindTable, line: n.line, names: []string{f.TextKey}, fields: map[string]*node{f.TextKey: n}}
		}
		d.table(n, v, path)
	case FormTables, FormList:
		d.list(n, v, f, path)
	case FormMap:
		d.mapping(n, v, f, path)
	case FormNone:
		d.fail(n, path, "not a setting that a file can hold")
	default:
		d.scalar(n, v, f, path)
	}
}

// prototype sets v to the registered default of its type, if there is one.
func (d *decoding) prototype(v reflect.Value) {
	for _, p := range d.Prototypes {
		if reflect.TypeOf(p) == v.Type() {
			v.Set(reflect.ValueOf(p))
			unshare(v)
		}
	}
}

// unshare copies the lists and maps inside v, so that no two elements made
// from one prototype share any.
func unshare(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				unshare(v.Field(i))
			}
		}
	case reflect.Slice:
		if !v.IsNil() {
			v.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v))
		}
	case reflect.Map:
		if !v.IsNil() {
			out := reflect.MakeMapWithSize(v.Type(), v.Len())
			for it := v.MapRange(); it.Next(); {
				out.SetMapIndex(it.Key(), it.Value())
			}
			v.Set(out)
		}
	}
}

func (d *decoding) list(n *node, v reflect.Value, f Field, path string) {
	if n.kind == kindString && f.TextList {
		n = d.splitText(n, path)
		if n == nil {
			return
		}
	}
	if n.kind == kindTable && FormOf(v.Type()) == FormTables {
		d.fail(n, path, "want a list of tables: write [[%s]]", withoutIndexes(path))
		return
	}
	if n.kind != kindArray {
		d.fail(n, path, "want %s, not %s", describeList(v.Type(), f), kindNames[n.kind])
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.origin.lines[at] = item.line
		d.prototype(out.Index(i))
		d.value(item, out.Index(i), f, at)
	}
	v.Set(out)
}

// splitText makes a list of a text with commas. Variables are resolved first,
// so that one variable can hold a whole list.
func (d *decoding) splitText(n *node, path string) *node {
	text, ok := d.text(n, path)
	if !ok {
		return nil
	}
	list := &node{kind: kindArray, line: n.line}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			// Already resolved: what a variable held is not expanded again.
			part = strings.ReplaceAll(part, "${", "$${")
			list.items = append(list.items, &node{kind: kindString, line: n.line, text: part})
		}
	}
	return list
}

func (d *decoding) mapping(n *node, v reflect.Value, f Field, path string) {
	if n.kind != kindTable {
		d.fail(n, path, "want a table, not %s", kindNames[n.kind])
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.names))
	for _, name := range n.names {
		at := BarePath(path, name)
		d.origin.lines[at] = n.fields[name].line
		elem := reflect.New(v.Type().Elem()).Elem()
		d.prototype(elem)
		d.value(n.fields[name], elem, f, at)
		out.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), elem)
	}
	v.Set(out)
}

// text resolves the variables of a string value.
func (d *decoding) text(n *node, path string) (string, bool) {
	out, used, err := expand(n.text, d.Getenv)
	if err != nil {
		d.fail(n, path, "%s", err)
		return "", false
	}
	if used {
		d.origin.templates[path] = n.text
		d.origin.resolved[out] = n.text
	}
	return out, true
}

// Origin remembers where the values of a decoded struct came from.
type Origin struct {
	file      string
	lines     map[string]int    // path → line
	templates map[string]string // path → text as written, where it names a variable
	resolved  map[string]string // resolved text → text as written
	errs      Errors            // what decoding refused
}

// Line returns the line of a path, of the nearest table or list around it if
// it is not in the file, or 1.
func (o *Origin) Line(path string) int {
	for {
		if line, ok := o.lines[path]; ok {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// Has reports whether the path stands in the file.
func (o *Origin) Has(path string) bool {
	_, ok := o.lines[path]
	return ok
}

// Templates returns the text of every value that names an environment
// variable, as written, by path. What the variable held is not in it.
func (o *Origin) Templates() map[string]string { return maps.Clone(o.templates) }

// Refused reports whether decoding refused something at the path, inside it
// or around it: a further check there would only repeat it. What lies inside
// one of the excepted paths does not count.
func (o *Origin) Refused(path string, except ...string) bool {
	return slices.ContainsFunc(o.errs, func(e Error) bool {
		inside := within(e.Path, path) && !slices.ContainsFunc(except, func(x string) bool { return within(e.Path, x) })
		return inside || within(path, e.Path)
	})
}

// within reports whether path is outer or lies inside it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || outer == "" || rest[0] == '.' || rest[0] == '[')
}

// Locate turns an error that a section's Validate returned into mistakes with
// their lines. The section lies at path; the error may be joined of several,
// and each begins with the field relative to the section and a colon, if it is
// about one. What environment variables held is taken out of the text.
func (o *Origin) Locate(path string, err error) Errors {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out Errors
		for _, one := range joined.Unwrap() {
			out = append(out, o.Locate(path, one)...)
		}
		return out
	}
	at, text := path, err.Error()
	if field, rest, ok := strings.Cut(text, ": "); ok && isFieldPath(field) {
		at, text = join(path, field), rest
		// A section may have put its own name before what a part of it said.
		// Values look like keys as well, so only keys of the file count.
		for {
			field, rest, ok = strings.Cut(text, ": ")
			if !ok || !isFieldPath(field) || !o.Has(join(at, field)) {
				break
			}
			at, text = join(at, field), rest
		}
	}
	return Errors{{File: o.file, Line: o.Line(at), Path: at, Text: o.withoutValues(text)}}
}

// withoutValues replaces resolved values in a text by what the file says.
// Values of less than four bytes tell nothing and would match by chance.
func (o *Origin) withoutValues(text string) string {
	values := slices.SortedFunc(maps.Keys(o.resolved), func(a, b string) int { return len(b) - len(a) })
	for _, v := range values {
		if len(v) >= 4 {
			text = strings.ReplaceAll(text, v, o.resolved[v])
			text = strings.ReplaceAll(text, strings.Trim(fmt.Sprintf("%q", v), `"`), o.resolved[v])
		}
	}
	return text
}

func join(path, field string) string {
	if path == "" || field[0] == '[' {
		return path + field
	}
	return path + "." + field
}

// isFieldPath tells "limits.bytes" and "rate[0]" from the words of a sentence.
func isFieldPath(s string) bool {
	for _, c := range s {
		lower := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !lower && !strings.ContainsRune("_-.[]", c) {
			return false
		}
	}
	return s != ""
}

// withoutIndexes turns "route[3].limits" into "route[].limits".
func withoutIndexes(path string) string {
	var b strings.Builder
	inside := false
	for _, c := range path {
		inside = inside && c != ']'
		if !inside {
			b.WriteRune(c)
		}
		inside = inside || c == '['
	}
	return b.String()
}
