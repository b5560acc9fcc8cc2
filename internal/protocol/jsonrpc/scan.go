package jsonrpc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonstring"
)

// maxNumber bounds the bytes of a number: no float64 needs as many.
const maxNumber = 512

// scanner walks one message. Its methods take and return offsets; a negative
// one says that bad holds why the message is refused.
type scanner struct {
	b     []byte
	lim   Limits
	bad   fault
	slots []Value
	names nameSet
}

// fault is why a message is refused and where. It is no error yet, and no text:
// what the scanner returned as a pointer would move all it points to off the
// stack.
type fault struct {
	code, at int
	rule     rule
}

func (f fault) error() error {
	return refusal(f.code, fmt.Sprintf("%s at byte %d", ruleText[f.rule], f.at))
}

// fail notes why the message is refused.
func (s *scanner) fail(code, at int, broken rule) int {
	s.bad = fault{code, at, broken}
	return -1
}

// refusal is an error for the sender of a message. The detail is for the log
// and never holds a byte of the message.
func refusal(code int, detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind:   portcullis.KindMalformed,
		Code:   code,
		Reason: "input_rejected",
		Event:  portcullis.EventInputRejected,
		Detail: detail,
	}
}

func (s *scanner) syntax(at int, broken rule) int {
	if at >= len(s.b) {
		at, broken = len(s.b), ruleUnexpectedEnd
	}
	return s.fail(portcullis.CodeParse, at, broken)
}

func (s *scanner) space(i int) int {
	for i < len(s.b) {
		switch s.b[i] {
		case ' ', '\t', '\r', '\n':
			i++
		default:
			return i
		}
	}
	return i
}

// value reads the value at i, which is no white space, and returns the offset
// behind it. If m is given and the value an object, its members are noted.
func (s *scanner) value(i, depth int, m *Members) (end int, v Value) {
	if i >= len(s.b) {
		return s.syntax(i, ruleUnexpectedEnd), v
	}
	switch c := s.b[i]; c {
	case '{':
		v.Kind = Object
		end = s.object(i, depth+1, m)
	case '[':
		v.Kind = Array
		end = s.array(i, depth+1)
	case '"':
		v.Kind = String
		end, v.Escaped = s.str(i)
	case 't':
		v.Kind = Bool
		end = s.literal(i, "true")
	case 'f':
		v.Kind = Bool
		end = s.literal(i, "false")
	case 'n':
		v.Kind = Null
		end = s.literal(i, "null")
	default:
		if c != '-' && !digit(c) {
			return s.syntax(i, ruleInvalidCharacter), v
		}
		v.Kind = Number
		end = s.number(i)
	}
	v.Start, v.End = offset(i), offset(end)
	return end, v
}

func (s *scanner) literal(i int, want string) int {
	if end := i + len(want); end <= len(s.b) && string(s.b[i:end]) == want {
		return end
	}
	return s.syntax(i, ruleInvalidLiteral)
}

func (s *scanner) array(i, depth int) int {
	if depth > s.lim.MaxDepth {
		return s.fail(portcullis.CodeInvalidRequest, i, ruleNestingTooDeep)
	}
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == ']' {
		return i + 1
	}
	for n := 1; ; n++ {
		if n > s.lim.MaxArray {
			return s.fail(portcullis.CodeInvalidRequest, i, ruleTooManyArrayElements)
		}
		if i, _ = s.value(i, depth, nil); i < 0 {
			return i
		}
		if i = s.space(i); i >= len(s.b) {
			return s.syntax(i, ruleUnexpectedEnd)
		}
		switch s.b[i] {
		case ',':
			i = s.space(i + 1)
		case ']':
			return i + 1
		default:
			return s.syntax(i, ruleMissingCommaOrBracket)
		}
	}
}

func (s *scanner) object(i, depth int, m *Members) int {
	if depth > s.lim.MaxDepth {
		return s.fail(portcullis.CodeInvalidRequest, i, ruleNestingTooDeep)
	}
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == '}' {
		return i + 1
	}
	outer, text := s.names.enter()
	for n := 1; ; n++ {
		if n > s.lim.MaxMembers {
			return s.fail(portcullis.CodeInvalidRequest, i, ruleTooManyMembers)
		}
		if i = s.member(i, depth, m); i < 0 {
			return i
		}
		if i = s.space(i); i >= len(s.b) {
			return s.syntax(i, ruleUnexpectedEnd)
		}
		switch s.b[i] {
		case ',':
			i = s.space(i + 1)
		case '}':
			s.names.leave(outer, text)
			return i + 1
		default:
			return s.syntax(i, ruleMissingCommaOrBrace)
		}
	}
}

// member reads a name and its value.
func (s *scanner) member(i, depth int, m *Members) int {
	if i >= len(s.b) || s.b[i] != '"' {
		return s.syntax(i, ruleMissingMemberName)
	}
	at := i
	i, escaped := s.str(i)
	if i < 0 {
		return i
	}
	p := place{start: offset(at + 1), end: offset(i - 1)}
	if escaped {
		p = s.names.unescape(s.b, at+1, i-1)
		if bytes.IndexByte(s.names.name(s.b, p), 0) >= 0 {
			return s.fail(portcullis.CodeInvalidRequest, at, ruleNULInAMemberName)
		}
	}
	if !s.names.add(s.b, p) {
		return s.fail(portcullis.CodeInvalidRequest, at, ruleDuplicateMemberName)
	}
	var def *Member
	if m != nil {
		name := s.names.name(s.b, p)
		if def = m.find(name); !s.spelled(at, i, m, def, name) {
			return -1
		}
	}
	if i = s.space(i); i >= len(s.b) || s.b[i] != ':' {
		return s.syntax(i, ruleMissingColon)
	}
	i = s.space(i + 1)
	var inside *Members
	if def != nil {
		inside = def.Inside
	}
	end, v := s.value(i, depth, inside)
	if end >= 0 && def != nil {
		s.slots[def.Slot] = v
	}
	return end
}

