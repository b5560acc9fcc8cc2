package shape

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Failure is what is wrong with an object and where.
type Failure struct {
	Path string // "message.parts[2].raw"; "" is the object itself
	Rule string // "missing", "no text", …
}

// Error returns path and rule.
func (f *Failure) Error() string {
	if f.Path == "" {
		return f.Rule
	}
	return f.Path + ": " + f.Rule
}

// under puts the failure below a member or, with an index, below an element of
// a list.
func (f *Failure) under(name string, index int) *Failure {
	at := name
	if index >= 0 {
		at += "[" + strconv.Itoa(index) + "]"
	}
	if f.Path != "" {
		at += "." + f.Path
	}
	return &Failure{Path: at, Rule: f.Rule}
}

func broken(rule string) *Failure { return &Failure{Rule: rule} }

// The rules that a failure can name, besides those of a [Visitor].
const (
	RuleMissing   = "missing"
	RuleSpelling  = "other spelling of a member"
	RuleForbidden = "must not be here"
	RuleOneOf     = "not exactly one of its kinds"
	RuleNull      = "null"
	RuleObject    = "no object"
	RuleList      = "no list"
	RuleEmpty     = "empty list"
	RuleText      = "no text"
	RuleBool      = "no truth value"
	RuleInteger   = "no integer within bounds"
	RuleWord      = "none of the defined words"
	RuleID        = "no id: 1 to 256 visible ASCII characters"
	RuleTime      = "no point in time"
	RuleBase64    = "no base64"
	RuleURI       = "no absolute URI of up to 8192 visible ASCII characters"
	RuleMedia     = "no media type"
)

// Tag says what a value is to those who have rules of their own.
type Tag uint8

// The tags.
const (
	TagNone      Tag = iota
	TagText          // text of a part
	TagRaw           // base64 of a file
	TagData          // structured data of a part
	TagFile          // where a file is to be fetched
	TagPush          // where notifications are to be sent
	TagMedia         // media type of a part
	TagMode          // media type that a caller accepts
	TagReference     // id of a task that a message refers to
	TagPart          // a part, before its members
	TagState         // state of a task
	TagMessage       // message of a request, before its members
	TagTask          // task that a message names
	TagContext       // context that a message names
	TagRole          // role of a message
	TagMetadata      // metadata of a message
	TagAround        // metadata of a request that carries a message
	TagTenant        // tenant that a request names
)

// Visitor is shown the values of an object that have a tag, in the order in
// which they stand. v is a value of raw. It returns the rule that a value
// breaks, or "".
type Visitor interface {
	Visit(tag Tag, raw []byte, v jsonrpc.Value) string
}

// kind is what a value must be.
type kind uint8

const (
	kindAny kind = iota
	kindText
	kindID
	kindBool
	kindInt
	kindWord // one of words
	kindFree // an object whose members are nobody's business
	kindTime
	kindDate // a point in time as JSON Schema leaves it: any text that looks like one
	kindBytes
	kindURI
	kindMedia
	kindObject
	kindVoid  // only "" or null
	kindNever // must not occur
)

// field is a member of an object.
type field struct {
	name  string
	kind  kind
	of    Object   // what a kindObject must be
	words []string // of a kindWord
	low   int      // of a kindInt
	high  int
	list  bool
	need  bool
	group bool // of the one-of
	tag   Tag
}

// spec is an object of the protocol.
type spec struct {
	fields []field
	union  []variant // chosen by the text of the member by; no fields then
	by     string
	oneOf  bool // exactly one member of the group must be there
	nulls  bool // null stands for an absent member (Protocol Buffers)
	full   bool // lists that must be there are not empty
	names  *jsonrpc.Members
	twins  []string // usual spellings of members that have another here
}

// variant is one of the objects that a union may be.
type variant struct {
	word string
	of   Object
}

// Check checks raw, the text of a value that package jsonrpc accepted. It
// shows what has a tag to see, which may be nil.
func Check(o Object, raw []byte, see Visitor) *Failure { return check(false, o, raw, see) }

// CheckSnake is [Check] for an object whose members are all written with
// underscores: message_id for messageId. Members in the usual spelling are
// refused then, as are those with underscores by Check.
func CheckSnake(o Object, raw []byte, see Visitor) *Failure { return check(true, o, raw, see) }

func check(snake bool, o Object, raw []byte, see Visitor) *Failure {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 || raw[0] != '{' {
		return broken(RuleObject)
	}
	c := checker{snake: snake, see: see}
	return c.object(o, raw)
}

type checker struct {
	snake bool // names have underscores
	see   Visitor
}

