package invisible

import "unicode"

// Rune reports whether a rune can hide or reorder text: control,
// formatting (bidirectional marks and overrides, zero-width), tag, variation
// selector, filler and unassigned-by-design characters.
func Rune(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	case r < 0xa0:
		return false
	case r == 0x034f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x3164, r == 0xffa0:
		return true
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0000 && r <= 0xe0fff:
		return true
	case r == 0x2028, r == 0x2029, r >= 0xfff0 && r <= 0xfffb, r == 0xfffe, r == 0xffff:
		return true
	}
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r)
}
