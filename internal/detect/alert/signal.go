package alert

import (
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Signal is what one event says of an alert.
type Signal struct {
	Key      string               `json:"key"` // of what began or ended
	Type     portcullis.EventType `json:"type"`
	Severity portcullis.Severity  `json:"severity"`
	Summary  string               `json:"summary"`
	Metric   string               `json:"metric,omitempty"`
	Stats    *Stats               `json:"stats,omitempty"`
	Route    string               `json:"route,omitempty"`
	Resource string               `json:"resource,omitempty"`
	Reason   string               `json:"reason,omitempty"`
	Details  []Field              `json:"details,omitempty"`
	EventID  string               `json:"event_id"`
	Time     time.Time            `json:"time"`
	Actor    portcullis.Actor     `json:"actor"`        // as the journal has it
	To       []string             `json:"to,omitempty"` // channels that hear of it whatever the rules say

	ends   bool // what the key names is over
	only   bool // only of interest if the key is known
	paired bool // an event will tell the end
}

// Defaults are the events that make alerts.
func Defaults() []portcullis.EventType {
	return []portcullis.EventType{
		portcullis.EventAnomalyDetected, portcullis.EventIncidentOpened, portcullis.EventIncidentAction,
		portcullis.EventSecretRotationFailed, portcullis.EventSecretRotationDue, eventLogDamaged,
		portcullis.EventSinkFailing, portcullis.EventSinkRefused, portcullis.EventSinkMissed, portcullis.EventToolChanged,
		portcullis.EventBreakGlassGranted,
		portcullis.EventDutyDue, portcullis.EventDutyOverdue,
	}
}

// eventLogDamaged is journal.EventLogDamaged, which this package cannot import.
const eventLogDamaged portcullis.EventType = "AUDIT_LOG_DAMAGED"

// about are the events that this package itself makes: an alert about them
// would feed on itself.
func about(t portcullis.EventType) bool { return strings.HasPrefix(string(t), "ALERT_") }

// titles are the summaries of events that are not summed up by what they hold.
func title(t portcullis.EventType) string {
	switch t {
	case portcullis.EventSecretRotationFailed:
		return "A secret could not be rotated"
	case portcullis.EventSecretRotationDue:
		return "A secret is to be rotated by a person"
	case eventLogDamaged:
		return "The audit log is damaged"
	case portcullis.EventSinkFailing:
		return "Audit events do not reach a sink"
	case portcullis.EventSinkRefused:
		return "A sink refuses audit events"
	case portcullis.EventSinkMissed:
		return "A sink missed audit events"
	case portcullis.EventBreakGlassGranted:
		return "Emergency access to health information was granted"
	case portcullis.EventDutyDue:
		return "Somebody has to do, and sign off"
	case portcullis.EventDutyOverdue:
		return "Nobody has done, or signed off"
	case portcullis.EventToolChanged:
		return "A tool is not the approved one"
	}
	words := strings.ToLower(strings.ReplaceAll(string(t), "_", " "))
	return strings.ToUpper(words[:1]) + words[1:]
}

// read returns what an event says, and false if it makes no alert. wanted are
// the types that do.
func read(e *portcullis.Event, wanted []portcullis.EventType) (Signal, bool) {
	if e.Type == "" || about(e.Type) {
		return Signal{}, false
	}
	s := Signal{
		Type: e.Type, Severity: e.Severity, Route: e.Route, Resource: e.Resource, Reason: e.Reason, EventID: e.ID, Time: e.Time, Actor: e.Actor,
	}
	if opened, key := ended(e); key != "" {
		s.Key, s.ends = key, true
		return s, slices.Contains(wanted, opened)
	}
	if !slices.Contains(wanted, e.Type) {
		return Signal{}, false
	}
	switch e.Type {
	case portcullis.EventAnomalyDetected:
		s.anomaly(e)
	case portcullis.EventIncidentOpened:
		s.Key, s.Summary, s.paired = "incident:"+text(e, "dedup_key"), "Incident opened: "+e.Reason, true
	case portcullis.EventIncidentAction:
		s.action(e)
	case portcullis.EventSinkFailing:
		s.paired = true
	case portcullis.EventToolChanged:
		if tool := text(e, "tool"); tool != "" { // found in a list of tools
			s.Resource = "tool:" + tool
		}
	}
	if s.Key == "" {
		s.Key = plainKey(e.Type, s.Route, s.Resource)
	}
	if s.Summary == "" {
		s.Summary = title(e.Type)
		if s.Resource != "" {
			s.Summary += ": " + s.Resource
		}
	}
	s.Details = fields(e)
	return s, true
}

// actionNotify is the action of an INCIDENT_ACTION that tells people.
const actionNotify = "notify"

func plainKey(t portcullis.EventType, route, resource string) string {
	return string(t) + ":" + route + ":" + resource
}

// ended returns the key of what an event says is over, and the type that told
// its beginning.
func ended(e *portcullis.Event) (began portcullis.EventType, key string) {
	switch e.Type {
	case portcullis.EventAnomalyDetected:
		if text(e, "state") == "closed" {
			return e.Type, anomalyKey(e)
		}
	case portcullis.EventIncidentClosed:
		return portcullis.EventIncidentOpened, "incident:" + text(e, "dedup_key")
	case portcullis.EventSinkRecovered:
		return portcullis.EventSinkFailing, plainKey(portcullis.EventSinkFailing, e.Route, e.Resource)
	case portcullis.EventSecretRotated: // both: failed, and due
		return portcullis.EventSecretRotationFailed, plainKey(portcullis.EventSecretRotationFailed, e.Route, e.Resource)
	case portcullis.EventBreakGlassEnded:
		return portcullis.EventBreakGlassGranted, plainKey(portcullis.EventBreakGlassGranted, e.Route, e.Resource)
	case portcullis.EventDutySigned: // both: due, and overdue
		if e.Outcome == portcullis.OutcomeSuccess {
			return portcullis.EventDutyOverdue, plainKey(portcullis.EventDutyOverdue, e.Route, e.Resource)
		}
	case portcullis.EventToolApproved:
		return portcullis.EventToolChanged, plainKey(portcullis.EventToolChanged, e.Route, e.Resource)
	}
	return "", ""
}

// alsoEnds is a second key that an event ends.
func alsoEnds(e *portcullis.Event) string {
	switch {
	case e.Type == portcullis.EventSecretRotated:
		return plainKey(portcullis.EventSecretRotationDue, e.Route, e.Resource)
	case e.Type == portcullis.EventDutySigned && e.Outcome == portcullis.OutcomeSuccess:
		return plainKey(portcullis.EventDutyDue, e.Route, e.Resource)
	}
	return ""
}

func anomalyKey(e *portcullis.Event) string { return "anomaly:" + text(e, "anomaly_id") }

func (s *Signal) anomaly(e *portcullis.Event) {
	s.Key, s.paired = anomalyKey(e), true
	s.Metric = text(e, "metric")
	if s.Metric == "" {
		s.Metric = strings.ToLower(text(e, "pattern"))
	}
	if s.Metric == "" {
		s.Metric = "unknown"
	}
	s.Summary = "Anomaly detected in " + s.Metric
	value, ok := number(e, "value")
	if !ok {
		return
	}
	st := Stats{Value: value}
	st.Z, _ = number(e, "z")
	st.Mean, _ = number(e, "mean")
	st.SD, _ = number(e, "sd")
	if st.SD > 0 { // else a pattern: it has no past
		s.Stats = &st
	}
}

// action: what was done about an incident goes with its alert; what could not
// be done is an alert of its own.
func (s *Signal) action(e *portcullis.Event) {
	if e.Action == actionNotify { // somebody wants people told: each time is an alert of its own
		s.Key, s.Summary, s.To = actionNotify+":"+e.ID, "Incident: "+e.Reason, strings.Fields(text(e, "channels"))
		return
	}
	if e.Outcome == portcullis.OutcomeFailure && e.Severity == portcullis.SeverityCritical {
		s.Summary = "An incident could not be contained: " + e.Reason
		return
	}
	s.Key, s.only = "incident:"+text(e, "incident"), true
}

func detail(e *portcullis.Event, key string) (slog.Value, bool) {
	for _, a := range e.Details {
		if a.Key == key {
			return a.Value.Resolve(), true
		}
	}
	return slog.Value{}, false
}

func text(e *portcullis.Event, key string) string {
	v, ok := detail(e, key)
	if !ok || v.Kind() == slog.KindAny && v.Any() == nil {
		return ""
	}
	return v.String()
}

func number(e *portcullis.Event, key string) (float64, bool) {
	v, ok := detail(e, key)
	if !ok {
		return 0, false
	}
	switch v.Kind() {
	case slog.KindFloat64:
		f := v.Float64()
		return f, !math.IsNaN(f) && !math.IsInf(f, 0)
	case slog.KindInt64:
		return float64(v.Int64()), true
	case slog.KindUint64:
		return float64(v.Uint64()), true
	}
	return 0, false
}

// personalFields are details that can name a person.
func personalField(e *portcullis.Event, key string) bool {
	switch key {
	case "by", "owner", "user", "principal", "issued_to":
		return true
	case "subject": // of an anomaly, a tool or a route
		return e.Type != portcullis.EventAnomalyDetected
	}
	return false
}

// fields are the details of an event that may leave the gateway.
func fields(e *portcullis.Event) []Field {
	var out []Field
	for _, a := range e.Details {
		if len(out) == maxFields {
			break
		}
		if text := line(a.Value.Resolve().String()); text != "" && !personalField(e, a.Key) {
			out = append(out, Field{line(a.Key), text})
		}
	}
	return out
}
