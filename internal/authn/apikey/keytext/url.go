package keytext

import (
	"net/url"
	"strings"
)

// InURL reports whether something like a key stands in a path or query, as
// written or percent-encoded once or twice.
func (g Grammar) InURL(u *url.URL) bool {
	return g.inText(u.Path) || g.inText(u.RawQuery) || g.inText(u.Opaque)
}

func (g Grammar) inText(s string) bool {
	for range 3 {
		if g.occurs(s) {
			return true
		}
		if strings.IndexByte(s, '%') < 0 {
			return false
		}
		plain := unescape(s)
		if plain == s {
			return false
		}
		s = plain
	}
	return false
}

// occurs reports whether s holds the prefix and an id, in either case of the
// hex digits: what looks that much like a key is treated as one.
func (g Grammar) occurs(s string) bool {
	for {
		i := strings.Index(s, g.prefix)
		if i < 0 {
			return false
		}
		s = s[i+len(g.prefix):]
		n := 0
		for n < len(s) && n < idLen && (isLowerHex(s[n]) || s[n]-'A' <= 5) {
			n++
		}
		if n == idLen {
			return true
		}
	}
}

// unescape decodes what is validly percent-encoded and keeps the rest: an
// invalid escape elsewhere must not hide a key.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func unhex(c byte) int {
	switch {
	case c-'0' <= 9:
		return int(c - '0')
	case c-'a' <= 5:
		return int(c-'a') + 10
	case c-'A' <= 5:
		return int(c-'A') + 10
	}
	return -1
}
