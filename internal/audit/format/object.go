package format

import (
	"log/slog"
	"strconv"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// object writes one JSON document. Names are those of a schema and written as
// they are; empty strings are left out, as are objects without members.
type object struct {
	b     []byte
	comma bool // a member stands before the next one
}

// begin starts the document.
func (o *object) begin() { o.b, o.comma = append(o.b, '{'), false }

// end ends the document.
func (o *object) end() { o.b, o.comma = append(o.b, '}'), true }

func (o *object) name(name string) {
	if o.comma {
		o.b = append(o.b, ',')
	}
	o.comma = true
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

func (o *object) str(name, value string) {
	if value != "" {
		o.name(name)
		o.b = auditlog.AppendString(o.b, value)
	}
}

func (o *object) int(name string, value int64) {
	o.name(name)
	o.b = strconv.AppendInt(o.b, value, 10)
}

func (o *object) bool(name string, value bool) {
	o.name(name)
	o.b = strconv.AppendBool(o.b, value)
}

// strs writes a list of strings, unless it is empty.
func (o *object) strs(name string, values ...string) {
	if len(values) == 0 {
		return
	}
	o.name(name)
	o.b = append(o.b, '[')
	for i, v := range values {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = auditlog.AppendString(o.b, v)
	}
	o.b = append(o.b, ']')
}

// obj writes an object, unless fill writes nothing into it.
func (o *object) obj(name string, fill func()) {
	o.nested(name, "{", "}", fill)
}

// list writes a list of one object, unless fill writes nothing into it.
func (o *object) list(name string, fill func()) {
	o.nested(name, "[{", "}]", fill)
}

func (o *object) nested(name, open, end string, fill func()) {
	start, comma := len(o.b), o.comma
	o.name(name)
	o.b = append(o.b, open...)
	inside := len(o.b)
	o.comma = false
	fill()
	if len(o.b) == inside {
		o.b, o.comma = o.b[:start], comma
		return
	}
	o.b, o.comma = append(o.b, end...), true
}

// details writes the details of an event as they stand in the journal.
func (o *object) details(name string, details []slog.Attr) {
	if len(details) == 0 {
		return
	}
	start, comma := len(o.b), o.comma
	o.name(name)
	inside := len(o.b)
	o.b = auditlog.AppendDetails(o.b, details)
	if len(o.b) == inside+2 {
		o.b, o.comma = o.b[:start], comma
	}
}
