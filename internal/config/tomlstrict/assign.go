package tomlstrict

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scalar assigns one value. Text that names a variable may stand for a value
// of any form: `max_children = "${CHILDREN:-4}"`.
func (d *decoding) scalar(n *node, v reflect.Value, f Field, path string) {
	text, fromEnv := n.text, false
	if n.kind == kindString {
		var ok bool
		if text, ok = d.text(n, path); !ok {
			return
		}
		_, fromEnv = d.origin.templates[path]
	}
	form := FormOf(v.Type())
	if f.Bytes && form == FormInteger {
		form = FormSize
	}
	if !accepts(form, n.kind, fromEnv) {
		d.fail(n, path, "want %s, not %s", describe(form, f), kindNames[n.kind])
		return
	}
	if err := assign(v, form, text, f); err != nil {
		d.fail(n, path, "%s", d.explain(err, text, f, path))
	}
}

// explain writes an error about a value; the value is quoted only if it was
// written in the file and is not secret.
func (d *decoding) explain(err error, text string, f Field, path string) string {
	if template, ok := d.origin.templates[path]; ok {
		return fmt.Sprintf("%s: %s", Quote(template), d.origin.withoutValues(err.Error()))
	}
	if f.Secret && text != "" {
		return strings.ReplaceAll(err.Error(), text, "[masked]")
	}
	return fmt.Sprintf("%q: %s", text, err)
}

// accepts says which kinds of literal a form may be written as.
func accepts(form Form, k kind, fromEnv bool) bool {
	if k == kindString {
		return fromEnv || form == FormText || form == FormDuration || form == FormSize
	}
	switch form {
	case FormBool:
		return k == kindBool
	case FormInteger, FormSize:
		return k == kindInteger
	case FormFloat:
		return k == kindFloat || k == kindInteger
	default:
		return false
	}
}

func assign(v reflect.Value, form Form, text string, f Field) error {
	switch form {
	case FormText:
		return assignText(v, text, f)
	case FormBool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("want true or false")
		}
		v.SetBool(b)
	case FormDuration:
		dur, err := ParseDuration(text)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(dur))
	case FormSize:
		size, err := sizeOf(text)
		if err != nil {
			return err
		}
		return setInteger(v, int64(size))
	case FormInteger:
		i, err := parseInteger(text)
		if err != nil {
			return err
		}
		return setInteger(v, i)
	case FormFloat:
		x, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) || v.OverflowFloat(x) {
			return fmt.Errorf("want a finite number")
		}
		v.SetFloat(x)
	default:
		return fmt.Errorf("not a setting that a file can hold")
	}
	return nil
}

func assignText(v reflect.Value, text string, f Field) error {
	if len(f.Enum) > 0 && !slices.Contains(f.Enum, text) {
		return fmt.Errorf("want %s", oneOf(f.Enum))
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	v.SetString(text)
	return nil
}

func sizeOf(text string) (Size, error) {
	if i, err := parseInteger(text); err == nil && i >= 0 {
		return Size(i), nil
	}
	return ParseSize(text)
}

// parseInteger reads TOML's forms: signs, underscores, 0x, 0o and 0b.
func parseInteger(text string) (int64, error) {
	text, base := strings.ReplaceAll(text, "_", ""), 10
	if len(text) > 1 && text[0] == '0' && (text[1] < '0' || text[1] > '9') {
		base = 0 // the prefix says which; a mere leading zero is no octal number
	}
	i, err := strconv.ParseInt(text, base, 64)
	if err != nil {
		return 0, fmt.Errorf("want an integer")
	}
	return i, nil
}

func setInteger(v reflect.Value, i int64) error {
	switch {
	case v.CanInt() && !v.OverflowInt(i):
		v.SetInt(i)
	case v.CanUint() && i >= 0 && !v.OverflowUint(uint64(i)):
		v.SetUint(uint64(i))
	default:
		return fmt.Errorf("out of range")
	}
	return nil
}

// describe says in words what a form is written like.
func describe(form Form, f Field) string {
	switch form {
	case FormText:
		if len(f.Enum) > 0 {
			return oneOf(f.Enum)
		}
		return "text"
	case FormBool:
		return "true or false"
	case FormInteger:
		return "an integer"
	case FormFloat:
		return "a number"
	case FormDuration:
		return fmt.Sprintf("a duration such as %q", FormatDuration(30*time.Second))
	case FormSize:
		return `a size such as 65536 or "64KiB"`
	default:
		return "a table"
	}
}

func describeList(t reflect.Type, f Field) string {
	if FormOf(t) == FormTables {
		return "a list of tables"
	}
	if f.TextList {
		return "a list or a text with commas"
	}
	return "a list"
}

// oneOf renders `"a", "b" or "c"`.
func oneOf(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// nearest returns the candidate that differs from name by at most a third of
// its letters, or "".
func nearest(name string, candidates []string) string {
	best, limit := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(name, c); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours between two keys (optimal string alignment). Long names are not
// compared: a key of the contract has at most 32 letters.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return math.MaxInt
	}
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
