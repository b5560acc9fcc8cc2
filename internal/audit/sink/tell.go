package sink

import (
	"context"
	"log/slog"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
)

// tellWait bounds how long an event about a sink waits for the journal.
const tellWait = 10 * time.Second

// The events about sinks come back through the journal to every sink, the
// failing one among them. There is at most one of each type per sink in
// TellEvery, so they cannot feed on themselves.

func (s *Set) tellFailing(spec Spec, v View, fault *Error) {
	severity := portcullis.SeverityWarn
	reason := "away"
	if v.Status == Mistaken {
		severity, reason = portcullis.SeverityError, "misconfigured"
	}
	s.tell(&portcullis.Event{
		Type: portcullis.EventSinkFailing, Severity: severity, Outcome: portcullis.OutcomeFailure, Reason: reason,
		Details: []slog.Attr{
			slog.String("error", fault.Error()), slog.Float64("failing_for", v.FailingFor), slog.Float64("lag", v.LagSeconds),
		},
	}, spec)
}

func (s *Set) tellRecovered(spec Spec, after time.Duration) {
	s.log.Info("audit events reach a sink again", "sink", spec.Name, "after", after)
	s.tell(&portcullis.Event{
		Type: portcullis.EventSinkRecovered, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
		Details: []slog.Attr{slog.Duration("failed_for", after)},
	}, spec)
}

func (s *Set) tellRefused(spec Spec, events int, full bool) {
	s.tell(&portcullis.Event{
		Type: portcullis.EventSinkRefused, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure, Reason: "refused",
		Details: []slog.Attr{slog.Int("events", events), slog.Bool("file_full", full)},
	}, spec)
}

func (s *Set) tellMissed(spec Spec, records uint64) {
	s.tell(&portcullis.Event{
		Type: portcullis.EventSinkMissed, Severity: portcullis.SeverityError, Outcome: portcullis.OutcomeFailure, Reason: "removed",
		Details: []slog.Attr{slog.Uint64("records", records)},
	}, spec)
}

func (s *Set) tell(e *portcullis.Event, spec Spec) {
	if s.opts.Record == nil {
		return
	}
	e.Resource = "sink:" + spec.Name
	e.Details = append(e.Details, slog.String("kind", spec.Kind))
	ctx, cancel := context.WithTimeout(context.Background(), tellWait)
	defer cancel()
	if err := s.opts.Record.Record(ctx, e); err != nil {
		s.log.Warn("an event about a sink was not recorded", "sink", spec.Name, "type", string(e.Type), "error", err)
	}
}
