package wire

import "bytes"

// walk visits the members of an object until visit returns false. The object
// has been read by a strict parser before: walk only finds where its members
// begin and end, and gives up on what cannot be an object.
func walk(obj []byte, visit func(name []byte, f Field) bool) error {
	i := blank(obj, 0)
	if at(obj, i) != '{' {
		return errNotMessage
	}
	i = blank(obj, i+1)
	if at(obj, i) == '}' {
		return rest(obj, i+1)
	}
	for {
		f := Field{key: i}
		if at(obj, i) != '"' {
			return errNotMessage
		}
		i = str(obj, i)
		name := obj[f.key:i]
		if i = blank(obj, i); at(obj, i) != ':' {
			return errNotMessage
		}
		f.Start = blank(obj, i+1)
		f.End = value(obj, f.Start)
		if f.End <= f.Start {
			return errNotMessage
		}
		if !visit(name, f) {
			return nil
		}
		i = blank(obj, f.End)
		switch at(obj, i) {
		case ',':
			i = blank(obj, i+1)
		case '}':
			return rest(obj, i+1)
		default:
			return errNotMessage
		}
	}
}

// rest allows nothing but blanks after an object.
func rest(b []byte, i int) error {
	if blank(b, i) != len(b) {
		return errNotMessage
	}
	return nil
}

// at returns the byte at an offset, 0 beyond the end.
func at(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// blank returns the offset of the next byte that is no white space.
func blank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// str returns the offset after the string that begins at i.
func str(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// value returns the offset after the value that begins at i.
func value(b []byte, i int) int {
	if c := at(b, i); c == '"' {
		return str(b, i)
	} else if c != '{' && c != '[' {
		for i < len(b) && !ends(b[i]) {
			i++
		}
		return i
	}
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = str(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if i++; depth == 0 {
			return i
		}
	}
	return len(b)
}

// ends reports whether a byte ends a number or a literal.
func ends(c byte) bool {
	switch c {
	case ',', ':', '"', '{', '}', '[', ']', ' ', '\n', '\t', '\r':
		return true
	}
	return false
}

// is reports whether a quoted name is the wanted one, however it is written.
func is(name []byte, want string) bool {
	if bytes.IndexByte(name, '\\') < 0 {
		return len(name) == len(want)+2 && string(name[1:len(name)-1]) == want
	}
	return Text(name) == want
}
