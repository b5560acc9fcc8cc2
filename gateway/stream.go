package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/contain"
	"github.com/portcullis-dev/portcullis/gateway/dialect"
	"github.com/portcullis-dev/portcullis/gateway/privacy"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls"
	"github.com/portcullis-dev/portcullis/internal/protocol/sse"
)

// deliverStream passes a stream on event by event: each is read, reviewed,
// written and flushed before the next is read. The outcome is recorded before
// the event that answers the call is sent.
func (p *pipeline) deliverStream(ctx context.Context, x *exchange) error {
	if err := p.mayDeliver(ctx, x, nil, 0); err != nil {
		return err
	}
	rc := http.NewResponseController(x.w)
	defer clearDeadline(rc.SetWriteDeadline)
	x.conn.Reply["X-Accel-Buffering"] = noBuffering
	x.status, x.wrote = http.StatusOK, true
	x.w.WriteHeader(x.status)
	if err := p.flush(x, rc, nil); err != nil {
		return err
	}
	watch := contain.Guards(p.contain).Watch(&x.conn, x.who, x.reply.Body)
	watch.With(x.reply.Body, p.privacy.Watch(x.who, x.action))
	defer watch.Stop()
	ctx = p.privacy.About(ctx, x.action)
	events := sse.NewReader(x.reply.Body, int(x.route.replyLimits.MaxBytes))
	for n := 0; ; n++ {
		if x.route.maxEvents > 0 && n >= x.route.maxEvents {
			return refusal.Rejected("stream over the limit of events")
		}
		ev, err := events.Next()
		if err != nil && watch.Ended() {
			if err := p.stillWelcome(ctx, x); err != nil {
				return p.farewell(ctx, x, rc, err)
			}
		}
		if err == io.EOF || err != nil && x.listenedOut(ctx) {
			return x.streamEnd(ctx)
		}
		if err != nil {
			return refusal.OfStream(ctx, err)
		}
		out, err := p.reviewEvent(ctx, x, ev)
		if err != nil {
			return p.farewell(ctx, x, rc, err)
		}
		if err := p.flush(x, rc, out); err != nil {
			return err
		}
		if x.sent > x.route.maxStream && !x.listens() {
			return refusal.Rejected("stream over the size limit")
		}
	}
}

// streamEnd writes the outcome of a stream that ended without an answer: a
// listening stream, or one whose answer the caller will resume for.
func (x *exchange) streamEnd(ctx context.Context) error {
	if err := x.recordFinish(ctx, x.status, portcullis.OutcomeSuccess, "stream_ended"); err != nil {
		return unrecorded(err)
	}
	return nil
}

// reviewEvent returns the bytes to send for one event: the upstream's own
// where review changed nothing.
func (p *pipeline) reviewEvent(ctx context.Context, x *exchange, ev *sse.Event) ([]byte, error) {
	if err := p.stillWelcome(ctx, x); err != nil {
		return nil, err
	}
	if len(ev.Data) == 0 { // a comment, or the event that only carries an id to resume from
		return ev.Raw, p.mayDeliver(ctx, x, nil, len(ev.Raw))
	}
	m, err := p.reviewMessage(ctx, x, ev.Data)
	if err != nil {
		return p.withhold(ctx, x, ev, err)
	}
	rel := x.route.speaks.Relate(&x.answer, x.msg)
	if rel == dialect.Foreign {
		return nil, refusal.Rejected("the stream answers another request")
	}
	if rel != dialect.Beside && x.recorded {
		return nil, refusal.Rejected("the stream answers twice")
	}
	out := ev.Raw
	if len(m.Raw) != len(ev.Data) || &m.Raw[0] != &ev.Data[0] {
		x.out = sse.AppendEvent(x.out[:0], &sse.Event{Type: ev.Type, ID: ev.ID, HasID: ev.HasID, Retry: ev.Retry, Data: m.Raw})
		out = x.out
	}
	if err := p.mayDeliver(ctx, x, m, len(out)); err != nil {
		return nil, err
	}
	if rel == dialect.Answer {
		x.due = len(out)
		if err := x.recordFinish(ctx, x.status, portcullis.OutcomeSuccess, ""); err != nil {
			return nil, unrecorded(err)
		}
	}
	return out, nil
}

