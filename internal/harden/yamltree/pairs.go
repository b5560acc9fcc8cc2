package yamltree

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
)

// single writes characters that JSON escapes as two halves as one, which is the
// only way that YAML has. A text that is no JSON is left as it is: there the
// halves are an error, or no escape.
func single(data []byte) []byte {
	start := bytes.TrimLeft(data, " \t\r\n")
	if len(start) == 0 || start[0] != '{' && start[0] != '[' || !bytes.Contains(data, []byte(`\u`)) {
		return data
	}
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' || i+1 == len(data) {
			out = append(out, data[i])
			continue
		}
		if high, ok := half(data[i:]); ok {
			if low, ok := half(data[i+6:]); ok {
				if r := utf16.DecodeRune(high, low); r != '\uFFFD' {
					out = fmt.Appendf(out, `\U%08x`, r)
					i += 11
					continue
				}
			}
		}
		out = append(out, data[i], data[i+1])
		i++
	}
	return out
}

// half reads an escape of four digits.
func half(data []byte) (rune, bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	return rune(v), err == nil
}
