package format

import (
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// leef writes IBM QRadar Log Event Extended Format 2.0 with a tab between the
// attributes. The format has no escape: tabs and ends of lines inside a value
// are spaces, and so is a bar in the header.
type leef struct{ info Info }

// leefTime is the layout of devTime, as LEEF names it.
const leefTime = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"

func (f leef) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	dst = append(dst, "LEEF:2.0"...)
	for _, field := range [...]string{Vendor, f.info.Product, f.info.Version, string(e.Type), "x09"} {
		dst = append(dst, '|')
		dst = append(dst, strings.ReplaceAll(clean(field, false), "|", " ")...)
	}
	dst = append(dst, '|')
	m, _ := Lookup(e.Type)
	x := pairs{b: dst, start: len(dst), sep: '\t', value: func(dst []byte, s string) []byte { return append(dst, clean(s, false)...) }}
	x.add("devTime", timestamp(e.Time))
	x.add("devTimeFormat", leefTime)
	x.add("cat", m.Category[0])
	x.add("sev", strconv.Itoa(max(tenths(e.Severity), 1)))
	if e.Actor.IP.IsValid() {
		x.add("src", e.Actor.IP.Unmap().WithZone("").String())
	}
	x.add("usrName", e.Actor.ID)
	x.add("resource", e.Resource)
	x.add("name", m.Title)
	x.add("eventId", e.ID)
	x.add("outcome", string(e.Outcome))
	x.add("action", e.Action)
	x.add("reason", e.Reason)
	x.add("route", e.Route)
	x.add("authMethod", e.Actor.Method)
	x.add("keyId", e.Actor.KeyID)
	x.add("userAgent", e.Actor.UserAgent)
	x.add("requestId", e.RequestID)
	x.add("traceId", e.TraceID)
	x.add("environment", e.Environment)
	x.add("service", e.Service)
	x.add("devHost", f.info.Host)
	if e.RiskScore != 0 {
		x.add("riskScore", strconv.Itoa(e.RiskScore))
	}
	x.add("details", detailsText(e.Details))
	return x.b, nil
}
