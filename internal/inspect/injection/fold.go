package injection

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The folded text is made of letters a to z and, for scripts without
// look-alikes in ASCII, of bytes above it. skip is dropped.
const skip = 0

// asciiTable folds ASCII: letters to lower case, digits and signs that stand
// for letters to those, everything else away.
func asciiTable() [128]byte {
	var t [128]byte
	for c := byte('a'); c <= 'z'; c++ {
		t[c], t[c-0x20] = c, c
	}
	for c, to := range map[byte]byte{'0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '@': 'a', '$': 's'} {
		t[c] = to
	}
	return t
}

var ascii = asciiTable()

// lookFrom are letters of other scripts, lookTo the Latin ones that they read
// as. Both the rules and the texts are folded so; it need not be a spelling.
const (
	lookFrom = "абвгдеёжзийклмнопрстуфхцчшщыьэюяіїјѕԁԛԝһӏαβγ" +
		"εηικμνορτυχωζσıɑɡɩʏʀɢɪɴʟᴀʙᴄᴅᴇꜰʜᴊᴋᴍᴏᴘꜱᴛᴜᴠᴡᴢłß" +
		"æøđœ"
	lookTo = "abbrdeexznnklmhonpctyfxuqwwybeuriijsdqwhlaby" +
		"enikuvoptuxwzoiagiyrginlabcdefhjkmopstuvwzls" +
		"aodo"
)

func lookTable() map[rune]byte {
	m := map[rune]byte{}
	i := 0
	for _, r := range lookFrom {
		m[r] = lookTo[i]
		i++
	}
	return m
}

var looks = lookTable()

// foldRune appends the folded form of a character above ASCII to buf, which
// has room for four bytes. A combining mark or an invisible character has none.
func foldRune(buf *[4]byte, s []byte, i int) (folded []byte, size int) {
	r, size := utf8.DecodeRune(s[i:])
	if r == utf8.RuneError {
		return nil, size
	}
	if c, ok := looks[unicode.ToLower(r)]; ok {
		buf[0] = c
		return buf[:1], size
	}
	if d := norm.NFKD.Properties(s[i:]).Decomposition(); len(d) > 0 {
		if d[0] < utf8.RuneSelf {
			if c := ascii[d[0]]; c != skip {
				buf[0] = c
				return buf[:1], size
			}
			return nil, size
		}
		base, _ := utf8.DecodeRune(d)
		if c, ok := looks[unicode.ToLower(base)]; ok {
			buf[0] = c
			return buf[:1], size
		}
		r = base
	}
	if !unicode.IsLetter(r) {
		return nil, size
	}
	return buf[:utf8.EncodeRune(buf[:], unicode.ToLower(r))], size
}