// spelled checks a name of an object that the protocol defines.
func (s *scanner) spelled(at, end int, m *Members, def *Member, name []byte) bool {
	switch {
	case def == nil && m.Variant(name), def != nil && def.Slot == Refused:
		s.fail(portcullis.CodeInvalidRequest, at, ruleOtherSpellingOfAProtocolMember)
	case def == nil && m.closed:
		s.fail(portcullis.CodeInvalidRequest, at, ruleUnknownMemberOfAMessage)
	case def != nil && hasUnicodeEscape(s.b[at:end]):
		s.fail(portcullis.CodeInvalidRequest, at, ruleEscapedSpellingOfAProtocolMember)
	default:
		return true
	}
	return false
}

// hasUnicodeEscape reports whether an accepted string spells a character as
// \uXXXX. An escaped solidus is what some encoders write as a matter of course.
func hasUnicodeEscape(b []byte) bool {
	for i := 0; i+1 < len(b); i++ {
		if b[i] == '\\' {
			if i++; b[i] == 'u' {
				return true
			}
		}
	}
	return false
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks, in the high bit of each byte of x, those that end a run of
// plain characters: quote, backslash, control characters and bytes above ASCII.
// Bytes behind the first marked one may be marked in error.
func special(x uint64) uint64 {
	quote := x ^ ones*'"'
	slash := x ^ ones*'\\'
	return (x | (x - ones*0x20) | (quote - ones) | (slash - ones)) & highs
}

// str reads the string whose opening quote is at i.
func (s *scanner) str(i int) (end int, escaped bool) {
	start := i
	saved := 0 // bytes that unescaping takes away
	for i++; ; {
		for i+8 <= len(s.b) {
			mark := special(binary.LittleEndian.Uint64(s.b[i:]))
			if mark != 0 {
				i += bits.TrailingZeros64(mark) / 8
				break
			}
			i += 8
		}
		if i >= len(s.b) {
			return s.syntax(i, ruleUnexpectedEnd), false
		}
		switch c := s.b[i]; {
		case c == '"':
			if i-start-1-saved > s.lim.MaxString {
				return s.fail(portcullis.CodeInvalidRequest, start, ruleStringTooLong), false
			}
			return i + 1, escaped
		case c == '\\':
			escaped = true
			n, text := s.escape(i)
			if n < 0 {
				return n, false
			}
			i += n
			saved += n - text
		case c < ' ':
			return s.syntax(i, ruleControlCharacterInAString), false
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(s.b[i:])
			if r == utf8.RuneError && n == 1 {
				return s.syntax(i, ruleInvalidUTF8), false
			}
			i += n
		}
	}
}

// escape reads the escape sequence at i and returns its length and that of the
// UTF-8 it stands for.
func (s *scanner) escape(i int) (n, text int) {
	if i+1 >= len(s.b) {
		return s.syntax(len(s.b), ruleUnexpectedEnd), 0
	}
	switch s.b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, 1
	case 'u':
		r := jsonstring.Hex4(s.b[i+2:])
		switch {
		case r < 0:
			return s.syntax(i, ruleInvalidEscape), 0
		case r < 0xd800 || r > 0xdfff:
			return 6, utf8.RuneLen(r)
		case r < 0xdc00 && i+7 < len(s.b) && s.b[i+6] == '\\' && s.b[i+7] == 'u':
			if low := jsonstring.Hex4(s.b[i+8:]); low >= 0xdc00 && low <= 0xdfff {
				return 12, 4
			}
		}
		return s.syntax(i, ruleLoneSurrogate), 0
	}
	return s.syntax(i, ruleInvalidEscape), 0
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func (s *scanner) digits(i int) int {
	for i < len(s.b) && digit(s.b[i]) {
		i++
	}
	return i
}

// number reads the number at i (RFC 8259, section 6).
func (s *scanner) number(i int) int {
	start := i
	if s.b[i] == '-' {
		i++
	}
	whole := i
	switch {
	case i >= len(s.b) || !digit(s.b[i]):
		return s.syntax(i, ruleInvalidNumber)
	case s.b[i] == '0':
		i++
	default:
		i = s.digits(i)
	}
	wide := i-whole > 300
	if i < len(s.b) && s.b[i] == '.' {
		from := i + 1
		if i = s.digits(from); i == from {
			return s.syntax(i, ruleInvalidNumber)
		}
	}
	if i < len(s.b) && s.b[i]|0x20 == 'e' {
		if i++; i < len(s.b) && (s.b[i] == '+' || s.b[i] == '-') {
			i++
		}
		from := i
		if i = s.digits(from); i == from {
			return s.syntax(i, ruleInvalidNumber)
		}
		wide = true
	}
	if i-start > maxNumber {
		return s.fail(portcullis.CodeInvalidRequest, start, ruleNumberTooLong)
	}
	if wide {
		if _, err := strconv.ParseFloat(string(s.b[start:i]), 64); err != nil {
			return s.fail(portcullis.CodeInvalidRequest, start, ruleNumberOutOfRange)
		}
	}
	return i
}
