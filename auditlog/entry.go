package auditlog

import (
	"encoding"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
)

// Bounds of an entry.
const (
	// MaxString is the longest string value in an entry, in bytes of UTF-8.
	// Longer ones are cut and end in "…".
	MaxString = 4096
	// MaxDepth is how deep groups nest in details. Deeper ones become "…".
	MaxDepth = 8
)

// AppendEntry appends the JSON form of e to dst and returns the extended
// buffer. It does not allocate beyond growing dst, unless details hold values
// other than scalars, groups and string slices. The output is always one valid
// JSON object on one line, whatever bytes the event holds (requirements S1-14,
// S3-40).
//
// Details become members of one object. Durations are seconds, times RFC 3339;
// errors and other values are their text. A name that repeats gets "#" and its
// position appended, so that nothing is lost and names stay unique.
func AppendEntry(dst []byte, e *portcullis.Event) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, e.ID)
	dst = append(dst, `,"time":"`...)
	dst = appendTime(dst, e.Time)
	dst = append(dst, `","type":`...)
	dst = appendString(dst, string(e.Type))
	dst = append(dst, `,"severity":`...)
	dst = appendString(dst, string(e.Severity))
	dst = append(dst, `,"outcome":`...)
	dst = appendString(dst, string(e.Outcome))
	dst = appendActor(dst, &e.Actor)
	dst = appendMember(dst, `,"route":`, e.Route)
	dst = appendMember(dst, `,"resource":`, e.Resource)
	dst = appendMember(dst, `,"action":`, e.Action)
	dst = appendMember(dst, `,"reason":`, e.Reason)
	dst = appendMember(dst, `,"request_id":`, e.RequestID)
	dst = appendMember(dst, `,"trace_id":`, e.TraceID)
	dst = appendMember(dst, `,"environment":`, e.Environment)
	dst = appendMember(dst, `,"service":`, e.Service)
	if e.RiskScore != 0 {
		dst = append(dst, `,"risk_score":`...)
		dst = strconv.AppendInt(dst, int64(e.RiskScore), 10)
	}
	if len(e.Details) > 0 {
		start := len(dst)
		dst = append(dst, `,"details":`...)
		object := len(dst)
		dst = appendAttrs(dst, e.Details, 1)
		if len(dst) == object+2 {
			dst = dst[:start]
		}
	}
	return append(dst, '}')
}

// appendMember appends a member unless its value is empty.
func appendMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, name...)
	return appendString(dst, value)
}

func appendActor(dst []byte, a *portcullis.Actor) []byte {
	if a.ID == "" && a.Method == "" && a.KeyID == "" && !a.IP.IsValid() && a.UserAgent == "" && a.Geo.IsZero() && a.Subject == "" && a.Sealed == "" {
		return dst
	}
	dst = append(dst, `,"actor":{`...)
	first := len(dst)
	dst = appendMember(dst, `,"id":`, a.ID)
	dst = appendMember(dst, `,"method":`, a.Method)
	dst = appendMember(dst, `,"key_id":`, a.KeyID)
	if a.IP.IsValid() {
		dst = append(dst, `,"ip":`...)
		if a.IP.Zone() == "" {
			dst = append(dst, '"')
			dst = a.IP.AppendTo(dst)
			dst = append(dst, '"')
		} else { // a zone is free text
			dst = appendString(dst, a.IP.String())
		}
	}
	dst = appendMember(dst, `,"user_agent":`, a.UserAgent)
	dst = appendMember(dst, `,"subject":`, a.Subject)
	dst = appendMember(dst, `,"sealed":`, a.Sealed)
	dst = appendGeo(dst, &a.Geo)
	copy(dst[first:], dst[first+1:]) // the comma before the first member
	dst[len(dst)-1] = '}'
	return dst
}

func appendGeo(dst []byte, g *portcullis.Geo) []byte {
	if g.IsZero() {
		return dst
	}
	dst = append(dst, `,"geo":{`...)
	first := len(dst)
	dst = appendMember(dst, `,"country":`, g.Country)
	dst = appendMember(dst, `,"region":`, g.Region)
	dst = appendMember(dst, `,"city":`, g.City)
	if g.ASN != 0 {
		dst = append(dst, `,"asn":`...)
		dst = strconv.AppendUint(dst, uint64(g.ASN), 10)
	}
	dst = appendMember(dst, `,"org":`, g.Org)
	copy(dst[first:], dst[first+1:]) // the comma before the first member
	dst[len(dst)-1] = '}'
	return dst
}

