package obs

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Bounds of what one log line shows.
const (
	maxValue = 4096 // bytes of one value
	maxNest  = 8    // depth of a value
	maxItems = 128  // members or elements of one value
)

// redactor makes values fit to be logged. It is read-only once made.
type redactor struct {
	keys *keys
	scan *scanner
}

func newRedactor(more []string) *redactor {
	k := newKeys(more)
	return &redactor{keys: k, scan: newScanner(k)}
}

// Redact returns a line of text without credentials and cut at 4 KiB, for
// messages that reach people beside the log.
func Redact(line string) string { return newRedactor(nil).text(line) }

// handler redacts and bounds everything before the handler it wraps sees it.
type handler struct {
	slog.Handler
	r      *redactor
	hidden bool // inside a group of a sensitive name
	module bool // which part speaks is said already
	told   bool // which call lines are about is said already, or would stand inside a group
}

// Names under which a line says which call it is about.
const (
	requestKey = "request_id"
	traceKey   = "trace_id"
	moduleKey  = "module"
)

// Handle passes on a cleaned copy of the record. A line that was written for a
// call says so even where the code that wrote it does not know: the context
// does.
func (h *handler) Handle(ctx context.Context, rec slog.Record) error {
	out := slog.NewRecord(rec.Time, rec.Level, h.r.text(rec.Message), rec.PC)
	request, trace, module := "", "", ""
	if !h.module && !h.told {
		module = moduleOf(rec.PC)
	}
	if ctx != nil && !h.told {
		request, trace = RequestID(ctx), TraceID(ctx)
	}
	rec.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case requestKey:
			request = ""
		case traceKey:
			trace = ""
		case moduleKey:
			module = ""
		}
		out.AddAttrs(h.attr(a))
		return true
	})
	if module != "" {
		out.AddAttrs(slog.String(moduleKey, module))
	}
	if request != "" {
		out.AddAttrs(slog.String(requestKey, request))
	}
	if trace != "" {
		out.AddAttrs(slog.String(traceKey, trace))
	}
	return h.Handler.Handle(ctx, out)
}

// WithAttrs returns a handler that adds cleaned attributes.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean, told, module := make([]slog.Attr, len(attrs)), h.told, h.module
	for i, a := range attrs {
		clean[i] = h.attr(a)
		told = told || a.Key == requestKey
		module = module || a.Key == moduleKey
	}
	return &handler{Handler: h.Handler.WithAttrs(clean), r: h.r, hidden: h.hidden, told: told, module: module}
}

// WithGroup returns a handler that puts what follows into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{
		Handler: h.Handler.WithGroup(h.r.text(name)), r: h.r, hidden: h.hidden || h.r.keys.sensitive(name), told: true, module: true,
	}
}

func (h *handler) attr(a slog.Attr) slog.Attr {
	if h.hidden && a.Key != "" {
		return slog.String(h.r.text(a.Key), Redacted)
	}
	if h.hidden {
		return slog.String("hidden", Redacted)
	}
	return h.r.attr(a, 0)
}

func (r *redactor) attr(a slog.Attr, depth int) slog.Attr {
	if a.Key != "" && r.keys.sensitive(a.Key) {
		if a.Value.Kind() == slog.KindBool {
			return a
		}
		return slog.String(r.text(a.Key), Redacted)
	}
	return slog.Attr{Key: r.text(a.Key), Value: r.value(a.Value, depth)}
}

func (r *redactor) value(v slog.Value, depth int) slog.Value {
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(r.text(v.String()))
	case slog.KindGroup:
		if depth >= maxNest {
			return slog.StringValue("…")
		}
		members := v.Group()
		clean := make([]slog.Attr, 0, min(len(members), maxItems))
		for _, a := range members[:min(len(members), maxItems)] {
			clean = append(clean, r.attr(a, depth+1))
		}
		return slog.GroupValue(clean...)
	case slog.KindLogValuer:
		return r.value(v.Resolve(), depth)
	case slog.KindFloat64:
		if f := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) { // not in JSON
			return slog.StringValue(fmt.Sprint(f))
		}
		return v
	case slog.KindAny:
		return slog.AnyValue(r.any(v.Any(), depth))
	default:
		return v
	}
}

