package phi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Field names a member of JSON objects by the names that lead to it, the last
// ones of its path: "ssn" is that member of any object, "insurance.number" only
// inside a member insurance. Arrays do not count. Case does not matter, in any
// script: a field that is spelled otherwise is not another one. Nor does it
// matter whether a path is written as objects or as one name with dots.
type Field []string

// ParseField reads a field as it is written in a configuration.
func ParseField(text string) (Field, error) {
	if text == "" || len(text) > maxField || !printable(text) {
		return nil, fmt.Errorf(`field %q: want a name such as "ssn" or "insurance.number"`, text)
	}
	f := Field(strings.Split(fold(text), "."))
	if slices.Contains(f, "") {
		return nil, fmt.Errorf(`field %q: has an empty name; want "ssn" or "insurance.number"`, text)
	}
	return f, nil
}

// fold brings a name into the one spelling of all that differ in case only, as
// lenient readers of JSON compare them: with the long s and the Kelvin sign.
func fold(name string) string {
	if strings.IndexFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return strings.ToLower(name)
	}
	return strings.ToLower(strings.Map(func(r rune) rune {
		least := r
		for n := unicode.SimpleFold(r); n != r; n = unicode.SimpleFold(n) {
			least = min(least, n)
		}
		return least
	}, name))
}

// matches reports whether a path, folded, ends in the field.
func (f Field) matches(path []string) bool {
	return len(path) >= len(f) && slices.Equal(path[len(path)-len(f):], f)
}

// Withheld stands in the place of text that may hold what was taken out.
const Withheld = "[withheld: may hold protected health information]"

// errUnwalkable says that JSON cannot be followed.
var errUnwalkable = errors.New("JSON that cannot be followed")

// prose are members that hold what people read, or files, rather than data.
// Nobody can take a field out of them: they are withheld whole, unless they
// are JSON themselves.
var prose = [...]string{
	"text", "message", "blob", "bytes", "raw", "data", "description",
	"title", "detail", "statusmessage", "systemprompt", "instructions", "values",
}

// data are members below which everything is plain data: fields are taken out,
// and what has the name of prose is a field like others.
var data = [...]string{"structuredcontent", "data"}

// cutter takes fields out of JSON.
type cutter struct {
	fields []Field
	path   []string
	depth  int // of JSON in strings in JSON
	cut    int // fields taken out
	held   int // texts withheld
}

// maxEmbedded is how deep JSON in strings is followed; what is deeper is
// withheld.
const maxEmbedded = 4

// Cut returns body without the fields, and how many fields and texts were
// taken out. body itself is returned where nothing was.
func Cut(body []byte, fields []Field) (out []byte, cut, held int, err error) {
	c := &cutter{fields: fields}
	if out, err = c.value(nil, body, false); err != nil {
		return nil, 0, 0, err
	}
	if c.cut+c.held == 0 {
		return body, 0, 0, nil
	}
	return out, c.cut, c.held, nil
}

// value appends what is left of one value. plain says that it is inside data.
func (c *cutter) value(dst, raw []byte, plain bool) ([]byte, error) {
	switch v := jsonrpc.ValueOf(raw); v.Kind {
	case jsonrpc.Object:
		return c.object(dst, raw, plain)
	case jsonrpc.Array:
		return c.array(dst, raw, plain)
	case jsonrpc.String:
		return c.text(dst, raw, v.Text(raw))
	default:
		return append(dst, raw...), nil
	}
}

