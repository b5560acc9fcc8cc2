// Package dialect is what differs between the protocols that the gateway
// speaks, on the way back to the caller: how a message of the upstream is read,
// what it is to the call, and what a refusal looks like. The pipeline is the
// same for all.
package dialect

import (
	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// Relation is what a message of the upstream is to the call it came for.
type Relation uint8

// The relations.
const (
	Foreign Relation = iota // answers something else: nothing of it may be passed on
	Beside                  // answers nothing: what the server says on its own
	Part                    // one of several answers; more may follow
	Answer                  // the answer: no other may follow
)

// Call is what a dialect knows of the call whose reply it reads.
type Call struct {
	Message   *portcullis.Message
	Body      []byte // as the caller sent it
	RequestID string
	Limits    jsonrpc.Limits // of replies
}

// Reading is room for one message of the upstream. It is used again for the
// next: what was read lives until then.
type Reading struct {
	Message *portcullis.Message // what was read last; nil = nothing
	mcp     mcp.Parsed
}

// Dialect is one protocol. It is safe for concurrent use.
type Dialect interface {
	// Listens reports whether a call only waits for what the server may say.
	// Such streams never end by themselves.
	Listens(call *portcullis.Message) bool
	// Read gives raw its one reading, in r, and masks what errors must not
	// tell. Its error says, for the log, why raw is no message.
	Read(r *Reading, raw []byte, c *Call) (*portcullis.Message, error)
	// Relate says what a message that was read is to a call.
	Relate(reply, call *portcullis.Message) Relation
	// AppendRefusal appends what the caller is told of a refused call, of which
	// may be known nothing (nil).
	AppendRefusal(dst []byte, call *portcullis.Message, e *portcullis.Error, requestID string) []byte
}
