package card

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

var errNumber = errors.New("a number that readers may take for another")

// Canonical returns the form of a card that is signed: RFC 8785, without its
// signatures. Numbers that a float64 cannot hold exactly are refused: RFC 8785
// would give one form to two cards.
func Canonical(raw []byte) ([]byte, error) {
	if err := jsonrpc.ReadObject(raw, DefaultLimits()); err != nil {
		return nil, fmt.Errorf("agent card: %w", err)
	}
	return canonical(members(raw, func(name string) bool { return name == "signatures" }))
}

// members returns an object without those of its members that drop names.
func members(raw []byte, drop func(name string) bool) []byte {
	out := []byte{'{'}
	for it := jsonrpc.Walk(raw); it.Next(); {
		if drop(it.Name.Text(raw)) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, it.Name.Raw(raw)...), ':'), it.Value.Raw(raw)...)
	}
	return append(out, '}')
}

// canonical brings a JSON value that was checked into the form of RFC 8785.
func canonical(raw []byte) ([]byte, error) {
	if err := exactNumbers(raw); err != nil {
		return nil, fmt.Errorf("agent card: %w", err)
	}
	v := jsontext.Value(bytes.Clone(raw))
	if err := v.Canonicalize(); err != nil {
		return nil, fmt.Errorf("agent card: canonical form: %w", err)
	}
	return v, nil
}

// exactNumbers refuses numbers that mean something else as a float64.
func exactNumbers(raw []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	for {
		t, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading tokens: %w", err)
		}
		if t.Kind() != '0' {
			continue
		}
		text := t.String()
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || decimal(text) != decimal(strconv.FormatFloat(f, 'e', -1, 64)) {
			return errNumber
		}
	}
}

// decimal writes a JSON number as digits without zeros at either end and a
// power of ten: equal numbers have equal texts.
func decimal(s string) string {
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	power, err := strconv.Atoi(strings.TrimPrefix(exponent, "+"))
	if err != nil {
		power = 0 // there is none; one too long for an int is no float64 either
		if exponent != "" {
			return "?" + s
		}
	}
	digits := whole + fraction
	power -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	power += len(digits) - len(trimmed)
	if trimmed = strings.TrimLeft(trimmed, "0"); trimmed == "" {
		return "0"
	}
	return sign + trimmed + "e" + strconv.Itoa(power)
}

// forms returns the canonical forms of a card that a signature may be over:
// the card as it stands, and the card as the specification of 1.0 (8.4.1) wants
// it, without the members that have their default value and need not be there.
// Both say the same.
func forms(raw []byte) ([][]byte, error) {
	plain, err := Canonical(raw)
	if err != nil {
		return nil, err
	}
	bare, err := canonical(withoutDefaults(plain, cardShape))
	if err != nil {
		return nil, err
	}
	if bytes.Equal(plain, bare) {
		return [][]byte{plain}, nil
	}
	return [][]byte{plain, bare}, nil
}

// withoutDefaults leaves out what Protocol Buffers would not write.
func withoutDefaults(raw []byte, s shape) []byte {
	if jsonrpc.ValueOf(raw).Kind != jsonrpc.Object {
		return raw
	}
	out := []byte{'{'}
	for it := jsonrpc.Walk(raw); it.Next(); {
		v, f := it.Value.Raw(raw), s.find(it.Name.Text(raw))
		if f != nil {
			v = nested(v, f)
			if string(v) == "null" || !f.kept && (isDefault(v) || f.nest == eachOf && string(v) == "{}") {
				continue
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, it.Name.Raw(raw)...), ':'), v...)
	}
	return append(out, '}')
}

func nested(v []byte, f *field) []byte {
	switch f.nest {
	case one:
		return withoutDefaults(v, f.in)
	case each, eachOf:
		if k := jsonrpc.ValueOf(v).Kind; k != jsonrpc.Object && k != jsonrpc.Array {
			return v
		}
		out := []byte{v[0]}
		for it := jsonrpc.Walk(v); it.Next(); {
			if len(out) > 1 {
				out = append(out, ',')
			}
			if it.Name.Kind != jsonrpc.Absent {
				out = append(append(out, it.Name.Raw(v)...), ':')
			}
			out = append(out, withoutDefaults(it.Value.Raw(v), f.in)...)
		}
		return append(out, v[len(v)-1])
	}
	return v
}

// isDefault reports whether a value in canonical form is the default of its
// type. An empty object that stands for a message is none: it is there.
func isDefault(v []byte) bool {
	switch string(v) {
	case `""`, "false", "[]", "0":
		return true
	}
	return false
}