func (c *cutter) object(dst, raw []byte, plain bool) ([]byte, error) {
	dst = append(dst, '{')
	start := len(dst)
	it := jsonrpc.Walk(raw)
	for it.Next() {
		above := len(c.path)
		c.path = append(c.path, strings.Split(fold(it.Name.Text(raw)), ".")...)
		if slices.ContainsFunc(c.fields, func(f Field) bool { return f.matches(c.path) }) {
			c.cut++
			c.path = c.path[:above]
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(append(dst, it.Name.Raw(raw)...), ':')
		var err error
		if dst, err = c.member(dst, it.Value.Raw(raw), plain); err != nil {
			return nil, err
		}
		c.path = c.path[:above]
	}
	if it.Bad {
		return nil, errUnwalkable
	}
	return append(dst, '}'), nil
}

// member appends the value of the member whose name stands last in the path.
func (c *cutter) member(dst, raw []byte, plain bool) ([]byte, error) {
	name := c.path[len(c.path)-1]
	kind := jsonrpc.ValueOf(raw).Kind
	if !plain && kind == jsonrpc.String && slices.Contains(prose[:], name) {
		return c.prose(dst, raw), nil
	}
	return c.value(dst, raw, plain || kind != jsonrpc.String && slices.Contains(data[:], name))
}

func (c *cutter) array(dst, raw []byte, plain bool) ([]byte, error) {
	dst = append(dst, '[')
	it := jsonrpc.Walk(raw)
	for n := 0; it.Next(); n++ {
		if n > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = c.element(dst, it.Value.Raw(raw), plain); err != nil {
			return nil, err
		}
	}
	if it.Bad {
		return nil, errUnwalkable
	}
	return append(dst, ']'), nil
}

// element appends one value of an array. A list of texts is no better than one.
func (c *cutter) element(dst, raw []byte, plain bool) ([]byte, error) {
	if !plain && len(c.path) > 0 && jsonrpc.ValueOf(raw).Kind == jsonrpc.String && slices.Contains(prose[:], c.path[len(c.path)-1]) {
		return c.prose(dst, raw), nil
	}
	return c.value(dst, raw, plain)
}

// text appends a string. One that is JSON itself is cut like all else.
func (c *cutter) text(dst, raw []byte, text string) ([]byte, error) {
	quoted := strings.HasPrefix(trim(text), `"`) // JSON that was written into a string twice, or words in quotes
	if !looksJSON(text) && !quoted {
		return append(dst, raw...), nil
	}
	inner, ok := c.embedded(text)
	if !ok && quoted && c.depth < maxEmbedded {
		return append(dst, raw...), nil
	}
	if !ok {
		c.held++
		return jsonrpc.AppendText(dst, Withheld), nil
	}
	if inner == nil {
		return append(dst, raw...), nil
	}
	return jsonrpc.AppendText(dst, string(inner)), nil
}

// prose appends what may be shown of a text for people: the rest of it if it is
// JSON, and nothing if it is not.
func (c *cutter) prose(dst, raw []byte) []byte {
	text := jsonrpc.ValueOf(raw).Text(raw)
	if strings.TrimSpace(text) == "" {
		return append(dst, raw...)
	}
	name := c.path[len(c.path)-1]
	if looksJSON(text) {
		if inner, ok := c.embedded(text); ok {
			if inner == nil {
				return append(dst, raw...)
			}
			return jsonrpc.AppendText(dst, string(inner))
		}
	}
	c.held++
	switch name {
	case "blob", "bytes", "raw", "data": // in Base64, of which nothing is something
		return append(dst, `""`...)
	}
	return jsonrpc.AppendText(dst, Withheld)
}

// trim takes away what readers of JSON skip around a value, and the mark that
// some of them skip before it.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
}

func looksJSON(text string) bool {
	text = trim(text)
	return strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") && text != Withheld
}

// embedded cuts JSON that is written in a string. It returns nil if nothing was
// cut, and false if the text is no JSON with one reading.
func (c *cutter) embedded(text string) ([]byte, bool) {
	body := []byte(trim(text))
	if c.depth == maxEmbedded {
		return nil, false
	}
	wrapped := append(append([]byte(`{"v":`), body...), '}')
	lim := jsonrpc.DefaultReplyLimits()
	if jsonrpc.ReadObject(wrapped, lim) != nil || int(jsonrpc.ValueOf(body).End) != len(body) { // one value, and nothing behind it
		return nil, false
	}
	before := c.cut + c.held
	c.depth++
	out, err := c.value(nil, body, true)
	c.depth--
	if err != nil {
		return nil, false
	}
	if c.cut+c.held == before {
		return nil, true
	}
	return out, true
}

// Holds reports whether JSON has one of the fields, in strings of JSON too.
func Holds(body []byte, fields []Field) bool {
	if len(body) == 0 || len(fields) == 0 {
		return false
	}
	c := &cutter{fields: fields}
	_, err := c.value(nil, body, true)
	return err != nil || c.cut > 0
}
