package jsonrpc

import (
	"unicode/utf16"
	"unicode/utf8"
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
	inner := body[v.Start+1 : v.End-1]
	if !v.Escaped {
		return string(inner)
	}
	return string(appendUnescaped(make([]byte, 0, len(inner)), inner))
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

// appendUnescaped appends what the inside of an accepted string says.
func appendUnescaped(dst, inner []byte) []byte {
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		if c != '\\' || i+1 == len(inner) {
			dst = append(dst, c)
			continue
		}
		i++
		switch c = inner[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(inner[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				r = utf16.DecodeRune(r, hex4(inner[min(i+3, len(inner)):]))
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// hex4 reads four hexadecimal digits, or returns -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
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
