package auditlog

import (
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string: at most [MaxString] bytes of valid
// UTF-8, each invalid byte replaced by U+FFFD, and every character escaped that
// ends a line or changes how a terminal shows what follows.
func appendString(dst []byte, s string) []byte {
	if len(s) > MaxString/3 { // an invalid byte takes three
		s = capString(s, MaxString)
	}
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf {
			if b >= ' ' && b != '"' && b != '\\' && b != 0x7f {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = appendEscaped(dst, b)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\uFFFD"...)
			start = i + n
		case hidden(r):
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u',
				hexDigits[r>>12&0xf], hexDigits[r>>8&0xf], hexDigits[r>>4&0xf], hexDigits[r&0xf])
			start = i + n
		}
		i += n
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&0xf])
	}
}

// hidden reports whether r acts on its surroundings instead of being seen: C1
// controls, line separators and the bidirectional controls. All are in the
// basic plane.
func hidden(r rune) bool {
	switch {
	case r < 0xa0:
		return true
	case r < 0x061c:
		return false
	case r == 0x061c, r == 0x200e, r == 0x200f, r == 0xfeff:
		return true
	case r >= 0x2028 && r <= 0x202e:
		return true
	}
	return r >= 0x2066 && r <= 0x2069
}

// capString returns s if its valid form has at most limit bytes, else as much
// of it as leaves room for "…".
func capString(s string, limit int) string {
	size, cut := 0, 0
	for i, r := range s {
		n := utf8.RuneLen(r)
		if size+n <= limit-len("…") {
			cut = i + runeWidth(s[i:], r)
		}
		size += n
		if size > limit {
			return s[:cut] + "…"
		}
	}
	return s
}

// runeWidth is how many bytes of s the rune r takes that starts it.
func runeWidth(s string, r rune) int {
	if r != utf8.RuneError {
		return utf8.RuneLen(r)
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// sameText reports whether a and b are written the same: equal once capped and
// made valid.
func sameText(a, b string) bool {
	if a == b {
		return true
	}
	if plain(a) && plain(b) {
		return false
	}
	a, b = capString(a, MaxString), capString(b, MaxString)
	for a != "" && b != "" {
		ra, na := utf8.DecodeRuneInString(a)
		rb, nb := utf8.DecodeRuneInString(b)
		if ra != rb {
			return false
		}
		a, b = a[na:], b[nb:]
	}
	return a == b
}

// plain reports whether s is written as it is.
func plain(s string) bool { return len(s) <= MaxString/3 && utf8.ValidString(s) }
