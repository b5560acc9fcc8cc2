// Package report is what detection tells of an incident, as a value and as an
// event of the audit journal.
package report

import (
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// State says what became of an incident.
type State string

// States.
const (
	Opened  State = "opened"
	Updated State = "updated" // it got worse, or spread
	Closed  State = "closed"
)

// Anomaly is what is told of an incident.
type Anomaly struct {
	ID       string // the same for all that is told of one incident
	State    State
	Kind     string // of the subject: "principal", "key", "tool", "route" or "address"
	Subject  string
	Route    string
	Metric   string
	Pattern  string // RAPID_REQUESTS or SCANNING; else empty
	Severity portcullis.Severity
	At       time.Time // of the event that set it off
	Since    time.Time // when the incident began
	Window   time.Duration
	Value    float64
	Mean     float64
	SD       float64
	Z        float64
	Least    float64 // the score, or count, from which on it is told
	Baseline string  // what Mean and SD come from
	Samples  int     // how many values they are made of
	Also     []string
	// Who made the call that set it off, where one did.
	Principal, Key, Address, Tool string
}

// Event is the audit event of an anomaly: ANOMALY_DETECTED, with all that the
// judgement was made from. The end of an incident is one, too, of severity INFO.
// Persons are named in the actor only, where the journal seals them.
func (a *Anomaly) Event() *portcullis.Event {
	e := &portcullis.Event{
		Type: portcullis.EventAnomalyDetected, Severity: a.Severity, Outcome: portcullis.OutcomeSuccess,
		Route: a.Route, Action: "detect", Reason: a.Metric,
		Actor: portcullis.Actor{ID: a.Principal, KeyID: a.Key},
	}
	if text, _, _ := strings.Cut(a.Address, "/"); text != "" {
		if ip, err := netip.ParseAddr(text); err == nil {
			e.Actor.IP = ip
		}
	}
	if a.Tool != "" {
		e.Resource = "tool:" + a.Tool
	}
	if a.State == Closed {
		e.Severity = portcullis.SeverityInfo
	}
	e.Details = []slog.Attr{
		slog.String("anomaly_id", a.ID), slog.String("state", string(a.State)),
		slog.String("subject_kind", a.Kind),
		slog.String("metric", a.Metric), slog.String("window", a.Window.String()),
		slog.Float64("value", Round(a.Value)), slog.Float64("mean", Round(a.Mean)), slog.Float64("sd", Round(a.SD)), slog.Float64("z", Round(a.Z)),
		slog.Float64("threshold", Round(a.Least)), slog.String("baseline", a.Baseline), slog.Int("samples", a.Samples),
		slog.Time("at", a.At), slog.Time("since", a.Since),
	}
	if a.Pattern != "" {
		e.Details = append(e.Details, slog.String("pattern", a.Pattern))
	}
	if thing(a.Kind) {
		e.Details = append(e.Details, slog.String("subject", a.Subject))
	}
	var things []string
	persons := 0
	for _, also := range a.Also {
		kind, _, _ := strings.Cut(also, " ")
		if thing(kind) {
			things = append(things, also)
		} else {
			persons++
		}
	}
	if len(things) > 0 {
		e.Details = append(e.Details, slog.Any("also", things))
	}
	if persons > 0 {
		e.Details = append(e.Details, slog.Int("also_callers", persons))
	}
	return e
}

// thing reports whether subjects of a kind are no persons.
func thing(kind string) bool { return kind == "tool" || kind == "route" }

// Round keeps what a person reads: three digits behind the point.
func Round(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	if math.Abs(v) > 1e12 {
		return math.Round(v)
	}
	return math.Round(v*1000) / 1000
}
