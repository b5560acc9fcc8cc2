// Package jsonstring reads what JSON strings say (RFC 8259, section 7), where the
// bytes around them were or will be judged by somebody else.
package jsonstring

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain is how many of the bytes of x, from the first, are neither quote nor
// backslash nor a control character.
func plain(x uint64) int {
	quote, slash := x^ones*'"', x^ones*'\\'
	mark := ((x-ones*0x20)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs
	return bits.TrailingZeros64(mark) / 8
}

// Unescape appends what the JSON string says whose inside begins at i, and
// returns the offset behind its closing quote, -1 if it has none or holds what
// no string can.
func Unescape(dst, b []byte, i int) ([]byte, int) {
	for i < len(b) {
		from := i
		for i+8 <= len(b) {
			n := plain(binary.LittleEndian.Uint64(b[i:]))
			i += n
			if n < 8 {
				break
			}
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
			i++
		}
		dst = append(dst, b[from:i]...)
		switch {
		case i >= len(b) || b[i] < ' ':
			return dst, -1
		case b[i] == '"':
			return dst, i + 1
		}
		if i+1 >= len(b) {
			return dst, -1
		}
		n := 2
		switch c := b[i+1]; c {
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			var r rune
			if r, n = escaped(b[i:]); n == 0 {
				return dst, -1
			}
			dst = utf8.AppendRune(dst, r)
		default:
			return dst, -1
		}
		i += n
	}
	return dst, -1
}

// escaped reads \uXXXX, or two of them that are a surrogate pair, and returns
// the bytes it took; 0 if it is no character.
func escaped(b []byte) (rune, int) {
	r := Hex4(b[2:])
	switch {
	case r < 0:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 6
	case len(b) < 12 || b[6] != '\\' || b[7] != 'u':
		return 0, 0
	}
	if r = utf16.DecodeRune(r, Hex4(b[8:])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

// Hex4 reads four hexadecimal digits, or returns -1.
func Hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
