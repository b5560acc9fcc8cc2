package ipfilter

import "strings"

// element is what one hop says in Forwarded (RFC 7239).
type element struct {
	node     string // value of for=, unquoted
	proto    proto
	hasNode  bool
	hasProto bool
}

// maxHops bounds how many elements of one Forwarded line are remembered; a
// longer line cannot be read.
const maxHops = 32

// readForwarded walks Forwarded from right to left. A line is parsed as a
// whole before it is walked: a quote that a stranger left open on the left
// makes it unreadable, never a different list.
func (r *Resolver) readForwarded(lines []string) hops {
	var out hops
	for i := len(lines) - 1; i >= 0; i-- {
		var room [maxHops]element
		elements, ok := parseForwarded(lines[i], room[:0])
		if !ok {
			return hops{found: true, proto: protoOther}
		}
		for j := len(elements) - 1; j >= 0; j-- {
			e := elements[j]
			out.found = true
			out.client = parseNode(e.node) // zero for a missing for=
			if e.hasProto {
				out.proto = out.proto.and(e.proto)
			}
			if !r.trusted.Contains(out.client) {
				return out
			}
		}
	}
	return out
}

// parseForwarded appends the elements of one line to out. It refuses what the
// grammar does not allow, parameters named twice in one element included.
func parseForwarded(s string, out []element) ([]element, bool) {
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			return out, true
		}
		if s[0] == ',' { // empty element
			s = s[1:]
			continue
		}
		var e element
		var ok bool
		if e, s, ok = parseElement(s); !ok || len(out) == maxHops {
			return nil, false
		}
		out = append(out, e)
	}
}

// parseElement reads pairs up to a comma or the end.
func parseElement(s string) (element, string, bool) {
	var e element
	for {
		name, rest, ok := strings.Cut(s, "=")
		name = strings.TrimLeft(name, " \t")
		if !ok || !isToken(name) {
			return e, "", false
		}
		value, rest, ok := parseValue(rest)
		if !ok || !e.set(name, value) {
			return e, "", false
		}
		s = strings.TrimLeft(rest, " \t")
		switch {
		case s == "" || s[0] == ',':
			return e, s, true
		case s[0] != ';':
			return e, "", false
		}
		s = strings.TrimLeft(s[1:], " \t")
		if s == "" || s[0] == ',' { // a trailing semicolon
			return e, s, true
		}
	}
}

func (e *element) set(name, value string) bool {
	switch {
	case strings.EqualFold(name, "for"):
		if e.hasNode {
			return false
		}
		e.node, e.hasNode = value, true
	case strings.EqualFold(name, "proto"):
		if e.hasProto {
			return false
		}
		e.proto, e.hasProto = protoOf(value), true
	}
	return true
}

// parseValue reads a token or a quoted string.
func parseValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		n := 0
		// RFC 7239 wants a port or IPv6 quoted; proxies write them bare.
		for n < len(s) && (isTokenByte(s[n]) || strings.IndexByte(":[]", s[n]) >= 0) {
			n++
		}
		return s[:n], s[n:], n > 0
	}
	escaped := false
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			escaped = true
			i++
		case s[i] == '"':
			value = s[1:i]
			if escaped {
				value = unescape(value)
			}
			return value, s[i+1:], true
		}
	}
	return "", "", false
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// isTokenByte is tchar of RFC 9110.
func isTokenByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
