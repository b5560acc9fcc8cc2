// Package percent decodes percent-encoding (RFC 3986 section 2.1) the way a
// guard must: whatever is a valid escape is decoded, everything else is kept.
// An invalid escape elsewhere in a text must not hide a name or a key, as it
// would with net/url, which gives up on the whole.
package percent

import "strings"

// Decode decodes the valid escapes of s once. It returns s itself, without
// allocating, when there is none.
func Decode(s string) string {
	var b strings.Builder
	from := 0
	for i := 0; i+2 < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		hi, lo := Hex(s[i+1]), Hex(s[i+2])
		if hi < 0 || lo < 0 {
			continue
		}
		b.WriteString(s[from:i])
		b.WriteByte(byte(hi<<4 | lo))
		from = i + 3
		i += 2
	}
	if from == 0 {
		return s
	}
	b.WriteString(s[from:])
	return b.String()
}

// Hex returns the value of a hexadecimal digit in either case, -1 for any
// other byte.
func Hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
