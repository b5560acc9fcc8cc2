package obs

import "strings"

// assigned finds the value that text gives to a sensitive name: "token=…",
// `"password": "…"`, "Authorization: …". s[i] is ':' or '='.
func (sc *scanner) assigned(s string, i int) (start, end int) {
	name := nameBefore(s, i)
	if len(name) < 3 || !sc.keys.sensitive(name) {
		return 0, 0
	}
	start = i + 1
	spaces := 0
	for start < len(s) && (s[start] == ' ' || s[start] == '\t') {
		start, spaces = start+1, spaces+1
	}
	if q, n := quote(s, start); n > 0 {
		start += n
		return start, closing(s, start, q)
	}
	if strings.HasPrefix(s[start:], "secret://") {
		return 0, 0 // says where a secret is kept, and is no secret
	}
	if isHeader(name) {
		end = start
		for end < len(s) && s[end] != '\n' && s[end] != '\r' && s[end] != '"' {
			end++
		}
		return start, end
	}
	end = start
	for end < len(s) && strings.IndexByte(" \t\r\n&;,\"'<>)}]|\\", s[end]) < 0 {
		end++
	}
	if s[i] == ':' && spaces > 0 && !isPassword(name) && !random(s[start:end]) {
		return 0, 0 // prose: "parsing token: unexpected end"
	}
	return start, end
}

// nameBefore returns the name in front of s[i], without quotes around it.
func nameBefore(s string, i int) string {
	end := i
	for end > 0 && strings.IndexByte(" \t\"'\\`]", s[end-1]) >= 0 && i-end < 4 {
		end--
	}
	start := end
	for start > 0 && end-start < maxKey && (isWord(s[start-1]) || s[start-1] == '_' || s[start-1] == '-' || s[start-1] >= 0x80) {
		start--
	}
	return s[start:end]
}

// quote returns the quotation mark that opens at s[i], perhaps escaped, and
// its size.
func quote(s string, i int) (mark string, size int) {
	for _, q := range [...]string{`"`, `'`, "`", `\\\"`, `\"`, `\'`} {
		if strings.HasPrefix(s[i:], q) {
			return q, len(q)
		}
	}
	return "", 0
}

// closing returns where the text that was opened with mark before s[i] ends.
func closing(s string, i int, mark string) int {
	if mark[0] == '\\' {
		if n := strings.Index(s[i:], mark); n >= 0 {
			return i + n
		}
		return len(s)
	}
	for j := i; j < len(s); j++ {
		switch s[j] {
		case '\\':
			j++
		case mark[0]:
			return j
		}
	}
	return len(s)
}

// isHeader reports whether the value of that name is a whole header line.
func isHeader(name string) bool {
	var buf [maxKey]byte
	folded := string(foldKey(&buf, name))
	return strings.HasSuffix(folded, "authorization") || strings.HasSuffix(folded, "cookie")
}

// isPassword reports whether anything at all behind that name is the secret.
func isPassword(name string) bool {
	var buf [maxKey]byte
	folded := string(foldKey(&buf, name))
	return strings.Contains(folded, "pass") || strings.HasSuffix(folded, "pwd")
}

// random reports whether s looks made by a generator rather than by a writer:
// long, or a mixture of letters and digits or of cases.
func random(s string) bool {
	if len(s) < 6 {
		return false
	}
	var lower, upper, digit, other bool
	for i, c := range []byte(s) {
		switch {
		case '0' <= c && c <= '9':
			digit = true
		case 'a' <= c && c <= 'z':
			lower = true
		case 'A' <= c && c <= 'Z':
			upper = upper || i > 0
		default:
			other = true
		}
	}
	return len(s) >= 20 || digit && (lower || upper) || lower && upper || other && len(s) >= 12
}
