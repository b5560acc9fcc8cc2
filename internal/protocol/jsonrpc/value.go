package jsonrpc

import (
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonstring"
)

// Kind is the type of a JSON value.
type Kind uint8

// The kinds. Absent is the zero Kind.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Object
	Array
)

// Value is where in a message a value stands.
type Value struct {
	Start, End int32 // the value is body[Start:End]; a string's quotes are included
	Kind       Kind
	Escaped    bool // a string that holds a backslash
}

// offset narrows an offset: a message has at most 1 GiB.
func offset(i int) int32 {
	return int32(i) //nolint:gosec // Read refuses longer messages
}

// ValueOf returns raw, the bytes of one value that [Reader.Read] accepted, as a
// value of its own.
func ValueOf(raw []byte) Value {
	it := Iter{b: raw}
	return it.value()
}

// Raw returns the bytes of the value, a slice of body, or nil if it is absent.
func (v Value) Raw(body []byte) []byte {
	if v.Kind == Absent {
		return nil
	}
	return body[v.Start:v.End:v.End]
}

// Text returns what a string says, or "" if v is no string.
func (v Value) Text(body []byte) string {
	if v.Kind != String {
		return ""
	}
	if !v.Escaped {
		return string(body[v.Start+1 : v.End-1])
	}
	said, _ := jsonstring.Unescape(make([]byte, 0, v.End-v.Start), body, int(v.Start)+1) // it was accepted
	return string(said)
}

// plain returns what a string says without copying it; ok is false if it holds
// escapes.
func (v Value) plain(body []byte) (inner []byte, ok bool) {
	if v.Kind != String || v.Escaped {
		return nil, false
	}
	return body[v.Start+1 : v.End-1], true
}

// Is reports whether v is a string that says want.
func (v Value) Is(body []byte, want string) bool {
	if inner, ok := v.plain(body); ok {
		return string(inner) == want
	}
	return v.Kind == String && v.Text(body) == want
}

// AppendText appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func AppendText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