// any returns a copy of v made of maps, slices and scalars only.
func (r *redactor) any(v any, depth int) (out any) {
	defer func() {
		if p := recover(); p != nil { // a method of v
			out = fmt.Sprintf("!panic in %T", v)
		}
	}()
	if depth > maxNest {
		return "…"
	}
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return r.text(v)
	case slog.LogValuer:
		return r.any(slog.AnyValue(v).Resolve().Any(), depth+1)
	case []slog.Attr: // what a group's Any returns
		out := make(map[string]any, len(v))
		for _, a := range v[:min(len(v), maxItems)] {
			clean := r.attr(a, depth)
			out[clean.Key] = clean.Value.Any()
			if clean.Value.Kind() == slog.KindGroup {
				out[clean.Key] = r.any(clean.Value.Group(), depth+1)
			}
		}
		return out
	case error:
		return r.text(v.Error())
	case json.Marshaler:
		return r.marshalled(v, depth)
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return r.text("!" + err.Error())
		}
		return r.text(string(text))
	case fmt.Stringer:
		return r.text(v.String())
	case []byte:
		return r.bytes(v)
	}
	return r.reflected(reflect.ValueOf(v), depth)
}

func (r *redactor) bytes(b []byte) any {
	if utf8.Valid(b) {
		return r.text(string(b))
	}
	return fmt.Sprintf("[%d bytes]", len(b))
}

// marshalled walks what v wants to be in JSON.
func (r *redactor) marshalled(v json.Marshaler, depth int) any {
	data, err := v.MarshalJSON()
	if err != nil {
		return r.text("!" + err.Error())
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return r.text(string(data))
	}
	return r.any(tree, depth+1)
}

func (r *redactor) reflected(v reflect.Value, depth int) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return r.any(v.Elem().Interface(), depth+1)
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return v.Interface()
	case reflect.String:
		return r.text(v.String())
	case reflect.Map:
		return r.mapped(v, depth)
	case reflect.Struct:
		return r.structured(v, depth)
	case reflect.Slice, reflect.Array:
		out := make([]any, 0, min(v.Len(), maxItems))
		for i := range min(v.Len(), maxItems) {
			out = append(out, r.any(v.Index(i).Interface(), depth+1))
		}
		if v.Len() > maxItems {
			out = append(out, "…")
		}
		return out
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
		return fmt.Sprint(v.Float())
	default: // complex numbers, functions and channels
		return r.text(fmt.Sprint(v.Interface()))
	}
}

func (r *redactor) mapped(v reflect.Value, depth int) any {
	out := make(map[string]any, min(v.Len(), maxItems))
	for iter := v.MapRange(); iter.Next() && len(out) < maxItems; {
		name := fmt.Sprint(iter.Key().Interface())
		out[r.text(name)] = r.member(name, iter.Value().Interface(), depth)
	}
	return out
}

func (r *redactor) structured(v reflect.Value, depth int) any {
	out := make(map[string]any, v.NumField())
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		name := field.Name
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "-" {
			continue
		}
		value := r.member(name, v.Field(i).Interface(), depth)
		if tag != "" {
			if r.keys.sensitive(tag) {
				value = Redacted
			}
			name = tag
		}
		out[name] = value
	}
	return out
}

func (r *redactor) member(name string, value any, depth int) any {
	if _, isBool := value.(bool); !isBool && r.keys.sensitive(name) {
		return Redacted
	}
	return r.any(value, depth+1)
}

// text returns s without credentials and without characters that act on a
// terminal, cut to maxValue bytes.
func (r *redactor) text(s string) string {
	s = r.scan.redact(s)
	if len(s) > maxValue {
		cut := maxValue
		for cut > maxValue-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return visible(s)
}

// visible replaces what neither slog handler escapes: delete, C1 controls, line
// separators and bidirectional controls.
func visible(s string) string {
	for i := range len(s) {
		if s[i] >= 0x7f {
			return strings.Map(func(r rune) rune {
				if r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x61c || r == 0x200e || r == 0x200f ||
					r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff {
					return utf8.RuneError
				}
				return r
			}, s)
		}
	}
	return s
}