func (c *checker) object(o Object, raw []byte) *Failure {
	s := tables[o]
	if c.snake {
		s = snakes[o]
	}
	if s.union != nil {
		return c.union(s, raw)
	}
	var there, group uint64
	it := jsonrpc.Walk(raw)
	for it.Next() {
		i, fail := s.find(raw, it.Name)
		if fail != nil {
			return fail
		}
		if i < 0 {
			continue
		}
		f := &s.fields[i]
		if it.Value.Kind == jsonrpc.Null && s.nulls && f.kind != kindAny {
			if f.group {
				return broken(RuleNull).under(f.name, -1)
			}
			continue
		}
		if f.kind == kindID && !f.list && !f.need && it.Value.Kind == jsonrpc.String && it.Value.End-it.Value.Start == 2 {
			continue // "" is what some write for an id that they do not have
		}
		there |= 1 << i
		if f.group {
			group++
		}
		if fail := c.member(f, s.full, raw, it.Value); fail != nil {
			return fail
		}
	}
	if it.Bad {
		return broken(RuleObject)
	}
	for i := range s.fields {
		if s.fields[i].need && there&(1<<i) == 0 {
			return broken(RuleMissing).under(s.fields[i].name, -1)
		}
	}
	if s.oneOf && group != 1 {
		return broken(RuleOneOf)
	}
	return nil
}

// find returns the index of the field that a name means, -1 if it is nobody's.
func (s *spec) find(raw []byte, v jsonrpc.Value) (int, *Failure) {
	name := raw[v.Start+1 : v.End-1]
	if v.Escaped {
		name = []byte(v.Text(raw))
	}
	for i := range s.fields {
		if s.fields[i].name != string(name) {
			continue
		}
		if v.Escaped {
			return 0, broken(RuleSpelling)
		}
		return i, nil
	}
	if slices.Contains(s.twins, string(name)) || s.names.Variant(name) || s.names.Variant(joined(name)) {
		return 0, broken(RuleSpelling)
	}
	return -1, nil
}

// joined returns a name without the underscores and hyphens that some parsers
// take out: task_id is the name of taskId in Protocol Buffers. The name comes
// back in capitals, and so never equal to a member, if any were there.
func joined(name []byte) []byte {
	for i, c := range name {
		if c != '_' && c != '-' || i == 0 {
			continue
		}
		out := make([]byte, 0, len(name))
		for _, c := range name {
			switch {
			case c == '_' || c == '-':
			case 'a' <= c && c <= 'z':
				out = append(out, c-0x20)
			default:
				out = append(out, c)
			}
		}
		return out
	}
	return nil
}

// union checks an object against the one that a member of it names.
func (c *checker) union(s spec, raw []byte) *Failure {
	it := jsonrpc.Walk(raw)
	for it.Next() {
		if !it.Name.Is(raw, s.by) {
			continue
		}
		for _, v := range s.union {
			if it.Value.Is(raw, v.word) {
				return c.object(v.of, raw)
			}
		}
		return broken(RuleWord).under(s.by, -1)
	}
	return broken(RuleMissing).under(s.by, -1)
}

func (c *checker) member(f *field, full bool, raw []byte, v jsonrpc.Value) *Failure {
	if !f.list {
		if fail := c.value(f, raw, v); fail != nil {
			return fail.under(f.name, -1)
		}
		return nil
	}
	if v.Kind != jsonrpc.Array {
		return broken(RuleList).under(f.name, -1)
	}
	list := v.Raw(raw)
	n := 0
	for it := jsonrpc.Walk(list); it.Next(); n++ {
		if fail := c.value(f, list, it.Value); fail != nil {
			return fail.under(f.name, n)
		}
	}
	if n == 0 && full && f.need {
		return broken(RuleEmpty).under(f.name, -1)
	}
	return nil
}

func (c *checker) value(f *field, raw []byte, v jsonrpc.Value) *Failure {
	if f.kind == kindObject {
		if v.Kind != jsonrpc.Object {
			return broken(RuleObject)
		}
		if rule := c.visit(f.tag, raw, v); rule != "" {
			return broken(rule)
		}
		return c.object(f.of, v.Raw(raw))
	}
	rule := f.scalar(raw, v)
	if rule == "" {
		rule = c.visit(f.tag, raw, v)
	}
	if rule != "" {
		return broken(rule)
	}
	return nil
}

func (c *checker) visit(tag Tag, raw []byte, v jsonrpc.Value) string {
	if tag == TagNone || c.see == nil {
		return ""
	}
	return c.see.Visit(tag, raw, v)
}
