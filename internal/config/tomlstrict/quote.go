package tomlstrict

import (
	"fmt"
	"strings"
)

// Quote returns s as a TOML basic string, one line long.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// QuoteValue returns s as a TOML string that [Decoder] reads back as s: a
// literal ${ is escaped.
func QuoteValue(s string) string {
	return Quote(strings.ReplaceAll(s, "${", "$${"))
}
