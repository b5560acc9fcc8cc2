package invisible

import (
	"unicode"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// Kinds that the detector reports.
const (
	KindTag       = "unicode.tag"       // U+E0000…: ASCII that nobody sees
	KindBidi      = "unicode.bidi"      // the order on the screen is another
	KindZeroWidth = "unicode.invisible" // characters without width
	KindVariation = "unicode.variation" // selectors in a row carry bytes
	KindPrivate   = "unicode.private"   // private use and unassigned by design
)

const (
	sure   = 95
	likely = 80
	low    = 30
)

// Detector finds invisible characters. The zero Detector is ready to use.
type Detector struct{}

// Name returns "unicode".
func (Detector) Name() string { return "unicode" }

// Kinds returns every kind that Find reports.
func (Detector) Kinds() []string {
	return []string{KindTag, KindBidi, KindZeroWidth, KindVariation, KindPrivate}
}

// Hint asks for a byte above ASCII.
func (Detector) Hint() finding.Hint { return finding.Hint{Beyond: true} }

// Find appends runs of invisible characters of one kind.
func (Detector) Find(dst []finding.Finding, s []byte) []finding.Finding {
	for i := 0; i < len(s); {
		if s[i] < 0xc2 {
			i++
			continue
		}
		if c := s[i]; c > 0xcd && c < 0xe1 || c > 0xe3 && c < 0xee { // letters of most scripts
			i++
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		kind, score := judge(s, i, r, size)
		if score == 0 {
			i += size
			continue
		}
		end := i + size
		for end < len(s) {
			r2, n := utf8.DecodeRune(s[end:])
			k2, s2 := judge(s, end, r2, n)
			if s2 == 0 || k2 != kind {
				break
			}
			score = max(score, s2)
			end += n
		}
		dst = append(dst, finding.Finding{Start: i, End: end, Kind: kind, Score: score})
		i = end
	}
	return dst
}

// judge says what the rune at i is, with score 0 for what may stand there.
func judge(s []byte, i int, r rune, size int) (kind string, score uint8) {
	switch {
	case r >= 0xe0000 && r <= 0xe007f:
		if flagTag(s, i) {
			return "", 0
		}
		return KindTag, sure
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef, r >= 0x180b && r <= 0x180d:
		return variation(s, i, size)
	case r == 0x202a, r == 0x202b, r == 0x202d, r == 0x202e, r >= 0x2066 && r <= 0x2068:
		if nearRTL(s, i, size) && r != 0x202d && r != 0x202e {
			return KindBidi, low
		}
		return KindBidi, sure
	case r == 0x202c, r == 0x2069:
		if nearRTL(s, i, size) {
			return KindBidi, low
		}
		return KindBidi, sure
	case r == 0x200e, r == 0x200f, r == 0x061c:
		if nearRTL(s, i, size) {
			return "", 0
		}
		return KindBidi, likely
	case r == 0x200c, r == 0x200d:
		if joins(s, i, size) {
			return "", 0
		}
		return KindZeroWidth, likely
	case r == 0x200b, r == 0x2060, r == 0xfeff, r == 0x180e, r >= 0x2061 && r <= 0x2064, r >= 0x206a && r <= 0x206f,
		r == 0x034f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x3164, r == 0xffa0, r >= 0xfff9 && r <= 0xfffb:
		return zeroWidth(s, i, r, size)
	case r == 0x00ad: // a place to break a word, harmless alone
		if before, _ := utf8.DecodeLastRune(s[:i]); unicode.IsLetter(before) {
			return "", 0
		}
		return KindZeroWidth, low
	case r >= 0xe000 && r <= 0xf8ff, r >= 0xf0000:
		return KindPrivate, low
	}
	return "", 0
}

// zeroWidth judges characters without width. A byte order mark may begin a
// text; a zero-width space may part words of scripts that write none.
func zeroWidth(s []byte, i int, r rune, size int) (kind string, score uint8) {
	if r == 0xfeff && i == 0 {
		return "", 0
	}
	before, _ := utf8.DecodeLastRune(s[:i])
	after, _ := utf8.DecodeRune(s[i+size:])
	switch r {
	case 0x200b, 0x2060, 0x115f, 0x1160, 0x3164:
		if spaceless(before) && spaceless(after) || i == 0 && i+size == len(s) {
			return KindZeroWidth, low
		}
	}
	return KindZeroWidth, likely
}

// spaceless reports scripts that part words by zero-width spaces, if at all.
func spaceless(r rune) bool {
	return unicode.In(r, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Tibetan)
}

// joins reports whether a joiner or non-joiner has something to join: two
// emoji, or letters of a script that shapes its letters.
func joins(s []byte, i, size int) bool {
	before, n := utf8.DecodeLastRune(s[:i])
	if before >= 0xfe00 && before <= 0xfe0f || before >= 0x1f3fb && before <= 0x1f3ff {
		b2, _ := utf8.DecodeLastRune(s[:i-n])
		if emoji(b2) {
			before = b2
		}
	}
	after, _ := utf8.DecodeRune(s[i+size:])
	if emoji(before) && emoji(after) {
		return true
	}
	return shaped(before) && (shaped(after) || unicode.IsSpace(after) || after == utf8.RuneError || unicode.IsPunct(after))
}

func shaped(r rune) bool {
	return unicode.In(r, unicode.Arabic, unicode.Syriac, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati,
		unicode.Oriya, unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer,
		unicode.Mongolian, unicode.Tibetan, unicode.Myanmar)
}

func emoji(r rune) bool {
	return r >= 0x1f000 && r <= 0x1faff || r >= 0x2190 && r <= 0x27bf || r >= 0x2900 && r <= 0x2bff || r >= 0x3030 && r <= 0x3299 || r == 0xa9 || r == 0xae
}

// variation judges a variation selector: one behind an emoji, a symbol or an
// ideograph is writing; one behind a letter or behind another one is not.
func variation(s []byte, i, size int) (kind string, score uint8) {
	before, _ := utf8.DecodeLastRune(s[:i])
	switch {
	case isSelector(before):
		return KindVariation, sure
	case emoji(before), before == '#', before == '*', before >= '0' && before <= '9',
		unicode.In(before, unicode.Han, unicode.Mongolian, unicode.Myanmar, unicode.Phags_Pa), unicode.IsSymbol(before), before == 0x203c, before == 0x2049:
		// The run that follows, if any, begins here.
		if next, _ := utf8.DecodeRune(s[i+size:]); isSelector(next) {
			return KindVariation, sure
		}
		return "", 0
	}
	return KindVariation, likely
}

func isSelector(r rune) bool {
	return r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef
}

// flagTag reports the tags of a flag: behind U+1F3F4, at most six letters, and
// a cancel tag at the end.
func flagTag(s []byte, i int) bool {
	k, n := i, 0
	for k >= 4 && n < 8 {
		r, size := utf8.DecodeLastRune(s[:k])
		if r == 0x1f3f4 {
			break
		}
		if r < 0xe0000 || r > 0xe007f {
			return false
		}
		k -= size
		n++
	}
	if r, _ := utf8.DecodeLastRune(s[:k]); r != 0x1f3f4 {
		return false
	}
	for n = 0; k < len(s) && n < 8; n++ {
		r, size := utf8.DecodeRune(s[k:])
		if r == 0xe007f {
			return n >= 3 && n <= 6
		}
		if r < 0xe0000 || r > 0xe007f {
			return false
		}
		k += size
	}
	return false
}

// nearRTL reports a letter that runs from right to left within a few
// characters.
func nearRTL(s []byte, i, size int) bool {
	for k, n := i, 0; k > 0 && n < 12; n++ {
		r, w := utf8.DecodeLastRune(s[:k])
		if rtl(r) {
			return true
		}
		k -= w
	}
	for k, n := i+size, 0; k < len(s) && n < 12; n++ {
		r, w := utf8.DecodeRune(s[k:])
		if rtl(r) {
			return true
		}
		k += w
	}
	return false
}

func rtl(r rune) bool {
	return r >= 0x0590 && r <= 0x08ff || r >= 0xfb1d && r <= 0xfdff || r >= 0xfe70 && r <= 0xfefc
}

// Clean appends nothing: what nobody sees may go.
func (Detector) Clean(dst []byte, _ string, _ []byte) []byte { return dst }
