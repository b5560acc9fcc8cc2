package bridge

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// errNotMessage says that bytes are no JSON-RPC 2.0 message.
var errNotMessage = errors.New("not a JSON-RPC 2.0 message")

// message is one JSON-RPC message of the upstream or of a client. Its parts
// are slices of raw.
type message struct {
	raw    []byte
	id     []byte // nil for notifications
	method string // "" for replies
	params []byte // nil if absent
	result []byte
	err    []byte
}

func (m *message) request() bool { return m.method != "" && m.id != nil }
func (m *message) reply() bool   { return m.method == "" }

// parse reads a message. Every name in it is unique and every string is valid
// UTF-8, or it is refused.
func parse(raw []byte) (message, error) {
	raw = oneLine(raw)
	m := message{raw: raw}
	list, err := fields(raw)
	if err != nil {
		return m, err
	}
	version := false
	for _, f := range list {
		value := raw[f.start:f.end]
		switch f.name {
		case "jsonrpc":
			version = string(value) == `"2.0"`
		case "id":
			if !validID(value) && string(value) != "null" {
				return m, errNotMessage
			}
			m.id = value
		case "method":
			if m.method = text(value); m.method == "" {
				return m, errNotMessage
			}
		case "params":
			m.params = value
		case "result":
			m.result = value
		case "error":
			m.err = value
		}
	}
	one := (m.result == nil) != (m.err == nil)
	none := m.result == nil && m.err == nil
	if !version || m.reply() && (!one || m.id == nil) || !m.reply() && !none || m.request() && !validID(m.id) {
		return m, errNotMessage
	}
	return m, nil
}

// oneLine turns line breaks between tokens into blanks. Inside strings JSON
// has none, so no value changes.
func oneLine(raw []byte) []byte {
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

// field is one member of an object: the offsets of its name and its value.
type field struct {
	name            string
	key, start, end int
}

// fields lists the members of an object. It refuses duplicate names, invalid
// UTF-8 and bytes after the object.
func fields(obj []byte) ([]field, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(obj))
	if tok, err := d.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil, errNotMessage
	}
	var list []field
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, errNotMessage
		}
		f := field{name: name.String()}
		f.key = int(d.InputOffset()) - nameLen(obj, int(d.InputOffset()))
		value, err := d.ReadValue()
		if err != nil {
			return nil, errNotMessage
		}
		f.end = int(d.InputOffset())
		f.start = f.end - len(value)
		list = append(list, f)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errNotMessage
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errNotMessage
	}
	return list, nil
}

// nameLen returns the length of the quoted name that ends at offset end.
func nameLen(obj []byte, end int) int {
	i := end - 2 // before the closing quote
	for ; i >= 0; i-- {
		if obj[i] != '"' {
			continue
		}
		slashes := 0
		for j := i - 1; j >= 0 && obj[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			break
		}
	}
	return end - i
}

// get returns the raw value at a path of member names, or nil.
func get(obj []byte, path ...string) []byte {
	for _, name := range path {
		list, err := fields(obj)
		if err != nil {
			return nil
		}
		var value []byte
		for _, f := range list {
			if f.name == name {
				value = obj[f.start:f.end]
			}
		}
		if value == nil {
			return nil
		}
		obj = value
	}
	return obj
}

// elements returns the raw elements of an array, or nil.
func elements(array []byte) [][]byte {
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

// change sets a member, or removes it when value is nil.
type change struct {
	name  string
	value []byte
}

// set is the change that gives a member a value; a nil value removes it.
func set(name string, value []byte) change { return change{name, value} }

// drop is the change that removes a member.
func drop(name string) change { return change{name: name} }

// edit returns obj with some members set or removed; the bytes of every other
// member stay as they are.
func edit(obj []byte, changes ...change) ([]byte, error) {
	list, err := fields(obj)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(obj)+64*len(changes))
	out = append(out, '{')
	used := make([]bool, len(changes))
	for _, f := range list {
		member := obj[f.key:f.end]
		for i, c := range changes {
			if c.name != f.name {
				continue
			}
			used[i] = true
			member = nil
			if c.value != nil {
				member = append(append([]byte(nil), obj[f.key:f.start]...), c.value...)
			}
		}
		out = appendMember(out, member)
	}
	for i, c := range changes {
		if !used[i] && c.value != nil {
			out = appendMember(out, append(append(quote(c.name), ':'), c.value...))
		}
	}
	return append(out, '}'), nil
}

func appendMember(out, member []byte) []byte {
	if member == nil {
		return out
	}
	if len(out) > 1 {
		out = append(out, ',')
	}
	return append(out, member...)
}

// editAt is [edit] on the object at a path; objects missing on the way are
// made.
func editAt(obj []byte, path []string, changes ...change) ([]byte, error) {
	if len(path) == 0 {
		return edit(obj, changes...)
	}
	inner := get(obj, path[0])
	if inner == nil {
		inner = []byte("{}")
	}
	inner, err := editAt(inner, path[1:], changes...)
	if err != nil {
		return nil, err
	}
	return edit(obj, set(path[0], inner))
}

// quote returns s as a JSON string.
func quote(s string) []byte {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil { // invalid UTF-8, which was replaced
		return b
	}
	return b
}

// text returns the value of a raw JSON string, or "" for anything else.
func text(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return ""
	}
	return string(b)
}

// isTrue reports whether raw is the literal true.
func isTrue(raw []byte) bool { return string(raw) == "true" }

// validID reports whether raw is a string or a number.
func validID(raw []byte) bool {
	return len(raw) > 0 && (raw[0] == '"' || raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

// idKey returns a form of an id that is equal for equal ids however they are
// written.
func idKey(raw []byte) string {
	if len(raw) > 0 && raw[0] == '"' {
		return "s" + text(raw)
	}
	if n, ok := number(raw); ok {
		return "n" + strconv.FormatInt(n, 10)
	}
	return "n" + string(raw)
}

// number returns the whole number that raw is, also when it is written 1.0.
func number(raw []byte) (int64, bool) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -1<<53 {
		return 0, false
	}
	return int64(f), true
}

// rpc builds a message from its raw parts; nil parts are left out.
func rpc(id []byte, method string, params []byte) []byte {
	out := []byte(`{"jsonrpc":"2.0"`)
	if id != nil {
		out = append(append(out, `,"id":`...), id...)
	}
	out = append(append(out, `,"method":`...), quote(method)...)
	if params != nil {
		out = append(append(out, `,"params":`...), params...)
	}
	return append(out, '}')
}

// rpcResult builds a result.
func rpcResult(id, result []byte) []byte {
	out := append([]byte(`{"jsonrpc":"2.0","id":`), id...)
	return append(append(append(out, `,"result":`...), result...), '}')
}

// rpcError builds an error. Reason becomes data.reason unless it is empty.
func rpcError(id []byte, code int, text, reason string) []byte {
	out := append([]byte(`{"jsonrpc":"2.0","id":`), id...)
	out = strconv.AppendInt(append(out, `,"error":{"code":`...), int64(code), 10)
	out = append(append(out, `,"message":`...), quote(text)...)
	if reason != "" {
		out = append(append(out, `,"data":{"reason":`...), quote(reason)...)
		out = append(out, '}')
	}
	return append(out, "}}"...)
}
