package gateway

import (
	"context"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/privacy"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
	"github.com/portcullis-dev/portcullis/gateway/use"
)

// pipeline is the way of a call through one route. The order below is the
// order of the house; each phase takes what only the phase before it can make,
// so a wrong order does not compile.
type pipeline struct {
	edge    []portcullis.EdgeGuard     // lockdown, address, host, origin, size: cheap, before anyone is known
	authn   []portcullis.Authenticator // in configured order; "no credentials" asks the next
	contain []portcullis.Container     // blocked by an operator or by detection
	decode  portcullis.Decoder         // bytes become one message with one reading
	admit   []portcullis.CallerGuard   // per-caller, per-route and per-tool rate
	authz   []portcullis.Authorizer    // all must allow; nobody to ask = deny
	inspect []portcullis.Inspector     // what the call carries in
	forward portcullis.Upstream        // the caller's credentials are gone by now
	review  []portcullis.Inspector     // what the reply carries out, message by message
	use     *use.Guards                // told of what is sent before it is: what a caller has read, and how much
	privacy *privacy.Guards            // whether a stream may go on, and what records call what is protected
	record  portcullis.Recorder        // not recorded, not done
	wants   []string                   // further headers of callers that the handler reads; in canonical form
	own     bool                       // the reply is this process's own: its status is for the caller

	says    refusal.Challenges // to callers who prove too little
	bodyKey bool               // the credential is the body, which only the authenticator parses
}

// run takes one request to the upstream and back. Every error it returns is a
// refusal; the exchange remembers how far the call came.
func (p *pipeline) run(ctx context.Context, x *exchange) error {
	conn, err := p.checkEdge(ctx, x)
	if err != nil {
		return err
	}
	who, err := p.authenticate(ctx, conn)
	if err != nil {
		return err
	}
	msg, err := p.read(ctx, who)
	if err != nil {
		return err
	}
	ctx = x.trace.Read(ctx, x.msg) // not before: the message may name whose trace it is of
	permitted, err := p.authorize(ctx, msg)
	if err != nil {
		return err
	}
	clean, err := p.inspectCall(ctx, permitted)
	if err != nil {
		return err
	}
	intended, err := p.recordIntent(ctx, clean) // before the act: not recorded, not done
	if err != nil {
		return err
	}
	answered, err := p.send(ctx, intended)
	if err != nil {
		return err
	}
	return p.deliver(ctx, answered) // reviews, records the outcome, then writes
}

// The types below are handed from phase to phase and made nowhere else.
type (
	checkedConn   struct{ *exchange } // passed the edge
	caller        struct{ *exchange } // has a principal that is not contained
	readMessage   struct{ *exchange } // has a message with one reading
	permittedCall struct{ *exchange } // admitted and authorized
	inspectedCall struct{ *exchange } // carries nothing forbidden
	intendedCall  struct{ *exchange } // its intent is in the journal
	answeredCall  struct{ *exchange } // has a reply
)
