package protobuf

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// maxFields bounds the fields of a message, those inside included: each becomes
// an object in memory, many times the two bytes that it can take on the wire.
const maxFields = 100_000

// perLevel is how many messages one level of JSON can be: a Value holds a
// Struct, which holds entries.
const perLevel = 3

// failure says where a message breaks which rule. The path is made of names of
// the definition.
type failure struct{ path, rule string }

func (f *failure) in(name protoreflect.FieldDescriptor) *failure {
	if f.path == "" {
		return &failure{name.JSONName(), f.rule}
	}
	return &failure{name.JSONName() + "." + f.path, f.rule}
}

// checker walks the bytes of a message by its definition, and builds nothing.
type checker struct {
	limits  jsonrpc.Limits
	left    int  // fields that may still come
	lenient bool // fields that nobody defines are left out, not refused
}

// seen is what a message has had so far.
type seen struct {
	fields, oneofs uint64
	counts         map[protoreflect.FieldNumber]int
	keys           map[protoreflect.FieldNumber]map[string]bool
}

func (c *checker) message(md protoreflect.MessageDescriptor, b []byte, depth int) *failure {
	if depth > perLevel*c.limits.MaxDepth {
		return &failure{rule: "too deep"}
	}
	var s seen
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return &failure{rule: "broken encoding"}
		}
		fd := md.Fields().ByNumber(number)
		if c.left--; c.left < 0 {
			return &failure{rule: "too many fields"}
		}
		if b = b[n:]; fd == nil {
			if n = protowire.ConsumeFieldValue(number, wire, b); n < 0 || !c.lenient {
				return &failure{rule: "field that is not defined"}
			}
			b = b[n:]
			continue
		}
		if wire != wireOf(fd) {
			return (&failure{rule: "wrong type"}).in(fd)
		}
		if n = protowire.ConsumeFieldValue(number, wire, b); n < 0 {
			return (&failure{rule: "broken encoding"}).in(fd)
		}
		value := b[:n]
		b = b[n:]
		if rule := s.once(fd, value, c.limits); rule != "" {
			return (&failure{rule: rule}).in(fd)
		}
		if fd.Message() == nil {
			continue
		}
		inner, _ := protowire.ConsumeBytes(value) // consumed before
		if f := c.message(fd.Message(), inner, depth+1); f != nil {
			return f.in(fd)
		}
	}
	return nil
}

// once says what is wrong with a field coming now: once is all there is of those
// that are no list, of one-ofs and of the keys of maps.
func (s *seen) once(fd protoreflect.FieldDescriptor, value []byte, l jsonrpc.Limits) string {
	if fd.Cardinality() != protoreflect.Repeated {
		bit := uint64(1) << (fd.Index() & 63)
		if s.fields&bit != 0 {
			return "comes twice"
		}
		s.fields |= bit
		if one := fd.ContainingOneof(); one != nil {
			if bit = uint64(1) << (one.Index() & 63); s.oneofs&bit != 0 {
				return "two of a one-of"
			}
			s.oneofs |= bit
		}
		return ""
	}
	if s.counts == nil {
		s.counts = map[protoreflect.FieldNumber]int{}
	}
	s.counts[fd.Number()]++
	if !fd.IsMap() {
		if s.counts[fd.Number()] > l.MaxArray {
			return "too many elements"
		}
		return ""
	}
	if s.counts[fd.Number()] > l.MaxMembers {
		return "too many members"
	}
	key := keyOf(value)
	if s.keys == nil {
		s.keys = map[protoreflect.FieldNumber]map[string]bool{}
	}
	if s.keys[fd.Number()] == nil {
		s.keys[fd.Number()] = map[string]bool{}
	}
	if s.keys[fd.Number()][key] {
		return "name that comes twice"
	}
	s.keys[fd.Number()][key] = true
	return ""
}

// keyOf returns the key of an entry of a map, all of which have texts.
func keyOf(value []byte) (key string) {
	entry, n := protowire.ConsumeBytes(value)
	for n >= 0 && len(entry) > 0 {
		number, wire, at := protowire.ConsumeTag(entry)
		if at < 0 {
			return key
		}
		if number == 1 && wire == protowire.BytesType {
			key, _ = protowire.ConsumeString(entry[at:])
		}
		if n = protowire.ConsumeFieldValue(number, wire, entry[at:]); n < 0 {
			return key
		}
		entry = entry[at+n:]
	}
	return key
}

// wireOf returns the wire type of a field.
func wireOf(fd protoreflect.FieldDescriptor) protowire.Type {
	switch fd.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	default:
		return protowire.VarintType
	}
}
