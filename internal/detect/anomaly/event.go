package anomaly

import (
	"log/slog"
	"net/netip"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

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
		slog.Float64("value", round(a.Value)), slog.Float64("mean", round(a.Mean)), slog.Float64("sd", round(a.SD)), slog.Float64("z", round(a.Z)),
		slog.Float64("threshold", round(a.Least)), slog.String("baseline", a.Baseline), slog.Int("samples", a.Samples),
		slog.Time("at", a.At), slog.Time("since", a.Since),
	}
	if a.Pattern != "" {
		e.Details = append(e.Details, slog.String("pattern", a.Pattern))
	}
	if a.Kind == Tool.String() || a.Kind == Route.String() {
		e.Details = append(e.Details, slog.String("subject", a.Subject))
	}
	var things []string
	persons := 0
	for _, also := range a.Also {
		kind, _, _ := strings.Cut(also, " ")
		if kind == Tool.String() || kind == Route.String() {
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
