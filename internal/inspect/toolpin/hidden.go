package toolpin

import "unicode"

// Scan looks for something in a text and names what it found.
type Scan func(text string) (kind string, found bool)

// Hidden is the [Scan] for characters that a reader does not see and a model
// reads: tags, zero-width and filler characters, controls, and those that turn
// the direction of text. Emoji that are joined or coloured, and joiners in
// scripts that have them, are let be.
func Hidden(text string) (kind string, found bool) {
	var before rune
	for _, r := range text {
		if r >= ' ' && r < 0x7f || r == '\n' || r == '\t' || r == '\r' {
			before = r
			continue
		}
		if kind := hiddenKind(before, r); kind != "" {
			return kind, true
		}
		before = r
	}
	return "", false
}

func hiddenKind(before, r rune) string {
	switch {
	case unicode.Is(unicode.Cc, r):
		return "control"
	case r >= 0xe0000 && r <= 0xe0fff: // tags, variation selectors of the supplement, and what is reserved
		return "tag"
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
		return "bidi"
	case r >= 0xfe00 && r <= 0xfe0f: // colours a symbol, or makes one of a digit
		if !symbol(before) && (before < '0' || before > '9') && before != '#' && before != '*' {
			return "variation"
		}
	case r == 0x200d: // joins emoji, and letters of some scripts
		if !symbol(before) && !(unicode.IsLetter(before) || unicode.IsMark(before)) || before < 0x500 {
			return "zero_width"
		}
	case r == 0x200c:
		if !unicode.In(before, unicode.L, unicode.M) || before < 0x500 {
			return "zero_width"
		}
	case unicode.Is(unicode.Cf, r), unicode.In(r, unicode.Other_Default_Ignorable_Code_Point),
		r == 0x2028, r == 0x2029, r == 0x2800, unicode.Is(unicode.Co, r), r == unicode.ReplacementChar:
		return "zero_width"
	case unicode.Is(unicode.Zs, r) && r != 0xa0 && r != 0x202f && r != 0x3000:
		return "space"
	}
	return ""
}

// symbol reports whether a character may be coloured or joined as an emoji is.
func symbol(r rune) bool {
	return unicode.In(r, unicode.So, unicode.Sm, unicode.Sk) || r >= 0xfe00 && r <= 0xfe0f || r == 0x203c || r == 0x2049 || r == 0x3030 || r == 0x303d || r == 0xa9 || r == 0xae
}
