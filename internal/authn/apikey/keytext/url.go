package keytext

import (
	"net/url"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/protocol/percent"
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
		plain := percent.Decode(s)
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