// appendTime appends t as RFC 3339 in UTC with milliseconds. Years outside
// 0-9999, which RFC 3339 cannot write, are clamped.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	year = min(max(year, 0), 9999)
	ms := t.Nanosecond() / 1e6
	return append(dst,
		digit(year/1000), digit(year/100), digit(year/10), digit(year), '-',
		digit(int(month)/10), digit(int(month)), '-',
		digit(day/10), digit(day), 'T',
		digit(hour/10), digit(hour), ':',
		digit(minute/10), digit(minute), ':',
		digit(second/10), digit(second), '.',
		digit(ms/100), digit(ms/10), digit(ms), 'Z')
}

func digit(n int) byte { return '0' + byte(n%10) }

// appendAttrs appends attrs as one JSON object. Like slog it leaves out zero
// attributes and groups without members.
func appendAttrs(dst []byte, attrs []slog.Attr, depth int) []byte {
	dst = append(dst, '{')
	empty := true
	for i := range attrs {
		a := &attrs[i]
		if a.Key == "" && a.Value.Kind() == slog.KindAny && a.Value.Any() == nil {
			continue
		}
		start := len(dst)
		if !empty {
			dst = append(dst, ',')
		}
		dst = appendString(dst, uniqueName(attrs, i))
		dst = append(dst, ':')
		value := len(dst)
		dst = appendValue(dst, a.Value, depth)
		if len(dst) == value+2 && dst[value] == '{' {
			dst = dst[:start]
			continue
		}
		empty = false
	}
	return append(dst, '}')
}

// uniqueName returns the name of attribute i, changed if an earlier attribute
// is written under the same name.
func uniqueName(attrs []slog.Attr, i int) string {
	name := attrs[i].Key
	if !named(attrs[:i], name) {
		return name
	}
	name = capString(name, MaxString-32) + "#" + strconv.Itoa(i)
	for named(attrs, name) {
		name += "#"
	}
	return name
}

func named(attrs []slog.Attr, name string) bool {
	for j := range attrs {
		if sameText(attrs[j].Key, name) {
			return true
		}
	}
	return false
}

func appendValue(dst []byte, v slog.Value, depth int) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendString(dst, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(dst, v.Uint64(), 10)
	case slog.KindFloat64:
		return appendFloat(dst, v.Float64())
	case slog.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case slog.KindDuration:
		return appendFloat(dst, v.Duration().Seconds())
	case slog.KindTime:
		dst = append(dst, '"')
		dst = appendTime(dst, v.Time())
		return append(dst, '"')
	case slog.KindGroup:
		if depth >= MaxDepth {
			return append(dst, `"…"`...)
		}
		return appendAttrs(dst, v.Group(), depth+1)
	case slog.KindLogValuer:
		return appendValue(dst, v.Resolve(), depth)
	default:
		return appendAny(dst, v.Any())
	}
}

func appendAny(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case []string:
		dst = append(dst, '[')
		for i, s := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, s)
		}
		return append(dst, ']')
	default:
		return appendString(dst, text(v))
	}
}

// text is the text of a value that is no scalar. A value whose own method
// panics must not take the event with it.
func text(v any) (s string) {
	defer func() {
		if recover() != nil {
			s = fmt.Sprintf("!panic in %T", v)
		}
	}()
	switch v := v.(type) {
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	case encoding.TextMarshaler:
		b, err := v.MarshalText()
		if err != nil {
			return "!" + err.Error()
		}
		return string(b)
	default:
		return fmt.Sprint(v)
	}
}

// appendFloat appends f in the shortest form that reads back equal. JSON has
// no NaN and no infinity: they are written as strings.
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"+Inf"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Inf"`...)
	case f == 0: // also minus zero
		return append(dst, '0')
	}
	format := byte('f')
	if abs := math.Abs(f); abs < 1e-6 || abs >= 1e21 {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}
