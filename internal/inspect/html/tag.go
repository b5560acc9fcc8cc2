package html

import "bytes"

// tag is one piece of markup in a text, from "<" to behind ">".
type tag struct {
	start, end int
	name       []byte // empty for comments and declarations
	closing    bool
	attrs      bool // something stands behind the name
	open       bool // the text ends before the ">"
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// readTag reads the markup that begins with the "<" at i, as browsers do. It
// reports false if there is none: "a < b".
func readTag(s []byte, i int) (tag, bool) {
	t := tag{start: i}
	k := i + 1
	if k >= len(s) {
		return t, false
	}
	switch {
	case s[k] == '!' || s[k] == '?':
		return comment(s, t, k), true
	case s[k] == '/':
		if k+1 >= len(s) {
			return t, false
		}
		if !letter(s[k+1]) {
			return comment(s, t, k), true
		}
		t.closing = true
		k++
	case !letter(s[k]):
		return t, false
	}
	begin := k
	for k < len(s) && !space(s[k]) && s[k] != '/' && s[k] != '>' {
		k++
	}
	t.name = s[begin:k]
	for k < len(s) && s[k] != '>' {
		if space(s[k]) || s[k] == '/' {
			k++
			continue
		}
		t.attrs = true
		_, k = attribute(s, k)
	}
	t.open = k >= len(s)
	t.end = min(k+1, len(s))
	return t, true
}

// comment reads what browsers skip: to "-->" or to ">".
func comment(s []byte, t tag, k int) tag {
	if bytes.HasPrefix(s[k:], []byte("!--")) {
		k += 3
		if bytes.HasPrefix(s[k:], []byte(">")) || bytes.HasPrefix(s[k:], []byte("->")) {
			t.end = k + bytes.IndexByte(s[k:], '>') + 1
			return t
		}
		at := bytes.Index(s[k:], []byte("-->"))
		if at < 0 {
			t.end, t.open = len(s), true
			return t
		}
		t.end = k + at + 3
		if other := bytes.Index(s[k:t.end], []byte("--!>")); other >= 0 {
			t.end = k + other + 4
		}
		return t
	}
	if at := bytes.IndexByte(s[k:], '>'); at >= 0 {
		t.end = k + at + 1
		return t
	}
	t.end, t.open = len(s), true
	return t
}

// attr is the place of one attribute.
type attr struct{ name, value []byte }

// attribute reads the attribute at k and returns where the next may begin.
func attribute(s []byte, k int) (attr, int) {
	begin := k
	k++ // a "=" in the first place belongs to the name
	for k < len(s) && !space(s[k]) && s[k] != '/' && s[k] != '>' && s[k] != '=' {
		k++
	}
	a := attr{name: s[begin:k]}
	v := k
	for v < len(s) && space(s[v]) {
		v++
	}
	if v >= len(s) || s[v] != '=' {
		return a, k
	}
	for v++; v < len(s) && space(s[v]); v++ {
	}
	if v >= len(s) {
		return a, v
	}
	if q := s[v]; q == '"' || q == '\'' {
		end := bytes.IndexByte(s[v+1:], q)
		if end < 0 {
			a.value = s[v+1:]
			return a, len(s)
		}
		a.value = s[v+1 : v+1+end]
		return a, v + 2 + end
	}
	begin = v
	for v < len(s) && !space(s[v]) && s[v] != '>' {
		v++
	}
	a.value = s[begin:v]
	return a, v
}

// isName compares a tag name with one in lower case.
func isName(name []byte, want string) bool {
	if len(name) != len(want) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

func among(name []byte, list []string) bool {
	for _, n := range list {
		if isName(name, n) {
			return true
		}
	}
	return false
}
