package content

// walk is one way through a message that [jsonrpc.Reader.Read] accepted. It
// does not trust that: what it cannot follow, it reports.
type walk struct {
	stack []frame
}

// frame is an object or array around the place where the walk stands.
type frame struct {
	object  bool
	tainted bool   // name holds something found
	name    []byte // of the member the walk is in; nil before the first
	hits    set    // what of the hints occurs in the name
	decoded []byte // memory for names with escapes
}

func (w *walk) reset() { w.stack = w.stack[:0] }

// push enters an object or array and keeps the memory of its frame.
func (w *walk) push(object bool) {
	n := len(w.stack)
	if n < cap(w.stack) {
		w.stack = w.stack[:n+1]
	} else {
		w.stack = append(w.stack, frame{})
	}
	f := &w.stack[n]
	f.object, f.tainted, f.name, f.hits = object, false, nil, 0
}

func (w *walk) pop() { w.stack = w.stack[:len(w.stack)-1] }

// under returns the name under which the place stands: that of the innermost
// member, arrays left out.
func (w *walk) under() (name []byte, hits set) {
	for i := len(w.stack) - 1; i >= 0; i-- {
		if f := &w.stack[i]; f.object {
			return f.name, f.hits
		}
	}
	return nil, 0
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// run walks the message b and reports whether it came to its end.
func (w *walk) run(b []byte, v *scan) bool {
	i := space(b, 0)
	for {
		// Here a value begins, or the array that was just entered ends.
		if i >= len(b) {
			return false
		}
		entered := false
		switch c := b[i]; {
		case c == '"':
			i = v.text(b, i)
		case c == '{' || c == '[':
			w.push(c == '{')
			i = space(b, i+1)
			if i >= len(b) {
				return false
			}
			if entered = b[i] != '}' && b[i] != ']'; entered && c == '[' {
				continue
			}
		case c == '-' || '0' <= c && c <= '9':
			i = v.number(b, i)
		default:
			i = literal(b, i)
		}
		if i < 0 {
			return false
		}
		if !entered {
			if i = w.leave(b, i); i < 0 {
				return false
			}
			if len(w.stack) == 0 {
				return i == len(b)
			}
		}
		if w.stack[len(w.stack)-1].object {
			if i = w.member(b, i, v); i < 0 {
				return false
			}
		}
	}
}

// leave goes from behind a value to where the next name or value begins, and
// out of what ends here.
func (w *walk) leave(b []byte, i int) int {
	for {
		i = space(b, i)
		if len(w.stack) == 0 {
			return i
		}
		if i >= len(b) {
			return -1
		}
		object := w.stack[len(w.stack)-1].object
		switch {
		case b[i] == ',':
			return space(b, i+1)
		case b[i] == '}' && object, b[i] == ']' && !object:
			w.pop()
			i++
		default:
			return -1
		}
	}
}

// member takes a name and goes to its value.
func (w *walk) member(b []byte, i int, v *scan) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	if i = v.name(b, i); i < 0 {
		return -1
	}
	if i = space(b, i); i >= len(b) || b[i] != ':' {
		return -1
	}
	return space(b, i+1)
}

func literal(b []byte, i int) int {
	for _, want := range [...]string{"null", "true", "false"} {
		if len(b)-i >= len(want) && string(b[i:i+len(want)]) == want {
			return i + len(want)
		}
	}
	return -1
}
