package format

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
)

// columns are the names in the header, in order.
var columns = []string{
	"id", "time", "type", "severity", "outcome", "actor_id", "actor_method", "actor_key_id", "actor_ip", "actor_user_agent",
	"route", "resource", "action", "reason", "request_id", "trace_id", "environment", "service", "risk_score", "details",
}

// table writes RFC 4180, without the CRLF between the records. A record is one
// line. A cell that a spreadsheet could take for a formula begins with an
// apostrophe, and so does one that began with an apostrophe: taking one away
// gives back what was there.
type table struct{}

func (table) AppendHeader(dst []byte) []byte {
	return append(dst, strings.Join(columns, ",")...)
}

func (table) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	ip, risk := "", ""
	if e.Actor.IP.IsValid() {
		ip = e.Actor.IP.String()
	}
	if e.RiskScore != 0 {
		risk = strconv.Itoa(e.RiskScore)
	}
	for i, cell := range [...]string{
		e.ID, timestamp(e.Time), string(e.Type), string(e.Severity), string(e.Outcome), e.Actor.ID, e.Actor.Method, e.Actor.KeyID, ip, e.Actor.UserAgent,
		e.Route, e.Resource, e.Action, e.Reason, e.RequestID, e.TraceID, e.Environment, e.Service, risk, detailsText(e.Details),
	} {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCell(dst, cell)
	}
	return dst, nil
}

func appendCell(dst []byte, s string) []byte {
	s = clean(s, false)
	guard := risky(s)
	if !guard && !strings.ContainsAny(s, "\",; ") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	if guard {
		dst = append(dst, '\'')
	}
	for i := range len(s) {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// risky reports whether a cell begins, behind spaces and quotes, like a
// formula. It is wider than the detector of content rules, which must not take
// prose for one: an apostrophe too many costs nothing here.
func risky(s string) bool {
	if strings.HasPrefix(s, "'") {
		return true
	}
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, " \""))
	switch r {
	case '=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠':
		return true
	}
	return false
}
