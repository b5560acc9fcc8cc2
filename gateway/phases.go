package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/gateway/privacy"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
)

func (p *pipeline) checkEdge(ctx context.Context, x *exchange) (checkedConn, error) {
	x.enter("edge")
	for _, g := range p.edge {
		x.guard = g.Name()
		if err := g.CheckConn(ctx, &x.conn); err != nil {
			return checkedConn{}, err
		}
	}
	return checkedConn{x}, nil
}

func (p *pipeline) authenticate(ctx context.Context, c checkedConn) (caller, error) {
	x := c.exchange
	x.enter("authn")
	x.guard = "one_credential"
	if err := p.says.Resource.OneCredential(x.conn.HTTP.Header); err != nil { // before anyone could believe one of two
		return caller{}, p.says.Offer(err)
	}
	if p.bodyKey {
		if err := x.readBody(); err != nil {
			return caller{}, err
		}
		x.conn.HTTP.Body = io.NopCloser(bytes.NewReader(x.body))
	}
	for _, a := range p.authn {
		x.guard = a.Name()
		who, err := a.Authenticate(ctx, &x.conn)
		if errors.Is(err, portcullis.ErrNoCredentials) {
			continue
		}
		if err != nil {
			return caller{}, p.says.Offer(p.says.Resource.Complete(err))
		}
		if who.IsZero() { // an authenticator that says nothing proves nobody
			return caller{}, &portcullis.Error{Kind: portcullis.KindInternal, Detail: "authenticator returned nobody"}
		}
		x.who, x.prover = who, a
		return p.checkContained(ctx, x)
	}
	return caller{}, p.says.None()
}

func (p *pipeline) checkContained(ctx context.Context, x *exchange) (caller, error) {
	x.enter("contain")
	for _, g := range p.contain {
		x.guard = g.Name()
		if err := g.CheckContained(ctx, &x.conn, x.who); err != nil {
			return caller{}, err
		}
	}
	if err := x.recordSuccess(ctx); err != nil {
		return caller{}, unrecorded(err)
	}
	return caller{x}, nil
}

func (p *pipeline) read(ctx context.Context, c caller) (readMessage, error) {
	x := c.exchange
	x.enter("decode")
	x.guard = p.decode.Name()
	if p.bodyKey {
		clear(x.body) // the credential has done its duty
		x.body = x.body[:0]
	} else if err := x.readBody(); err != nil {
		return readMessage{}, err
	}
	msg, err := p.decode.Decode(ctx, &x.conn, x.who, x.body)
	if err != nil {
		if msg != nil { // known well enough to answer with its id
			x.msg = msg
		}
		return readMessage{}, err
	}
	x.msg = msg
	x.action = portcullis.Action{
		Route: x.conn.Route, Method: actionMethod(msg), Target: msg.Target,
		Arguments: msg.Arguments, Client: x.conn.Client, Secure: x.conn.Secure,
	}
	return readMessage{x}, nil
}

// actionMethod names what a message without a method does.
func actionMethod(m *portcullis.Message) string {
	switch m.Shape {
	case portcullis.ShapeStream:
		return "stream/open"
	case portcullis.ShapeClose:
		return "session/close"
	case portcullis.ShapeResult, portcullis.ShapeError:
		return "response"
	}
	return m.Method
}

func (p *pipeline) authorize(ctx context.Context, m readMessage) (permittedCall, error) {
	x := m.exchange
	x.enter("admit")
	for _, g := range p.admit {
		x.guard = g.Name()
		if err := privacy.Check(ctx, g, &x.conn, x.who, x.msg, x.action); err != nil {
			return permittedCall{}, err
		}
	}
	x.notes, x.msg.Notes = x.msg.Notes, nil
	if err := p.permit(ctx, x, x.action); err != nil {
		return permittedCall{}, err
	}
	for _, uri := range x.msg.Also {
		also := x.action
		also.Method, also.Target, also.Arguments = "resources/read", portcullis.Target{Kind: portcullis.TargetResource, Name: uri}, nil
		if err := p.permit(ctx, x, also); err != nil {
			return permittedCall{}, err
		}
	}
	return permittedCall{x}, nil
}

