package wire

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// errNotMessage says that bytes are no JSON-RPC 2.0 message.
var errNotMessage = errors.New("not a JSON-RPC 2.0 message")

// Message is one JSON-RPC message of the upstream or of a client. Its parts
// are slices of raw.
type Message struct {
	Raw    []byte
	ID     []byte // nil for notifications
	Method string // "" for replies
	Params []byte // nil if absent
	Result []byte
	Err    []byte
}

// Request reports whether an answer is expected.
func (m *Message) Request() bool { return m.Method != "" && m.ID != nil }

// Reply reports whether the message is a result or an error.
func (m *Message) Reply() bool { return m.Method == "" }

// Parse reads a message. Every name in it is unique and every string is valid
// UTF-8, or it is refused.
func Parse(raw []byte) (Message, error) {
	raw = OneLine(raw)
	m := Message{Raw: raw}
	if !jsontext.Value(raw).IsValid() { // also for repeated names, at any depth
		return m, errNotMessage
	}
	list, err := Fields(raw)
	if err != nil {
		return m, err
	}
	version := false
	for _, f := range list {
		value := raw[f.Start:f.End]
		switch f.Name {
		case "jsonrpc":
			version = string(value) == `"2.0"`
		case "id":
			if !validID(value) && string(value) != "null" {
				return m, errNotMessage
			}
			m.ID = value
		case "method":
			if m.Method = Text(value); m.Method == "" {
				return m, errNotMessage
			}
		case "params":
			m.Params = value
		case "result":
			m.Result = value
		case "error":
			m.Err = value
		}
	}
	one := (m.Result == nil) != (m.Err == nil)
	none := m.Result == nil && m.Err == nil
	if !version || m.Reply() && (!one || m.ID == nil) || !m.Reply() && !none || m.Request() && !validID(m.ID) {
		return m, errNotMessage
	}
	return m, nil
}

// OneLine turns line breaks between tokens into blanks. Inside strings JSON
// has none, so no value changes.
func OneLine(raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return raw
	}
	out := bytes.Clone(raw)
	for i, c := range out {
		if c == '\n' || c == '\r' {
			out[i] = ' '
		}
	}
	return out
}

// Field is one member of an object: its name and the offsets of its value.
type Field struct {
	Name            string
	key, Start, End int
}

// Fields lists the members of a valid object, in order.
func Fields(obj []byte) ([]Field, error) {
	var list []Field
	err := walk(obj, func(name []byte, f Field) bool {
		f.Name = Text(name)
		list = append(list, f)
		return true
	})
	return list, err
}

// Get returns the raw value at a path of member names, or nil.
func Get(obj []byte, path ...string) []byte {
	for _, want := range path {
		var value []byte
		err := walk(obj, func(name []byte, f Field) bool {
			if is(name, want) {
				value = obj[f.Start:f.End]
			}
			return value == nil
		})
		if err != nil || value == nil {
			return nil
		}
		obj = value
	}
	return obj
}

// Elements returns the raw elements of an array, or nil.
func Elements(array []byte) [][]byte {
	d := jsontext.NewDecoder(bytes.NewBuffer(array))
	if tok, err := d.ReadToken(); err != nil || tok.Kind() != '[' {
		return nil
	}
	var list [][]byte
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return nil
		}
		list = append(list, bytes.Clone(v))
	}
	return list
}

// Change sets a member, or removes it when value is nil.
type Change struct {
	name  string
	value []byte
}

// Set is the change that gives a member a value; a nil value removes it.
func Set(name string, value []byte) Change { return Change{name, value} }

// Drop is the change that removes a member.
func Drop(name string) Change { return Change{name: name} }

// Edit returns a valid object with some members set or removed; the bytes of
// every other member stay as they are.
func Edit(obj []byte, changes ...Change) ([]byte, error) {
	size := len(obj) + 2
	for _, c := range changes {
		size += len(c.name) + len(c.value) + 4
	}
	out := append(make([]byte, 0, size), '{')
	used := make([]bool, len(changes))
	err := walk(obj, func(name []byte, f Field) bool {
		for i, c := range changes {
			if !is(name, c.name) {
				continue
			}
			used[i] = true
			if c.value != nil {
				out = append(appendMember(out, obj[f.key:f.Start]), c.value...)
			}
			return true
		}
		out = appendMember(out, obj[f.key:f.End])
		return true
	})
	if err != nil {
		return nil, err
	}
	for i, c := range changes {
		if !used[i] && c.value != nil {
			out = append(append(appendMember(out, Quote(c.name)), ':'), c.value...)
		}
	}
	return append(out, '}'), nil
}

func appendMember(out, member []byte) []byte {
	if len(out) > 1 {
		out = append(out, ',')
	}
	return append(out, member...)
}

// EditAt is [edit] on the object at a path; objects missing on the way are
// made.
func EditAt(obj []byte, path []string, changes ...Change) ([]byte, error) {
	if len(path) == 0 {
		return Edit(obj, changes...)
	}
	inner := Get(obj, path[0])
	if inner == nil {
		inner = []byte("{}")
	}
	inner, err := EditAt(inner, path[1:], changes...)
	if err != nil {
		return nil, err
	}
	return Edit(obj, Set(path[0], inner))
}

// Quote returns s as a JSON string.
func Quote(s string) []byte {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil { // invalid UTF-8, which was replaced
		return b
	}
	return b
}

// Text returns the value of a raw JSON string, or "" for anything else.
func Text(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return ""
	}
	return string(b)
}

// IsTrue reports whether raw is the literal true.
func IsTrue(raw []byte) bool { return string(raw) == "true" }

// validID reports whether raw is a string or a number.
func validID(raw []byte) bool {
	return len(raw) > 0 && (raw[0] == '"' || raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

// IDKey returns a form of an id that is equal for equal ids however they are
// written.
func IDKey(raw []byte) string {
	if len(raw) > 0 && raw[0] == '"' {
		return "s" + Text(raw)
	}
	if n, ok := Number(raw); ok {
		return "n" + strconv.FormatInt(n, 10)
	}
	return "n" + string(raw)
}

// Number returns the whole number that raw is, also when it is written 1.0.
func Number(raw []byte) (int64, bool) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -1<<53 {
		return 0, false
	}
	return int64(f), true
}

// NewRequest builds a message from its raw parts; nil parts are left out.
func NewRequest(id []byte, method string, params []byte) []byte {
	out := []byte(`{"jsonrpc":"2.0"`)
	if id != nil {
		out = append(append(out, `,"id":`...), id...)
	}
	out = append(append(out, `,"method":`...), Quote(method)...)
	if params != nil {
		out = append(append(out, `,"params":`...), params...)
	}
	return append(out, '}')
}

// NewResult builds a result.
func NewResult(id, result []byte) []byte {
	out := append([]byte(`{"jsonrpc":"2.0","id":`), id...)
	return append(append(append(out, `,"result":`...), result...), '}')
}

// NewError builds an error. Reason becomes data.reason unless it is empty.
func NewError(id []byte, code int, text, reason string) []byte {
	out := append([]byte(`{"jsonrpc":"2.0","id":`), id...)
	out = strconv.AppendInt(append(out, `,"error":{"code":`...), int64(code), 10)
	out = append(append(out, `,"message":`...), Quote(text)...)
	if reason != "" {
		out = append(append(out, `,"data":{"reason":`...), Quote(reason)...)
		out = append(out, '}')
	}
	return append(out, "}}"...)
}
