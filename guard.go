package portcullis

import (
	"context"
	"errors"
)

// Each guard has a Name, unique in its phase: it labels metrics, log lines and
// the output of `portcullis pipeline`. Guards are safe for concurrent use, and
// refuse by returning an [*Error]; any other error denies as an internal error.

// EdgeGuard decides before anyone is known.
type EdgeGuard interface {
	Name() string
	CheckConn(ctx context.Context, c *Conn) error
}

// ErrNoCredentials says that a request carries no credential an authenticator
// knows: the next one is asked. Any other error is final.
var ErrNoCredentials = errors.New("no credentials")

// Authenticator finds out who is calling.
type Authenticator interface {
	Name() string
	// Authenticate returns the caller. It returns ErrNoCredentials if the
	// request carries none of its kind; any other error refuses the call.
	Authenticate(ctx context.Context, c *Conn) (Principal, error)
}

// Container refuses a caller that an operator or detection has contained.
type Container interface {
	Name() string
	CheckContained(ctx context.Context, c *Conn, p Principal) error
}

// Decoder turns the bytes of a request into the one message they mean.
type Decoder interface {
	Name() string
	// Decode reads body, which is nil for requests without one. The message
	// keeps slices of body.
	Decode(ctx context.Context, c *Conn, p Principal, body []byte) (*Message, error)
}

// CallerGuard decides on a known caller and a known action.
type CallerGuard interface {
	Name() string
	CheckCaller(ctx context.Context, c *Conn, p Principal, a Action) error
}

// Authorizer decides whether a principal may do an action. All must allow.
// It must be pure: lists are filtered by asking it about each entry.
type Authorizer interface {
	Name() string
	Authorize(ctx context.Context, p Principal, a Action) (Decision, error)
}

// Inspector passes, rewrites or refuses a message. It sees every message in
// both directions, replies and stream events included. One that rewrites
// returns a message whose Raw is the new text; those behind it read Raw, as
// Params and Arguments may still be slices of the old one. What it wants in
// the audit log without refusing, it appends to the message's Notes.
type Inspector interface {
	Name() string
	Inspect(ctx context.Context, p Principal, m *Message) (*Message, error)
}

// Upstream carries an admitted call to the server behind a route.
type Upstream interface {
	// Forward sends the call and returns when the reply's headers are known.
	// Cancelling ctx ends the call and the reply's body.
	Forward(ctx context.Context, call *Call) (*Reply, error)
}

// Recorder writes audit events. Record returns when the event is as durable as
// the configured mode demands; an error means the event may be lost.
type Recorder interface {
	Record(ctx context.Context, e *Event) error
}
