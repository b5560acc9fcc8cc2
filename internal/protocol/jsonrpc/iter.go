package jsonrpc

import "bytes"

// Iter walks the members of an object or the elements of an array that
// [Reader.Read] accepted, without reading their insides twice or building
// anything. On other input it ends early and sets Bad.
//
//	it := jsonrpc.Walk(raw)
//	for it.Next() {
//		if it.Name.Is(raw, "tools") { … it.Value.Raw(raw) … }
//	}
type Iter struct {
	Name  Value // the name of a member; absent in arrays
	Value Value
	Bad   bool // the input was not what Read accepts

	b      []byte
	i      int
	object bool
	begun  bool
}

// Walk returns an iterator over raw. It yields nothing if raw is neither object
// nor array.
func Walk(raw []byte) Iter {
	it := Iter{b: raw}
	it.i = it.space(0)
	if it.i >= len(raw) || raw[it.i] != '{' && raw[it.i] != '[' {
		it.i, it.begun = len(raw), true
		return it
	}
	it.object = raw[it.i] == '{'
	return it
}

// Next moves to the next member or element.
func (it *Iter) Next() bool {
	if it.i >= len(it.b) {
		return false
	}
	first := !it.begun
	it.begun = true
	if first {
		it.i = it.space(it.i + 1)
	}
	if it.i < len(it.b) && (it.b[it.i] == '}' || it.b[it.i] == ']') {
		it.i = len(it.b)
		return false
	}
	if !first {
		if it.i >= len(it.b) || it.b[it.i] != ',' {
			return it.fail()
		}
		it.i = it.space(it.i + 1)
	}
	if it.object {
		if it.Name = it.value(); it.Name.Kind != String {
			return it.fail()
		}
		if it.i = it.space(it.i); it.i >= len(it.b) || it.b[it.i] != ':' {
			return it.fail()
		}
		it.i = it.space(it.i + 1)
	}
	if it.Value = it.value(); it.Value.Kind == Absent {
		return it.fail()
	}
	if it.i = it.space(it.i); it.i >= len(it.b) {
		return it.fail() // the closing bracket is missing
	}
	return true
}

func (it *Iter) fail() bool {
	it.i, it.Bad = len(it.b), true
	return false
}

func (it *Iter) space(i int) int {
	s := scanner{b: it.b}
	return s.space(i)
}

// value skips the value at i and says where it is.
func (it *Iter) value() Value {
	start, i := it.i, it.i
	if i >= len(it.b) {
		return Value{}
	}
	v := Value{Start: offset(start)}
	switch c := it.b[i]; {
	case c == '"':
		v.Kind = String
		i, v.Escaped = skipString(it.b, i)
	case c == '{' || c == '[':
		if v.Kind = Object; c == '[' {
			v.Kind = Array
		}
		i = skipNested(it.b, i)
	default:
		switch {
		case c == 't' || c == 'f':
			v.Kind = Bool
		case c == 'n':
			v.Kind = Null
		case c == '-' || digit(c):
			v.Kind = Number
		}
		i = skipScalar(it.b, i)
	}
	if i < 0 {
		return Value{}
	}
	it.i, v.End = i, offset(i)
	return v
}

// skipString returns the offset behind the string at i, or -1.
func skipString(b []byte, i int) (end int, escaped bool) {
	for i++; i < len(b); {
		quote := bytes.IndexByte(b[i:], '"')
		if quote < 0 {
			break
		}
		slash := bytes.IndexByte(b[i:i+quote], '\\')
		if slash < 0 {
			return i + quote + 1, escaped
		}
		escaped = true
		i += slash + 2
	}
	return -1, false
}

// skipNested returns the offset behind the object or array at i, or -1.
func skipNested(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			if i, _ = skipString(b, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

func skipScalar(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case ',', '}', ']', ' ', '\t', '\r', '\n', ':', '"', '{', '[':
			return i
		}
	}
	return i
}
