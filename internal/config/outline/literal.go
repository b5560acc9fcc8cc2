package outline

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// masked stands in place of a value that must not be printed.
const masked = "[masked]"

var (
	// sensitiveName finds a name that promises a secret.
	sensitiveName = regexp.MustCompile(`(?i)key|token|secret|passw|passphrase|credential|auth|cookie|dsn`)
	// assignment finds NAME=VALUE and "Name: value" inside a text.
	assignment = regexp.MustCompile(`([\w.-]+)(=|: )([^&#\s]+)`)
	// userinfo finds the name and password of a URL.
	userinfo = regexp.MustCompile(`(\w://)[^/?#\s]*@`)
	// loneVariable is a text that is a variable and nothing else.
	loneVariable = regexp.MustCompile(`^\$\{\w+\}$`)
	// reference is where a secret is found, and not one.
	reference = regexp.MustCompile(`^secret://[a-z]+/[\w./:@+=,~-]+(\?version=[\w.~-]+)?(#[\w.~-]+)?$`)
	// query finds the values of a URL's query.
	query = regexp.MustCompile(`([?&][^=&#\s]*=)[^&#\s]*`)
)

// text writes a setting as TOML, masked or for a file.
func (v View) text(l leaf, mask bool) string {
	w := literal{View: v, mask: mask}
	return w.value(l.value, l.field, l.path)
}

type literal struct {
	View
	mask bool
}

func (w literal) value(v reflect.Value, f tomlstrict.Field, path string) string {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if template, ok := w.Templates[path]; ok {
		return w.template(template, f)
	}
	switch tomlstrict.FormOf(v.Type()) {
	case tomlstrict.FormText:
		return w.quoted(textOf(v), f)
	case tomlstrict.FormBool:
		return strconv.FormatBool(v.Bool())
	case tomlstrict.FormDuration:
		return tomlstrict.Quote(tomlstrict.FormatDuration(v.Interface().(time.Duration)))
	case tomlstrict.FormSize:
		return size(v.Int())
	case tomlstrict.FormInteger:
		return integer(v, f)
	case tomlstrict.FormFloat:
		s := strconv.FormatFloat(v.Float(), 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	case tomlstrict.FormList:
		return w.list(v, f, path)
	case tomlstrict.FormMap:
		return w.inlineMap(v, f, path)
	default:
		return fmt.Sprint(v.Interface())
	}
}

func (w literal) quoted(s string, f tomlstrict.Field) string {
	switch {
	case !w.mask, reference.MatchString(s):
		return tomlstrict.QuoteValue(s)
	case f.Secret && s != "":
		return tomlstrict.Quote(masked)
	default:
		return tomlstrict.QuoteValue(maskText(s))
	}
}

func (w literal) list(v reflect.Value, f tomlstrict.Field, path string) string {
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = w.value(v.Index(i), f, fmt.Sprintf("%s[%d]", path, i))
		if w.mask && i > 0 && isSensitiveFlag(v.Index(i-1)) && v.Index(i).Kind() == reflect.String {
			parts[i] = tomlstrict.Quote(masked)
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (w literal) inlineMap(v reflect.Value, f tomlstrict.Field, path string) string {
	keys := sortedKeys(v)
	if len(keys) == 0 {
		return "{}"
	}
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = tomlstrict.BarePath("", k) + " = " + w.value(mapEntry(v, k), f, tomlstrict.BarePath(path, k))
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

// PlainSecrets returns the paths of secrets whose value stands in the
// configuration itself, not in an environment variable. An entry of a secret
// map counts if its key promises a secret: HOME in an environment does not.
func (v View) PlainSecrets() []string {
	var out []string
	for _, l := range v.leaves() {
		inMap := !strings.HasSuffix(l.path, l.field.Name)
		key := l.path[strings.LastIndex(l.path, ".")+1:]
		_, isTemplate := v.Templates[l.path]
		if isReference(l.value) {
			continue
		}
		if l.field.Secret && !isTemplate && !isEmpty(l.value) && (!inMap || sensitiveName.MatchString(key)) {
			out = append(out, l.path)
		}
	}
	return out
}

func isReference(v reflect.Value) bool {
	return v.Kind() == reflect.String && reference.MatchString(v.String())
}

// template writes a text that names a variable as it stands in the file. In a
// secret setting only the name of the variable is no secret: the text around
// it and the fallback may be.
func (w literal) template(text string, f tomlstrict.Field) string {
	switch {
	case !w.mask, loneVariable.MatchString(text):
		return tomlstrict.Quote(text)
	case f.Secret:
		return tomlstrict.Quote(masked)
	default:
		return tomlstrict.Quote(maskText(text))
	}
}

// size writes a number of bytes with a unit where that is exact.
func size(n int64) string {
	if n < 1024 || n%1024 != 0 {
		return strconv.FormatInt(n, 10)
	}
	return tomlstrict.Quote(tomlstrict.Size(n).String())
}

func integer(v reflect.Value, f tomlstrict.Field) string {
	if v.CanUint() {
		return strconv.FormatUint(v.Uint(), 10)
	}
	if f.Bytes {
		return size(v.Int())
	}
	return strconv.FormatInt(v.Int(), 10)
}

// textOf returns the text of a string or of a type that writes itself. A
// type that hides itself from printing is read through Reveal.
func textOf(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case interface{ Reveal() string }:
		return x.Reveal()
	case encoding.TextMarshaler:
		if b, err := x.MarshalText(); err == nil {
			return string(b)
		}
	}
	if v.Kind() == reflect.String {
		return v.String()
	}
	return fmt.Sprint(v.Interface())
}

// maskText hides what is likely a secret inside an ordinary value: the name
// and password of a URL, the values of its query, and VALUE in TOKEN=VALUE.
func maskText(s string) string {
	s = userinfo.ReplaceAllString(s, "${1}"+masked+"@")
	if strings.Contains(s, "://") {
		s = query.ReplaceAllString(s, "${1}"+masked)
	}
	return assignment.ReplaceAllStringFunc(s, func(found string) string {
		m := assignment.FindStringSubmatch(found)
		if sensitiveName.MatchString(m[1]) {
			return m[1] + m[2] + masked
		}
		return found
	})
}

// isSensitiveFlag reports whether a command's argument says that the next one
// is a secret: "--token".
func isSensitiveFlag(v reflect.Value) bool {
	return v.Kind() == reflect.String && strings.HasPrefix(v.String(), "-") &&
		!strings.Contains(v.String(), "=") && sensitiveName.MatchString(v.String())
}
