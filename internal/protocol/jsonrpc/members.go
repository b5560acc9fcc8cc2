package jsonrpc

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Member is a member that a protocol defines for an object.
type Member struct {
	Name   string
	Slot   int      // where its value is noted; Refused to refuse it
	Inside *Members // what its value defines, if that is an object; may be nil
}

// Refused is the Slot of a name that must not occur, such as a second spelling
// that some parsers take for a member.
const Refused = -1

// Members is what a protocol defines for one object. Another spelling of one
// of its names is refused. It is immutable and safe for concurrent use.
type Members struct {
	byLen  [][]Member // by length of the name
	folded map[string]bool
	closed bool // no other names
	slots  int  // one more than the highest slot, those inside included
}

// maxUnusual bounds the bytes of a name beyond visible ASCII, so that comparing
// spellings stays cheap; a longer one counts as a spelling of what it hides.
const maxUnusual = 256

// NewMembers returns the description of an object with these members. Other
// names are let through if they are not spellings of these.
func NewMembers(members ...Member) *Members {
	m := &Members{folded: make(map[string]bool, len(members))}
	for _, d := range members {
		for len(m.byLen) <= len(d.Name) {
			m.byLen = append(m.byLen, nil)
		}
		m.byLen[len(d.Name)] = append(m.byLen[len(d.Name)], d)
		m.folded[skeleton(d.Name, len(d.Name))] = true
		m.slots = max(m.slots, d.Slot+1)
		if d.Inside != nil {
			m.slots = max(m.slots, d.Inside.slots)
		}
	}
	return m
}

// find returns the member called name.
func (m *Members) find(name []byte) *Member {
	if len(name) >= len(m.byLen) {
		return nil
	}
	candidates := m.byLen[len(name)]
	for i := range candidates {
		if candidates[i].Name == string(name) {
			return &candidates[i]
		}
	}
	return nil
}

// Variant reports whether name is another spelling of one of the members.
func (m *Members) Variant(name []byte) bool {
	simple := true
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			simple = false
			break
		}
	}
	if !simple {
		if len(name) > maxUnusual {
			return true
		}
		return m.folded[skeleton(string(name), len(m.byLen))] && m.find(name) == nil
	}
	if len(name) >= len(m.byLen) {
		return false
	}
	for _, d := range m.byLen[len(name)] {
		if equalFoldASCII(d.Name, name) {
			return d.Name != string(name)
		}
	}
	return false
}

func equalFoldASCII(a string, b []byte) bool {
	for i := range len(a) {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x |= 0x20
		}
		if 'A' <= y && y <= 'Z' {
			y |= 0x20
		}
		if x != y {
			return false
		}
	}
	return true
}

// skeleton maps to one text all the spellings of a name that a lenient parser
// or a reader's eye may take for the same: compatibility forms decomposed
// (NFKD), case folded the way any of the usual comparisons would, and without
// marks, spaces, control, format and default-ignorable characters.
//
// It returns "" as soon as the text is longer than longest: the name is none of
// the protocol then, and some characters decompose into many.
func skeleton(name string, longest int) string {
	out := make([]byte, 0, len(name))
	for i, r := range name {
		if r < utf8.RuneSelf {
			out = appendFolded(out, r)
			continue
		}
		decomposed := norm.NFKD.PropertiesString(name[i:]).Decomposition()
		if decomposed == nil {
			out = appendFolded(out, r)
		}
		for len(decomposed) > 0 {
			d, n := utf8.DecodeRune(decomposed)
			out = appendFolded(out, d)
			decomposed = decomposed[n:]
		}
		if len(out) > longest {
			return ""
		}
	}
	return string(out)
}

// appendFolded appends a character in lower case if it is one that tells names
// apart.
func appendFolded(dst []byte, r rune) []byte {
	if r <= ' ' || r >= 0x7f && unicode.In(r, unicode.Mn, unicode.Me, unicode.Cc, unicode.Cf, unicode.Z,
		unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
		return dst
	}
	return utf8.AppendRune(dst, unicode.ToLower(unicode.ToUpper(r)))
}
