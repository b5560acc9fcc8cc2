// Package dialect is what differs between the protocols that the gateway
// speaks, on the way back to the caller: how a message of the upstream is read,
// what it is to the call, and what a refusal looks like. The pipeline is the
// same for all.
package dialect

import (
	"net/http"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
	"github.com/portcullis-dev/portcullis/internal/protocol/problem"
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
	Status    int            // of the reply
	Limits    jsonrpc.Limits // of replies
}

// Reading is room for one message of the upstream. It is used again for the
// next: what was read lives until then.
type Reading struct {
	Message *portcullis.Message // what was read last; nil = nothing
	mcp     mcp.Parsed
	a2a     a2a.Reply
}

// Dialect is one protocol. It is safe for concurrent use.
type Dialect interface {
	// Listens reports whether a call only waits for what the server may say.
	// Such streams never end by themselves.
	Listens(call *portcullis.Message) bool
	// Read gives raw its one reading, in r, and masks what errors must not
	// tell. Its error says, for the log, why raw is no message.
	Read(r *Reading, raw []byte, c *Call) (*portcullis.Message, error)
	// Relate says what the message that was read last is to a call.
	Relate(r *Reading, call *portcullis.Message) Relation
	// AppendRefusal appends what a stream tells the caller in place of an answer
	// to a call.
	AppendRefusal(dst []byte, call *portcullis.Message, e *portcullis.Error, requestID string) []byte
	// Refusal says what the caller is told of a refused request: r, of which
	// call may be known nothing (nil). The body is appended to dst.
	Refusal(dst []byte, r *http.Request, call *portcullis.Message, e *portcullis.Error, requestID string) Refusal
	// Owes reports whether a body is owed to the caller.
	Owes(call *portcullis.Message) bool
	// Takes reports whether a whole reply may be of a media type.
	Takes(mediaType string) bool
	// Fields appends the headers that the protocol itself sends with a call.
	Fields(dst []portcullis.Field, call *portcullis.Message) []portcullis.Field
	// HTTPMethod returns the method with which a call travels on, "" for the one
	// that its shape has.
	HTTPMethod(r *http.Request, call *portcullis.Message) string
}

// Refusal is the answer to a request that is refused.
type Refusal struct {
	Status    int
	MediaType []string // a header value that nobody writes into
	Body      []byte
}

// Media types, as header values that nobody writes into.
var (
	jsonType    = []string{"application/json"}
	problemType = []string{problem.ContentType}
)

// Plain is the refusal of a request that no protocol has a form for (RFC 9457).
func Plain(dst []byte, e *portcullis.Error, requestID string) Refusal {
	if e.Public == "" {
		e.Public = refusal.Text(e.Kind)
	}
	return Refusal{e.Kind.Status(), problemType, problem.Append(dst, e, requestID)}
}
