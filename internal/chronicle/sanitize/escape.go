package sanitize

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/inspect/invisible"
	inspecturl "github.com/portcullis-dev/portcullis/internal/inspect/url"
)

const upperHex = "0123456789ABCDEF"

// escape encodes everything but the unreserved characters of RFC 3986, so that
// percent.Decode(escape(s)) == s wherever the result stands in a URL.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if inspecturl.Unreserved(c) {
			b.WriteByte(c)
			continue
		}
		writeEscaped(&b, c)
	}
	return b.String()
}

func writeEscaped(b *strings.Builder, c byte) {
	b.WriteByte('%')
	b.WriteByte(upperHex[c>>4])
	b.WriteByte(upperHex[c&15])
}

// prepare makes a URL printable before it is read: no invalid UTF-8, controls
// or invisible characters; characters that no URL may hold are escaped.
func prepare(raw string) string {
	clean := true
	for i := 0; i < len(raw); i++ {
		if c := raw[i]; c <= 0x20 || c >= 0x7f || unsafeByte(c) {
			clean = false
			break
		}
	}
	if clean {
		return raw
	}
	raw = strings.ToValidUTF8(raw, "")
	raw = strings.TrimFunc(raw, func(r rune) bool { return unicode.IsSpace(r) || invisible.Rune(r) })
	slashes := specialScheme(raw)
	var b strings.Builder
	b.Grow(len(raw) + 16)
	for _, r := range raw {
		switch {
		case invisible.Rune(r):
		case r == '?' || r == '#':
			slashes = false
			b.WriteRune(r)
		case r == '\\' && slashes:
			b.WriteByte('/') // browsers read it so in http URLs
		case r == ' ' || r < utf8.RuneSelf && unsafeByte(byte(r)):
			writeEscaped(&b, byte(r))
		case unicode.IsSpace(r):
			for _, c := range []byte(string(r)) {
				writeEscaped(&b, c)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unsafeByte(c byte) bool {
	switch c {
	case '<', '>', '"', '`', '{', '}', '|', '^', '\\':
		return true
	}
	return false
}

// line folds a text to one line without invisible characters.
func line(s string) string {
	s = strings.ToValidUTF8(s, "")
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range s {
		if unicode.IsSpace(r) || r == 0x2028 || r == 0x2029 {
			space = b.Len() > 0
			continue
		}
		if invisible.Rune(r) {
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
