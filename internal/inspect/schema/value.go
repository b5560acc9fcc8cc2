package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds on a value that is checked, and on a schema.
const (
	maxInstanceBytes  = 4 << 20
	maxInstanceValues = 500_000
	maxSchemaBytes    = 256 << 10
	maxSchemaValues   = 20_000
	maxSchemaObjects  = 5_000
	maxSchemaDepth    = 40
	maxDepth          = 64  // nesting of a value that is checked
	maxNumberText     = 128 // longer numbers are refused: arithmetic on them is exact
	maxExponent       = 400
)

var (
	errTooLarge = errors.New("is too large")
	errTooDeep  = errors.New("is nested too deep")
	errNumber   = errors.New("holds a number out of range")
	errJSON     = errors.New("is not one JSON value")
)

// shape is what the cost of checking a value depends on, by depth.
type shape struct {
	values [maxDepth + 2]float64 // values
	text   [maxDepth + 2]float64 // bytes of strings, and of the names of an object's members
	pairs  [maxDepth + 2]float64 // work of comparing the elements of arrays with one another
	depth  int
}

// decoder builds the tree that the checker reads, and measures it.
type decoder struct {
	*jsontext.Decoder
	shape           shape
	values, objects int
	maxValues       int
	maxDepth        int
}

// decode reads one value. The bounds are those of a schema or of a value.
func decode(raw []byte, isSchema bool) (any, *decoder, error) {
	d := &decoder{maxValues: maxInstanceValues, maxDepth: maxDepth}
	most := maxInstanceBytes
	if isSchema {
		d.maxValues, d.maxDepth, most = maxSchemaValues, maxSchemaDepth, maxSchemaBytes
	}
	if len(raw) > most {
		return nil, nil, errTooLarge
	}
	d.Decoder = jsontext.NewDecoder(bytes.NewBuffer(raw))
	v, _, err := d.value(0)
	if err != nil {
		return nil, nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, nil, errJSON
	}
	return v, d, nil
}

// value reads the next value and says how large it is: its values, and one
// more for every 64 bytes of text.
func (d *decoder) value(depth int) (any, float64, error) {
	if depth > d.maxDepth {
		return nil, 0, errTooDeep
	}
	if d.values++; d.values > d.maxValues {
		return nil, 0, errTooLarge
	}
	d.shape.values[depth]++
	d.shape.depth = max(d.shape.depth, depth)
	t, err := d.ReadToken()
	if err != nil {
		return nil, 0, errJSON
	}
	switch t.Kind() {
	case 'n':
		return nil, 1, nil
	case 't', 'f':
		return t.Bool(), 1, nil
	case '"':
		s := t.String()
		d.shape.text[depth] += float64(len(s))
		return s, 1 + float64(len(s))/64, nil
	case '0':
		n := t.String()
		if !inRange(n) {
			return nil, 0, errNumber
		}
		return json.Number(n), 1, nil
	case '{':
		return d.object(depth)
	default:
		return d.array(depth)
	}
}

func (d *decoder) object(depth int) (any, float64, error) {
	if d.objects++; d.maxValues == maxSchemaValues && d.objects > maxSchemaObjects {
		return nil, 0, errTooLarge
	}
	out := map[string]any{}
	size := 1.0
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, 0, errJSON
		}
		name := t.String()
		d.shape.text[depth] += float64(len(name))
		v, n, err := d.value(depth + 1)
		if err != nil {
			return nil, 0, err
		}
		out[name] = v
		size += n + float64(len(name))/64
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, 0, errJSON
	}
	return out, size, nil
}

func (d *decoder) array(depth int) (any, float64, error) {
	out := []any{}
	size := 1.0
	for d.PeekKind() != ']' {
		v, n, err := d.value(depth + 1)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, v)
		size += n
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, 0, errJSON
	}
	d.shape.pairs[depth] += float64(len(out)) * size
	return out, size, nil
}

// inRange reports whether exact arithmetic on a number is cheap.
func inRange(n string) bool {
	if len(n) > maxNumberText {
		return false
	}
	at := strings.IndexAny(n, "eE")
	if at < 0 {
		return true
	}
	exponent, err := strconv.Atoi(n[at+1:])
	return err == nil && exponent <= maxExponent && exponent >= -maxExponent
}
