package format

import (
	"log/slog"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
)

// cef writes ArcSight Common Event Format, version 0 (CEF:0). In the header
// "\" and "|" are escaped, in the extension "\", "=" and the ends of lines.
type cef struct{ info Info }

func (f cef) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	m, _ := Lookup(e.Type)
	dst = append(dst, "CEF:0"...)
	for _, field := range [...]string{Vendor, f.info.Product, f.info.Version, string(e.Type), m.Title, strconv.Itoa(tenths(e.Severity))} {
		dst = append(dst, '|')
		dst = appendCEFHeader(dst, field)
	}
	dst = append(dst, '|')
	x := pairs{b: dst, start: len(dst), sep: ' ', value: appendCEFValue}
	x.add("rt", strconv.FormatInt(millis(e.Time), 10))
	x.add("externalId", e.ID)
	x.add("cat", string(e.Type))
	x.add("act", e.Action)
	x.add("outcome", string(e.Outcome))
	x.add("reason", e.Reason)
	if ip := e.Actor.IP.Unmap(); ip.Is4() {
		x.add("src", ip.String())
	} else if ip.IsValid() {
		x.add("c6a2", ip.WithZone("").String())
		x.add("c6a2Label", "Source IPv6 Address")
	}
	x.add("suid", e.Actor.ID)
	x.add("requestClientApplication", e.Actor.UserAgent)
	x.add("dvchost", f.info.Host)
	x.labelled("cs1", "route", e.Route)
	x.labelled("cs2", "resource", e.Resource)
	x.labelled("cs3", "requestId", e.RequestID)
	x.labelled("cs4", "traceId", e.TraceID)
	x.labelled("cs5", "credential", strings.TrimSpace(e.Actor.Method+" "+e.Actor.KeyID))
	x.labelled("cs6", "details", detailsText(e.Details))
	if e.RiskScore != 0 {
		x.labelled("cn1", "riskScore", strconv.Itoa(e.RiskScore))
	}
	x.labelled("flexString1", "environment", e.Environment)
	x.labelled("flexString2", "service", e.Service)
	return x.b, nil
}

// tenths is a severity from 0 to 10, as CEF and LEEF count.
func tenths(s portcullis.Severity) int {
	switch s {
	case portcullis.SeverityInfo:
		return 2
	case portcullis.SeverityWarn:
		return 5
	case portcullis.SeverityError:
		return 8
	case portcullis.SeverityCritical:
		return 10
	}
	return 0
}

// appendCEFHeader appends one field of the header.
func appendCEFHeader(dst []byte, s string) []byte {
	s = clean(s, false)
	for i := range len(s) {
		if s[i] == '\\' || s[i] == '|' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return dst
}

// appendCEFValue appends one value of the extension.
func appendCEFValue(dst []byte, s string) []byte {
	s = clean(s, true)
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '=':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// pairs writes key=value pairs; pairs without a value are left out.
type pairs struct {
	b     []byte
	start int
	sep   byte
	value func(dst []byte, s string) []byte
}

func (p *pairs) add(key, value string) {
	if value == "" {
		return
	}
	if len(p.b) > p.start {
		p.b = append(p.b, p.sep)
	}
	p.b = append(p.b, key...)
	p.b = append(p.b, '=')
	p.b = p.value(p.b, value)
}

// labelled writes a value into a field that has no name of its own.
func (p *pairs) labelled(key, label, value string) {
	if value != "" {
		p.add(key, value)
		p.add(key+"Label", label)
	}
}

// detailsText is the details as one JSON object, "" when there are none.
func detailsText(details []slog.Attr) string {
	if len(details) == 0 {
		return ""
	}
	if text := auditlog.AppendDetails(nil, details); len(text) > 2 {
		return string(text)
	}
	return ""
}
