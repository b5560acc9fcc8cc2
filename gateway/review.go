package gateway

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/gateway/dialect"
	"github.com/portcullis-dev/portcullis/gateway/headers"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
	"github.com/portcullis-dev/portcullis/internal/replies"
)

// deliver reviews the reply, records the outcome and writes the reply to the
// caller, in this order.
func (p *pipeline) deliver(ctx context.Context, a answeredCall) error {
	x := a.exchange
	x.enter("review")
	x.guard = "reply"
	defer closeBody(x.reply.Body)
	if err := refusal.OfStatus(x.reply); err != nil && !p.own {
		return err
	}
	if x.route.speaks == nil {
		return p.deliverPlain(ctx, x)
	}
	if err := p.sealSession(x); err != nil {
		return err
	}
	if x.msg.Shape == portcullis.ShapeClose && x.msg.Session != "" && x.reply.Status < 300 {
		x.route.sealer.End(x.msg.Session, x.conn.Route, x.who.ID)
	}
	headers.ToCaller(x.conn.Reply, x.reply.Header)
	if headers.MediaType(x.reply.Header) == "text/event-stream" && x.reply.Status == http.StatusOK {
		return p.deliverStream(ctx, x)
	}
	return p.deliverWhole(ctx, x)
}

// closeBody ends the upstream's reply. What Close says comes too late to
// matter: the reply was read whole, or is being given up.
func closeBody(b io.Closer) {
	if err := b.Close(); err != nil {
		return
	}
}

func (p *pipeline) sealSession(x *exchange) error {
	id := x.reply.Header.Get("Mcp-Session-Id")
	if id == "" || x.route.params == nil || mcp.Modern(x.msg.Version) { // the revision has no sessions; some servers that speak older ones too name one still
		return nil
	}
	if id == x.msg.Session { // some servers repeat it: the caller's own spelling stays valid
		if own := x.conn.HTTP.Header.Get("Mcp-Session-Id"); own != "" {
			x.conn.Reply.Set("Mcp-Session-Id", own)
			return nil
		}
	}
	sealed, err := x.route.sealer.Seal(id, x.conn.Route, x.who.ID)
	if err != nil {
		return err
	}
	x.conn.Reply.Set("Mcp-Session-Id", sealed)
	return nil
}

// deliverWhole passes on a reply that is one message, or none.
func (p *pipeline) deliverWhole(ctx context.Context, x *exchange) error {
	raw, err := replies.Read(x.reply.Body, x.out, int64(x.route.replyLimits.MaxBytes), x.route.budget, &x.lease)
	x.out = raw
	if err != nil {
		return err
	}
	if !x.route.speaks.Owes(x.msg) && x.reply.Status < 300 {
		x.out = x.out[:0] // nothing is owed but the status
		return p.write(ctx, x)
	}
	if len(raw) == 0 || !x.route.speaks.Takes(headers.MediaType(x.reply.Header)) {
		return refusal.Unexpected(x.reply)
	}
	m, err := p.reviewMessage(ctx, x, raw)
	if err != nil {
		return err
	}
	if x.reply.Status < 300 && !x.answered() {
		return refusal.Rejected("the reply answers another request")
	}
	x.out = m.Raw
	if err := p.mayDeliver(ctx, x, m, len(x.out)); err != nil {
		return err
	}
	return p.write(ctx, x)
}

// answered reports whether the message under review is an answer to the call.
func (x *exchange) answered() bool {
	rel := x.route.speaks.Relate(&x.answer, x.msg)
	return rel == dialect.Answer || rel == dialect.Part
}

// reviewMessage gives one message of the upstream its one reading and takes it
// through the route's review.
func (p *pipeline) reviewMessage(ctx context.Context, x *exchange, raw []byte) (*portcullis.Message, error) {
	x.asked = dialect.Call{Message: x.msg, Body: x.body, RequestID: x.conn.RequestID, Status: x.reply.Status, Limits: x.route.replyLimits}
	m, err := x.route.speaks.Read(&x.answer, raw, &x.asked)
	if err != nil {
		return nil, refusal.Rejected(err.Error())
	}
	for _, g := range p.review {
		x.guard = g.Name()
		if f, ok := g.(*access.ListFilter); ok { // what may be called can depend on from where
			m, err = f.Filter(ctx, &x.conn, x.who, m)
		} else {
			m, err = g.Inspect(ctx, x.who, m)
		}
		if err != nil {
			return nil, err
		}
		if err := x.recordNotes(ctx, m); err != nil {
			return nil, unrecorded(err)
		}
	}
	x.guard = "reply" // what follows is no inspector's doing
	return m, nil
}

// mayDeliver tells those who follow what callers are sent, before it is: n
// bytes that hold m, or no message if m is nil.
func (p *pipeline) mayDeliver(ctx context.Context, x *exchange, m *portcullis.Message, n int) error {
	guard, err := p.use.Deliver(ctx, x.who, x.msg, m, n)
	if err != nil {
		x.guard = guard
	}
	return err
}

// write records the outcome and sends status, headers and x.out.
func (p *pipeline) write(ctx context.Context, x *exchange) error {
	outcome, reason := portcullis.OutcomeSuccess, ""
	if x.reply.Status >= 400 {
		outcome, reason = portcullis.OutcomeFailure, "upstream_refused"
	}
	x.due = len(x.out)
	if err := x.recordFinish(ctx, x.reply.Status, outcome, reason); err != nil {
		return unrecorded(err)
	}
	h := x.conn.Reply
	if len(x.out) == 0 {
		h["Content-Length"] = zeroLength
		if x.reply.Status == http.StatusNoContent {
			delete(h, "Content-Length")
		}
		delete(h, "Content-Type")
	} else {
		if len(x.out) > countedByServer {
			h["Content-Length"] = []string{strconv.Itoa(len(x.out))}
		}
		h["Content-Type"] = jsonType
	}
	if len(x.out) > slowWriteSize {
		rc := http.NewResponseController(x.w)
		if err := rc.SetWriteDeadline(time.Now().Add(x.route.writeTimeout)); err == nil {
			defer clearDeadline(rc.SetWriteDeadline)
		}
	}
	x.status, x.wrote = x.reply.Status, true
	x.w.WriteHeader(x.status)
	n, err := x.w.Write(x.out)
	x.sent += int64(n)
	if err != nil {
		return &portcullis.Error{Kind: portcullis.KindInternal, Reason: "client_closed", Detail: "writing the reply", Err: err}
	}
	return nil
}

// countedByServer is the size, in bytes, up to which net/http buffers a reply
// and sets Content-Length itself. One header less in the map is one growth of
// the map less on every call.
const countedByServer = 2000

// slowWriteSize is the reply size, in bytes, that may not fit the socket's
// buffer and so needs a write deadline.
const slowWriteSize = 16 << 10
