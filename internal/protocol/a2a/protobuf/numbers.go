package protobuf

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
)

// exact reports whether Protocol Buffers hold each whole number of a JSON text
// as it is written. Free values are doubles there: a longer one, the number of
// an account say, would become another, behind the back of whoever judged it.
func exact(raw []byte) bool {
	const sure = 15 // digits that every double holds
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '"':
			for i++; i < len(raw) && raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			i++
		case c >= '0' && c <= '9':
			n := i
			for n < len(raw) && bytes.IndexByte([]byte("0123456789+-.eE"), raw[n]) >= 0 {
				n++
			}
			if n-i > sure && !held(string(raw[i:n])) {
				return false
			}
			i = n
		default:
			i++
		}
	}
	return true
}

// held reports whether a double holds a number, if it is a whole one.
func held(text string) bool {
	if strings.ContainsAny(text, ".eE") { // near is what such numbers mean
		return true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return false
	}
	whole, ok := new(big.Int).SetString(text, 10) // of 309 digits, or f would have no end
	is, _ := big.NewFloat(f).Int(nil)
	return ok && is.Cmp(whole) == 0
}
