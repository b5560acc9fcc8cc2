package card

import (
	"bytes"
	"strconv"
	"unicode"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// reader reads the parts of a card that is known to be strict JSON. It keeps
// the first thing that is wrong, and reads nothing after it.
type reader struct {
	plain bool // URLs without TLS are taken
	err   error
}

func (r *reader) fail(path, rule string) {
	if r.err == nil {
		r.err = &Error{Path: path, Rule: rule}
	}
}

// object is an object whose members were checked against a shape.
type object struct {
	r    *reader
	path string
	at   map[string]value
}

// value is a JSON value and where it stands.
type value struct {
	path string
	kind jsonrpc.Kind
	raw  []byte
}

func (v value) is(k jsonrpc.Kind) bool { return v.kind == k }

// given reports whether a member is there; null is what some writers put for
// absent.
func (v value) given() bool { return v.kind != jsonrpc.Absent && v.kind != jsonrpc.Null }

func (v value) text() string { return jsonrpc.ValueOf(v.raw).Text(v.raw) }

// object reads an object of a shape. Members that it does not define are left
// out, unless they are another spelling of one that it does.
func (r *reader) object(v value, s shape) object {
	o := object{r: r, path: v.path, at: map[string]value{}}
	if r.err != nil || !v.is(jsonrpc.Object) {
		r.fail(v.path, "not an object")
		return o
	}
	it := jsonrpc.Walk(v.raw)
	for it.Next() {
		name := it.Name.Text(v.raw)
		switch f := s.find(name); {
		case f == nil && s.members.Variant([]byte(name)):
			r.fail(v.path, "other spelling of a member")
		case f != nil && it.Name.Escaped:
			r.fail(join(v.path, f.name), "escaped spelling of a member")
		case f != nil:
			o.at[name] = value{join(v.path, name), it.Value.Kind, it.Value.Raw(v.raw)}
		}
	}
	if it.Bad {
		r.fail(v.path, "not readable")
	}
	return o
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// get returns a member, with its path also where it is absent.
func (o object) get(name string) value {
	v := o.at[name]
	v.path = join(o.path, name)
	return v
}

// need is get for a member that must be there.
func (o object) need(name string) value {
	v := o.get(name)
	if !v.given() {
		o.r.fail(v.path, "missing")
	}
	return v
}

// has reports whether a member is there.
func (o object) has(name string) bool { return o.at[name].given() }

// Bounds on texts, in bytes.
const (
	shortText = 512
	urlText   = 2048
	longText  = 32 << 10
)

// text reads a string of at most limit bytes without control characters but
// those of layout.
func (r *reader) text(v value, limit int) string {
	if !v.given() || r.err != nil {
		return ""
	}
	if !v.is(jsonrpc.String) {
		r.fail(v.path, "not a string")
		return ""
	}
	s := v.text()
	if len(s) > limit {
		r.fail(v.path, "longer than "+strconv.Itoa(limit)+" bytes")
		return ""
	}
	for _, c := range s {
		if unicode.IsControl(c) && (limit != longText || c != '\n' && c != '\t' && c != '\r') {
			r.fail(v.path, "control character")
			return ""
		}
	}
	return s
}

// filled is text that must say something.
func (r *reader) filled(v value, limit int) string {
	s := r.text(v, limit)
	if s == "" {
		r.fail(v.path, "empty")
	}
	return s
}

func (r *reader) flag(v value) bool {
	if !v.given() {
		return false
	}
	if !v.is(jsonrpc.Bool) {
		r.fail(v.path, "not a boolean")
	}
	return bytes.Equal(v.raw, []byte("true"))
}

// list reads an array of at most most elements; null is an empty one, which is
// how the Go SDK writes it.
func (r *reader) list(v value, most int, f func(value)) {
	if !v.given() || r.err != nil {
		return
	}
	if !v.is(jsonrpc.Array) {
		r.fail(v.path, "not an array")
		return
	}
	i := 0
	for it := jsonrpc.Walk(v.raw); it.Next() && r.err == nil; i++ {
		if i == most {
			r.fail(v.path, "more than "+strconv.Itoa(most)+" elements")
			return
		}
		f(value{v.path + "[" + strconv.Itoa(i) + "]", it.Value.Kind, it.Value.Raw(v.raw)})
	}
}

// needList is list for a member that must be there, if only as null.
func (r *reader) needList(v value, most int, f func(value)) {
	if v.is(jsonrpc.Absent) {
		r.fail(v.path, "missing")
	}
	r.list(v, most, f)
}

func (r *reader) texts(v value, most, limit int) []string {
	var out []string
	r.list(v, most, func(e value) {
		if !e.is(jsonrpc.String) {
			r.fail(e.path, "not a string")
		}
		out = append(out, r.text(e, limit))
	})
	return out
}

// each reads an object whose names are the agent's own. They stand in no path.
func (r *reader) each(v value, most int, f func(name string, e value)) {
	if !v.given() || r.err != nil {
		return
	}
	if !v.is(jsonrpc.Object) {
		r.fail(v.path, "not an object")
		return
	}
	i := 0
	for it := jsonrpc.Walk(v.raw); it.Next() && r.err == nil; i++ {
		if i == most {
			r.fail(v.path, "more than "+strconv.Itoa(most)+" members")
			return
		}
		path := v.path + "{" + strconv.Itoa(i) + "}"
		f(r.filled(value{path, jsonrpc.String, it.Name.Raw(v.raw)}, shortText), value{path, it.Value.Kind, it.Value.Raw(v.raw)})
	}
}

// opaque reads a value whose members are the agent's own, in canonical form.
func (r *reader) opaque(v value) []byte {
	if !v.given() || r.err != nil {
		return nil
	}
	if !v.is(jsonrpc.Object) {
		r.fail(v.path, "not an object")
		return nil
	}
	out, err := canonical(v.raw)
	if err != nil {
		r.fail(v.path, "has no canonical form")
	}
	return out
}