// permit refuses what the route's authorizers do not allow.
func (p *pipeline) permit(ctx context.Context, x *exchange, a portcullis.Action) error {
	x.enter("authz")
	d, guard, err := access.Decide(ctx, p.authz, x.who, a)
	if x.guard = guard; err != nil {
		return err
	}
	if !d.Allowed() {
		return p.says.Forbidden(d)
	}
	return nil
}

func (p *pipeline) inspectCall(ctx context.Context, c permittedCall) (inspectedCall, error) {
	x := c.exchange
	sent := x.action.Arguments
	for _, g := range p.inspect {
		x.enter("inspect")
		x.guard = g.Name()
		m, err := g.Inspect(ctx, x.who, x.msg)
		if err != nil {
			return inspectedCall{}, err
		}
		x.msg = m
		if err := x.recordNotes(ctx, m); err != nil {
			return inspectedCall{}, unrecorded(err)
		}
		if a := x.action; !bytes.Equal(m.Arguments, sent) { // x.action keeps what the caller sent: headers that repeat it are compared with it
			sent, a.Arguments = m.Arguments, m.Arguments
			if err := p.permit(ctx, x, a); err != nil { // policies and tools inside tools were asked about other arguments
				return inspectedCall{}, err
			}
		}
	}
	return inspectedCall{x}, nil
}

func (p *pipeline) recordIntent(ctx context.Context, c inspectedCall) (intendedCall, error) {
	x := c.exchange
	x.enter("record")
	x.guard = "journal"
	x.msg.Notes = append(x.msg.Notes, x.notes...)
	if err := x.recordNotes(ctx, x.msg); err != nil {
		return intendedCall{}, unrecorded(err)
	}
	if err := x.recordStart(ctx); err != nil {
		return intendedCall{}, unrecorded(err)
	}
	x.intended = true
	return intendedCall{x}, nil
}

func unrecorded(err error) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Detail: "writing the audit journal", Err: err}
}

func (p *pipeline) send(ctx context.Context, c intendedCall) (answeredCall, error) {
	x := c.exchange
	x.enter("forward")
	x.guard = "upstream"
	x.call = portcullis.Call{Conn: &x.conn, Principal: x.who, Message: x.msg, Header: x.upstreamHeader()}
	if x.route.speaks != nil {
		x.call.Method = x.route.speaks.HTTPMethod(x.conn.HTTP, x.msg)
	}
	if x.listens() {
		ctx = x.endOnDrain(ctx)
	}
	if x.route.maxTime > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, x.route.maxTime)
		context.AfterFunc(ctx, end)
	}
	ctx = x.trace.Forward(ctx, &x.call)
	began := time.Now()
	reply, err := p.forward.Forward(ctx, &x.call)
	if err != nil {
		if x.drained() {
			err = &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "draining", Public: "Service is restarting", Detail: "opening a stream at shutdown", Err: err}
		}
		err = refusal.OfUpstream(ctx, err)
		x.route.upstreamFailed(ctx, err)
		return answeredCall{}, err
	}
	x.route.upstream.OK.Inc()
	x.route.upstream.Answered(time.Since(began))
	x.reply = reply
	return answeredCall{x}, nil
}

func (rt *route) upstreamFailed(ctx context.Context, err error) {
	var e *portcullis.Error
	switch {
	case ctx.Err() != nil:
		rt.upstream.Canceled.Inc()
	case errors.As(err, &e) && e.Kind == portcullis.KindUpstreamTimeout:
		rt.upstream.Timeout.Inc()
	default:
		rt.upstream.Error.Inc()
	}
}

// listens reports whether the call only waits for what the server may say.
func (x *exchange) listens() bool { return x.route.speaks != nil && x.route.speaks.Listens(x.msg) }

// drained reports whether the gateway ended the call because it shuts down.
func (x *exchange) drained() bool { return x.listens() && x.draining.Err() != nil }

// listenedOut reports whether a listening stream is over because the caller or
// the gateway left, which is how such streams end.
func (x *exchange) listenedOut(ctx context.Context) bool {
	return x.drained() || x.listens() && ctx.Err() != nil
}

// endOnDrain returns a context that also ends when the gateway drains.
func (x *exchange) endOnDrain(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(x.draining, cancel)
	context.AfterFunc(ctx, func() { stop() })
	return ctx
}