// withhold returns what is sent in the place of a message that a rule forbids:
// for the answer to the call an error, and for all else an event that only
// keeps the place to resume from. The stream goes on. Any other error ends it.
func (p *pipeline) withhold(ctx context.Context, x *exchange, ev *sse.Event, err error) ([]byte, error) {
	e := refusal.From(err)
	if x.answer.Message == nil || !forbidsReply(e) {
		return nil, err
	}
	rel := x.route.speaks.Relate(&x.answer, x.msg)
	answer := rel != dialect.Beside
	if rel == dialect.Foreign || answer && x.recorded {
		return nil, err
	}
	if err := x.recordForbidden(ctx, e); err != nil {
		return nil, unrecorded(err)
	}
	x.trace.Refuse(x.phase, x.guard, e.Reason)
	x.route.refused(x.phase, x.guard, e.Reason)
	own := &sse.Event{ID: ev.ID, HasID: ev.HasID, Retry: ev.Retry}
	if answer {
		own.Type, own.Data = ev.Type, x.route.speaks.AppendRefusal(nil, x.msg, e, x.conn.RequestID)
	}
	x.out = sse.AppendEvent(x.out[:0], own)
	if answer {
		x.due = len(x.out)
		if err := x.recordFinish(ctx, x.status, portcullis.OutcomeFailure, e.Reason); err != nil {
			return nil, unrecorded(err)
		}
	}
	return x.out, nil
}

// stillWelcome asks again who the caller is before more is told: a key or certificate
// revoked or contained while a stream runs ends the stream at its next message.
func (p *pipeline) stillWelcome(ctx context.Context, x *exchange) error {
	x.guard = x.prover.Name()
	who, err := x.prover.Authenticate(ctx, &x.conn)
	if err != nil {
		return err
	}
	if who.ID != x.who.ID {
		return &portcullis.Error{Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated", Detail: "the credential now names another principal"}
	}
	for _, g := range p.edge {
		if _, ok := g.(*mtls.Guard); !ok { // the others decided on the request; a certificate ends like a credential
			continue
		}
		x.guard = g.Name()
		if err := g.CheckConn(ctx, &x.conn); err != nil {
			return err
		}
	}
	for _, g := range p.contain {
		x.guard = g.Name()
		if err := g.CheckContained(ctx, &x.conn, who); err != nil {
			return err
		}
	}
	guard, err := p.privacy.Still(x.who, x.action)
	if err != nil {
		x.guard = guard
	}
	return err
}

// farewell ends a stream whose caller took a consent back: the call is
// answered with an error that says so, and the stream ends as streams do. Any
// other error breaks it off.
func (p *pipeline) farewell(ctx context.Context, x *exchange, rc *http.ResponseController, err error) error {
	e := refusal.From(err)
	if !privacy.Parts(e.Reason) {
		return err
	}
	if err := x.recordForbidden(ctx, e); err != nil {
		return unrecorded(err)
	}
	x.trace.Refuse(x.phase, x.guard, e.Reason)
	x.route.refused(x.phase, x.guard, e.Reason)
	x.out = x.out[:0]
	if x.msg.Shape == portcullis.ShapeRequest && !x.recorded {
		x.out = sse.AppendEvent(x.out, &sse.Event{Data: x.route.speaks.AppendRefusal(nil, x.msg, e, x.conn.RequestID)})
	}
	x.due = len(x.out)
	if err := x.recordFinish(ctx, x.status, portcullis.OutcomeFailure, e.Reason); err != nil {
		return unrecorded(err)
	}
	return p.flush(x, rc, x.out)
}

// flush sends b at once, within the route's write timeout: a caller that does
// not read loses the stream instead of holding memory.
func (p *pipeline) flush(x *exchange, rc *http.ResponseController, b []byte) error {
	err := rc.SetWriteDeadline(time.Now().Add(x.route.writeTimeout))
	if err != nil && !isUnsupported(err) {
		return refusal.ClientGone(err)
	}
	n, err := x.w.Write(b)
	x.sent += int64(n)
	if err != nil {
		return refusal.ClientGone(err)
	}
	if err := rc.Flush(); err != nil {
		return refusal.ClientGone(err)
	}
	return nil
}

// isUnsupported reports whether a connection has no deadlines or flushing, as
// in-process ones do not.
func isUnsupported(err error) bool { return errors.Is(err, http.ErrNotSupported) }
