package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
	"github.com/portcullis-dev/portcullis/internal/authn/anonymous"
)

// maxUserAgent caps what of a User-Agent reaches the journal, in bytes.
const maxUserAgent = 200

// describe fills the pooled event with what is known of the call by now.
func (x *exchange) describe(t portcullis.EventType, sev portcullis.Severity, out portcullis.Outcome) *portcullis.Event {
	ua := x.conn.HTTP.UserAgent()
	if len(ua) > maxUserAgent {
		ua = ua[:maxUserAgent]
	}
	x.event = portcullis.Event{
		Time: time.Now(), Type: t, Severity: sev, Outcome: out,
		Actor: portcullis.Actor{
			ID: x.who.ID, Method: x.who.Method, KeyID: x.who.KeyID, IP: x.conn.Client, UserAgent: ua,
		},
		Route: x.conn.Route, Action: x.action.Method, RequestID: x.conn.RequestID, TraceID: x.trace.ID(),
		Resource: x.pipe.privacy.Named(x.action.Target),
		Details:  x.event.Details[:0],
	}
	return &x.event
}

// recordSuccess writes a successful authentication (S0-36): the first of a
// caller from an address, and then one every few minutes.
func (x *exchange) recordSuccess(ctx context.Context) error {
	if x.who.Method == anonymous.Method { // nobody proved anything
		return nil
	}
	if !x.route.greetings.Due(x.who, x.conn.Client, x.conn.Received) {
		return nil
	}
	err := x.pipe.record.Record(ctx, x.describe(portcullis.EventAuthSuccess, portcullis.SeverityInfo, portcullis.OutcomeSuccess))
	if err != nil {
		x.route.greetings.Forget(x.who, x.conn.Client)
	}
	return err
}

// recordStart writes the intent.
func (x *exchange) recordStart(ctx context.Context) error {
	return x.pipe.record.Record(ctx, x.describe(portcullis.EventCallStarted, portcullis.SeverityInfo, portcullis.OutcomePending))
}

// recordNotes writes what an inspector had to say of a message, once.
func (x *exchange) recordNotes(ctx context.Context, m *portcullis.Message) error {
	for _, n := range m.Notes {
		e := x.describe(n.Type, n.Severity, portcullis.OutcomeSuccess)
		e.Reason, e.Details = n.Reason, append(e.Details, n.Details...)
		if err := x.pipe.record.Record(context.WithoutCancel(ctx), e); err != nil {
			return err
		}
	}
	m.Notes = m.Notes[:0]
	return nil
}

// recordFinish writes the outcome of an intended call, once. It does not end
// with the caller's patience: what happened is written all the same.
func (x *exchange) recordFinish(ctx context.Context, status int, out portcullis.Outcome, reason string) error {
	if x.recorded || !x.intended {
		return nil
	}
	e := x.describe(portcullis.EventCallFinished, portcullis.SeverityInfo, out)
	e.Reason = reason
	e.Details = append(e.Details,
		slog.Int("status", status),
		slog.Int64("duration_us", e.Time.Sub(x.conn.Received).Microseconds()),
		slog.Int("bytes_in", len(x.body)),
		slog.Int64("bytes_out", x.sent+int64(x.due)))
	err := x.pipe.record.Record(context.WithoutCancel(ctx), e)
	x.recorded = err == nil // or the refusal that follows tries again
	return err
}

// recordRefusal writes why a call was refused: the outcome if its intent is
// in the journal, else the event of the refusal. A rule that forbids a reply
// makes both.
func (x *exchange) recordRefusal(ctx context.Context, e *portcullis.Error) error {
	if x.intended {
		if forbidsReply(e) {
			if err := x.recordForbidden(ctx, e); err != nil {
				return err
			}
		}
		return x.recordFinish(ctx, e.Kind.Status(), portcullis.OutcomeFailure, e.Reason)
	}
	return x.recordForbidden(ctx, e)
}

// forbidsReply tells what a rule found in a message of the server from what
// went wrong with it.
func forbidsReply(e *portcullis.Error) bool {
	return (e.Kind == portcullis.KindForbidden || e.Kind == portcullis.KindRateLimited) && e.Event != ""
}

// recordForbidden writes the event of a refusal.
func (x *exchange) recordForbidden(ctx context.Context, e *portcullis.Error) error {
	ev := x.describe(refusal.Event(e), portcullis.SeverityWarn, portcullis.OutcomeFailure)
	ev.Reason = e.Reason
	if x.who.IsZero() {
		ev.Actor.ID, ev.Actor.Method, ev.Actor.KeyID = e.Attempted.ID, e.Attempted.Method, e.Attempted.KeyID
	}
	ev.Details = append(ev.Details, slog.String("phase", x.phase), slog.String("guard", x.guard), slog.Int("status", e.Kind.Status()))
	if e.Detail != "" {
		ev.Details = append(ev.Details, slog.String("detail", e.Detail))
	}
	ev.Details = append(ev.Details, e.Facts...)
	return x.pipe.record.Record(context.WithoutCancel(ctx), ev)
}
