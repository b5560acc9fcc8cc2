package toolpin

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// lookalikes are letters of other scripts, in lower case, and what they look
// like, after Unicode UTS 39, cut down to what names of tools could be made of.
const lookalikes = "аa еe оo рp сc хx уy іi јj ѕs һh ԁd ԛq ԝw кk мm тt вb нh гr ӏl зe ѵv ьb пn " + // Cyrillic
	"αa οo ρp ιi κk νv υu χx ωw τt εe γy ηn βb μu ϲc ϳj σo ζz " + // Greek
	"օo սu ոn հh ցg զq ѡw " + // Armenian, and a letter of old Cyrillic
	"ıi ɩi ɑa ɡg ʏy ʀr ƅb ɪi ᴀa ᴄc ᴅd ᴇe ᴊj ᴋk ᴍm ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw ᴢz ꜱs ɴn ʟl ɢg ʜh ʙb øo łl đd ħh " + // Latin
	"0o 1l |l"

// skeletons maps names that may be taken for one another to one text: in lower
// case, without marks, spaces and what is not seen, and with look-alikes
// replaced.
type skeletons struct{ replace *strings.Replacer }

func newSkeletons() skeletons {
	var pairs []string
	for pair := range strings.FieldsSeq(lookalikes) {
		r := []rune(pair)
		pairs = append(pairs, string(r[0]), string(r[1]))
	}
	return skeletons{strings.NewReplacer(pairs...)}
}

func (s skeletons) of(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(name) {
		if r <= ' ' || unicode.In(r, unicode.M, unicode.C, unicode.Z, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			continue
		}
		if unicode.Is(unicode.Pd, r) {
			r = '-'
		}
		b.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
	}
	// A capital I looks like an l, and is an i in lower case: all three are one.
	return strings.ReplaceAll(s.replace.Replace(b.String()), "i", "l")
}
