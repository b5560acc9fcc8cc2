// Package terminal finds what would command a terminal if a text were printed
// to one: escape sequences, C1 controls, and characters that overwrite what
// stands before them. Colours are reported with a low score: they change
// nothing but looks.
package terminal

import "github.com/portcullis-dev/portcullis/internal/inspect/finding"

// Kinds that the detector reports.
const (
	KindEscape  = "terminal.escape"  // CSI, OSC (links, clipboard, titles), DCS and other sequences
	KindControl = "terminal.control" // C1 controls, backspaces, lone carriage returns, NUL, DEL
	KindStyle   = "terminal.style"   // colours and weights
)

const (
	sure   = 95
	likely = 80
	low    = 30

	esc       = 0x1b
	maxString = 4 << 10 // the body of an OSC or DCS that is taken for one
)

// Detector finds terminal controls. The zero Detector is ready to use.
type Detector struct{}

// Name returns "terminal".
func (Detector) Name() string { return "terminal" }

// Kinds returns every kind that Find reports.
func (Detector) Kinds() []string { return []string{KindEscape, KindControl, KindStyle} }

// Hint asks for a control character or the first byte of a C1 control.
func (Detector) Hint() finding.Hint {
	return finding.Hint{Bytes: "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f", Beyond: true}
}

// Find appends the controls of s.
func (Detector) Find(dst []finding.Finding, s []byte) []finding.Finding {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < 0x7f || c == '\n' || c == '\t' || c > 0x7f && c != 0xc2 {
			i++
			continue
		}
		end, kind, score := control(s, i)
		if score > 0 {
			dst = append(dst, finding.Finding{Start: i, End: end, Kind: kind, Score: score})
		}
		i = end
	}
	return dst
}

// control reads the control that begins at i.
func control(s []byte, i int) (end int, kind string, score uint8) {
	switch c := s[i]; {
	case c == esc:
		return sequence(s, i, i+1)
	case c == 0xc2:
		if i+1 >= len(s) || s[i+1] < 0x80 || s[i+1] > 0x9f {
			return i + 1, "", 0
		}
		switch s[i+1] {
		case 0x9b, 0x9d, 0x90, 0x9e, 0x9f, 0x98:
			return body(s, i, i+2, s[i+1]-0x40)
		case 0x85: // a line end of mainframes
			return i + 2, KindControl, low
		}
		return i + 2, KindControl, likely
	case c == '\r':
		if i+1 == len(s) || s[i+1] == '\n' {
			return i + 1, "", 0
		}
		if i > 0 && s[i-1] == '\n' {
			return i + 1, "", 0
		}
		return i + 1, KindControl, low
	case c == '\f', c == '\v':
		return i + 1, "", 0
	case c == '\b', c == 0x7f:
		return i + 1, KindControl, likely
	}
	return i + 1, KindControl, likely
}

// sequence reads what follows ESC at k.
func sequence(s []byte, i, k int) (end int, kind string, score uint8) {
	if k >= len(s) {
		return k, KindEscape, likely
	}
	switch c := s[k]; {
	case c == '[', c == ']', c == 'P', c == '^', c == '_', c == 'X':
		return body(s, i, k+1, c)
	case c >= 0x20 && c <= 0x2f: // intermediate bytes and a final one
		for k < len(s) && k-i < 8 && s[k] >= 0x20 && s[k] <= 0x2f {
			k++
		}
		return min(k+1, len(s)), KindEscape, likely
	case c >= 0x30 && c <= 0x7e:
		return k + 1, KindEscape, likely
	}
	return k, KindEscape, likely
}

// body reads a sequence behind its introducer.
func body(s []byte, i, k int, introducer byte) (end int, kind string, score uint8) {
	if introducer == '[' {
		start := k
		for k < len(s) && k-start < 64 && s[k] >= 0x20 && s[k] <= 0x3f {
			k++
		}
		if k >= len(s) || s[k] < 0x40 || s[k] > 0x7e {
			return k, KindEscape, likely
		}
		if s[k] == 'm' {
			return k + 1, KindStyle, low
		}
		return k + 1, KindEscape, sure
	}
	for n := 0; k < len(s) && n < maxString; n++ {
		switch {
		case s[k] == 0x07:
			return k + 1, KindEscape, sure
		case s[k] == esc && k+1 < len(s) && s[k+1] == '\\':
			return k + 2, KindEscape, sure
		case s[k] == 0xc2 && k+1 < len(s) && s[k+1] == 0x9c:
			return k + 2, KindEscape, sure
		case s[k] == '\n', s[k] == esc:
			return k, KindEscape, sure
		}
		k++
	}
	return k, KindEscape, sure
}

// Clean appends nothing, so that only text is left.
func (Detector) Clean(dst []byte, _ string, _ []byte) []byte { return dst }
