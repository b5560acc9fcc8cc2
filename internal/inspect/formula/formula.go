// Package formula finds text that a spreadsheet would run when it opens a file
// made of it: cells that begin with "=", "+", "-" or "@" and go on like a
// formula. Numbers with a sign, lists, arrows, mentions and flags are none.
package formula

import (
	"bytes"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// Kinds that the detector reports.
const (
	KindCall = "formula.call" // a function, DDE or a macro is called
	KindCell = "formula.cell" // an expression that only computes
)

const (
	sure   = 95
	likely = 80
	low    = 30

	maxFormula = 2 << 10
)

// dangerous functions reach out of the sheet.
var dangerous = [...]string{
	"HYPERLINK", "WEBSERVICE", "IMPORTXML", "IMPORTDATA", "IMPORTHTML", "IMPORTFEED", "IMPORTRANGE", "IMAGE", "DDE", "DDEAUTO", "CALL",
	"REGISTER", "REGISTER.ID", "EXEC", "RTD", "FILTERXML", "ENCODEURL", "MSEXCEL", "CMD", "SHELL", "GOTO", "FORMULA",
}

// Detector finds formulas. The zero Detector is ready to use.
type Detector struct{}

// Name returns "formula".
func (Detector) Name() string { return "formula" }

// Kinds returns every kind that Find reports.
func (Detector) Kinds() []string { return []string{KindCall, KindCell} }

// Hint asks for a character that begins a formula.
func (Detector) Hint() finding.Hint { return finding.Hint{MinLen: 3, Bytes: "=+-@"} }

// Find appends the formulas that stand at the beginning of the text or of a
// cell of separated values in it.
func (Detector) Find(dst []finding.Finding, s []byte) []finding.Finding {
	start := 0
	for start < len(s) && (s[start] == ' ' || s[start] == '\t' || s[start] == '\r' || s[start] == '\n' || s[start] == '"') {
		start++
	}
	if f, ok := formula(s, start, true); ok {
		dst = append(dst, f)
		start = f.End
	}
	if bytes.IndexByte(s, '(') < 0 && bytes.IndexByte(s, '|') < 0 {
		return dst
	}
	for i := max(start, 1); i < len(s); i++ {
		switch s[i] {
		case '=', '+', '-', '@':
		default:
			continue
		}
		prev := s[i-1]
		if prev == '"' && i > 1 {
			prev = s[i-2]
		}
		if prev != '\n' && prev != ',' && prev != ';' && prev != '\t' && prev != '\r' {
			continue
		}
		if f, ok := formula(s, i, false); ok {
			dst = append(dst, f)
			i = f.End
		}
	}
	return dst
}

// formula judges a cell that begins at i. Whole says that it is all of the text.
func formula(s []byte, i int, whole bool) (finding.Finding, bool) {
	none := finding.Finding{}
	if i+2 >= len(s) {
		return none, false
	}
	lead := s[i]
	k := i + 1
	for k < len(s) && k-i < 4 && (s[k] == '=' || s[k] == '+' || s[k] == '-' || s[k] == '@') {
		if s[k] == lead && lead != '+' && lead != '-' {
			return none, false // "==", "@@"
		}
		k++
	}
	spaced := k < len(s) && s[k] == ' '
	for k < len(s) && k-i < 6 && s[k] == ' ' {
		k++
	}
	switch lead {
	case '=':
		if k < len(s) && s[k] == '>' {
			return none, false
		}
	case '+', '-', '@':
		if spaced || k-i > 3 {
			return none, false // an item of a list, a rule
		}
	default:
		return none, false
	}
	end := cellEnd(s, i, whole)
	name := nameAt(s, k, end)
	call := k+name < end && s[k+name] == '('
	score := uint8(0)
	switch {
	case name > 0 && call && known(s[k:k+name]):
		score = sure
	case name > 0 && call && shouted(s[k:k+name]):
		score = likely
	case pipe(s[i:end]):
		score = sure
	case anyDangerous(s[k:end]) && lead != '@':
		score = likely
	}
	if score > 0 {
		return finding.Finding{Start: i, End: end, Kind: KindCall, Score: score}, true
	}
	if lead == '=' && whole && expression(s[k:end]) {
		return finding.Finding{Start: i, End: end, Kind: KindCell, Score: likely}, true
	}
	if (lead == '+' || lead == '-') && whole && expression(s[k:end]) && bytes.ContainsAny(s[k:end], "+*/^&!") && cellName(s[k:end]) {
		return finding.Finding{Start: i, End: end, Kind: KindCell, Score: low}, true
	}
	return none, false
}

// cellEnd returns the end of the cell: of the text, or the separator outside
// of quotes and brackets.
func cellEnd(s []byte, i int, whole bool) int {
	depth, quoted := 0, false
	opener := byte(0)
	if i > 0 && s[i-1] == '"' {
		opener = s[i-1]
	}
	for k := i; k < len(s); k++ {
		if k-i >= maxFormula {
			return k
		}
		switch c := s[k]; {
		case c == '\n' || c == '\r':
			return k
		case opener != 0 && c == opener:
			if k+1 < len(s) && s[k+1] == opener {
				k++
				continue
			}
			return k
		case opener == 0 && c == '"':
			quoted = !quoted
		case c == '(':
			depth++
		case c == ')':
			depth--
		case !quoted && depth <= 0 && !whole && opener == 0 && (c == ',' || c == ';' || c == '\t'):
			return k
		}
	}
	return len(s)
}

// nameAt returns the length of the function name at k.
func nameAt(s []byte, k, end int) int {
	n := 0
	for k+n < end && n < 32 && (letter(s[k+n]) || n > 0 && (s[k+n] >= '0' && s[k+n] <= '9' || s[k+n] == '.' || s[k+n] == '_')) {
		n++
	}
	return n
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func known(name []byte) bool {
	for _, d := range dangerous {
		if len(name) == len(d) && bytes.EqualFold(name, []byte(d)) {
			return true
		}
	}
	return false
}

// shouted reports a name in capitals, as spreadsheets show functions, or one
// of the common functions in small letters.
func shouted(name []byte) bool {
	upper := len(name) >= 2
	for _, c := range name {
		if c >= 'a' && c <= 'z' {
			upper = false
		}
	}
	if upper {
		return true
	}
	for _, f := range [...]string{"sum", "if", "concatenate", "concat", "indirect", "vlookup", "char", "index", "cell", "info", "query", "join", "textjoin", "left", "mid", "replace"} {
		if len(name) == len(f) && bytes.EqualFold(name, []byte(f)) {
			return true
		}
	}
	return false
}

// pipe reports a DDE call: program|'arguments'!cell.
func pipe(s []byte) bool {
	at := bytes.IndexByte(s, '|')
	if at < 1 {
		return false
	}
	rest := s[at+1:]
	return bytes.IndexByte(rest, '!') > 0 && (rest[0] == '\'' || rest[0] == ' ' || rest[0] == '"')
}

func anyDangerous(s []byte) bool {
	for k := 0; k < len(s); k++ {
		if s[k] != '(' {
			continue
		}
		n := 0
		for n < k && n < 16 && (letter(s[k-n-1]) || s[k-n-1] == '.') {
			n++
		}
		if n > 1 && known(s[k-n:k]) {
			return true
		}
	}
	return false
}

// expression reports cells, numbers and operators, with nothing of prose.
func expression(s []byte) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	operand := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z':
			operand = true
		case c == '+', c == '-', c == '*', c == '/', c == '^', c == '&', c == '!', c == '$', c == ':', c == '(', c == ')', c == '.', c == ' ', c == ',', c == ';':
		case c >= 'a' && c <= 'z' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			operand = true
		default:
			return false
		}
	}
	return operand && (cellName(s) || bytes.ContainsAny(s, "+-*/^"))
}

// cellName reports a reference such as A1 or $B$12.
func cellName(s []byte) bool {
	for i := 0; i+1 < len(s); i++ {
		if letter(s[i]) && (i == 0 || !letter(s[i-1]) || i == 1 || !letter(s[i-2])) {
			k := i + 1
			if s[k] == '$' {
				k++
			}
			if k < len(s) && s[k] >= '0' && s[k] <= '9' {
				return true
			}
		}
	}
	return false
}

// Clean appends found with an apostrophe before it, which makes a spreadsheet
// take it for text.
func (Detector) Clean(dst []byte, _ string, found []byte) []byte {
	return append(append(dst, '\''), found...)
}
