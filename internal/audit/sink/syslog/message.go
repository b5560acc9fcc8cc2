package syslog

import (
	"strconv"
	"strings"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
)

// Facilities by name (RFC 5424, table 1), in the order of their numbers.
func facilities() []string {
	return []string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
}

// Facility returns the number of a facility, false if there is none of that
// name.
func Facility(name string) (int, bool) {
	for i, f := range facilities() {
		if f == name {
			return i, true
		}
	}
	return 0, false
}

// severity of RFC 5424.
func severity(s portcullis.Severity) int {
	switch s {
	case portcullis.SeverityInfo:
		return 6 // informational
	case portcullis.SeverityWarn:
		return 4 // warning
	case portcullis.SeverityCritical:
		return 2 // critical
	default:
		return 3 // error
	}
}

// appendMessage appends one message of RFC 5424.
func (s *Sender) appendMessage(dst []byte, e *portcullis.Event) ([]byte, error) {
	start := len(dst)
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(s.facility*8+severity(e.Severity)), 10)
	dst = append(dst, ">1 "...)
	dst = e.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	dst = append(dst, s.origin...) // host, program, process
	dst = appendField(dst, string(e.Type), 32)
	dst = append(dst, ' ')
	dst = s.appendData(dst, e)
	dst = append(dst, ' ')
	if s.cfg.Encoder == nil {
		return appendPlain(dst, e), nil
	}
	dst, err := s.cfg.Encoder.Append(dst, e)
	if err != nil {
		return dst[:start], err
	}
	return dst, nil
}

// appendField appends a header field: printable ASCII without spaces, or "-".
func appendField(dst []byte, text string, longest int) []byte {
	start := len(dst)
	for _, c := range []byte(text) {
		if c > ' ' && c < 0x7f && len(dst)-start < longest {
			dst = append(dst, c)
		}
	}
	if len(dst) == start {
		return append(dst, '-')
	}
	return dst
}

// appendData appends the structured data: what a receiver filters on.
func (s *Sender) appendData(dst []byte, e *portcullis.Event) []byte {
	dst = append(dst, '[')
	dst = append(dst, s.dataID...)
	for _, p := range [...][2]string{
		{"id", e.ID}, {"type", string(e.Type)}, {"severity", string(e.Severity)}, {"outcome", string(e.Outcome)},
		{"actor", e.Actor.ID}, {"route", e.Route}, {"resource", e.Resource}, {"action", e.Action}, {"reason", e.Reason},
		{"request_id", e.RequestID}, {"trace_id", e.TraceID}, {"environment", e.Environment},
	} {
		dst = appendParam(dst, p[0], p[1])
	}
	if e.Actor.IP.IsValid() {
		dst = appendParam(dst, "ip", e.Actor.IP.String())
	}
	if e.RiskScore != 0 {
		dst = appendParam(dst, "risk_score", strconv.Itoa(e.RiskScore))
	}
	return append(dst, ']')
}

// appendParam appends a parameter unless its value is empty. The value is
// UTF-8; quotes, backslashes and closing brackets are escaped, and characters
// that end lines or move cursors are left out.
func appendParam(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, `="`...)
	for _, r := range strings.ToValidUTF8(value, "�") {
		switch {
		case r == '"' || r == '\\' || r == ']':
			dst = append(dst, '\\', byte(r))
		case strconv.IsPrint(r):
			dst = append(dst, string(r)...)
		default:
			dst = append(dst, ' ')
		}
	}
	return append(dst, '"')
}

// appendPlain appends a line for people.
func appendPlain(dst []byte, e *portcullis.Event) []byte {
	dst = append(dst, e.Type...)
	dst = append(dst, ' ')
	dst = append(dst, e.Outcome...)
	for _, f := range [...][2]string{
		{"actor", e.Actor.ID}, {"route", e.Route}, {"resource", e.Resource}, {"action", e.Action}, {"reason", e.Reason}, {"request_id", e.RequestID},
	} {
		dst = appendPair(dst, f[0], f[1])
	}
	if e.Actor.IP.IsValid() {
		dst = appendPair(dst, "ip", e.Actor.IP.String())
	}
	for _, d := range e.Details {
		value := d.Value.Resolve()
		text := value.String()
		if t, ok := value.Any().(time.Time); ok {
			text = t.UTC().Format(time.RFC3339Nano)
		}
		dst = appendPair(dst, d.Key, text)
	}
	return dst
}

// appendPair appends name=value, quoted where a reader could take it for more
// than one, unless the value is empty.
func appendPair(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ' ')
	dst = appendField(dst, strings.ReplaceAll(name, "=", "_"), 128)
	dst = append(dst, '=')
	if plain(value) {
		return append(dst, value...)
	}
	return strconv.AppendQuote(dst, value)
}

func plain(s string) bool {
	for _, r := range s {
		if r <= ' ' || r == '"' || r == '=' || r == '\\' || r == 0xFFFD || !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}
