package dialect

import (
	"bytes"
	"net/http"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// A2A is the Agent2Agent protocol, as JSON-RPC and as HTTP+JSON.
type A2A struct {
	Path string // of the route
}

var _ Dialect = A2A{}

// Listens implements [Dialect]: a subscription ends when its task does, which
// may be never.
func (A2A) Listens(call *portcullis.Message) bool { return call.Method == a2a.SubscribeToTask }

// Read implements [Dialect]. That a task does not exist is told in the words in
// which the gateway tells it of a task that is another's.
func (A2A) Read(r *Reading, raw []byte, c *Call) (*portcullis.Message, error) {
	r.Message = nil
	if c.Message.Method == a2a.DeletePushConfig {
		raw = withResult(raw, c.Limits)
	}
	if err := a2a.ReadReply(&r.a2a, raw, a2a.Answering{Call: c.Message, Status: c.Status, Limits: c.Limits}); err != nil {
		return nil, err
	}
	m := &r.a2a.Message
	r.Message, m.Request = m, c.Message.Raw // as it was sent on: the agent knows no other
	switch {
	case m.Shape != portcullis.ShapeError:
	case m.ErrorCode == a2a.CodeTaskNotFound:
		m.Raw = a2a.AppendRefusal(nil, c.Message, a2a.TaskNotFound(""), c.RequestID)
	default:
		if masked, changed := a2a.MaskError(&r.a2a, c.Status, c.RequestID); changed {
			m.Raw = masked
		}
	}
	return m, nil
}

// withResult gives a response to a deletion the result that an official agent
// leaves out: there is nothing to tell.
func withResult(raw []byte, l jsonrpc.Limits) []byte {
	if len(raw) == 0 || jsonrpc.ReadObject(raw, l) != nil {
		return raw
	}
	members := 0
	for it := jsonrpc.Walk(raw); it.Next(); members++ {
		if !it.Name.Is(raw, "jsonrpc") && !it.Name.Is(raw, "id") {
			return raw
		}
	}
	end := bytes.LastIndexByte(raw, '}')
	if members != 2 || end < 0 {
		return raw
	}
	return append(bytes.Clone(raw[:end]), `,"result":null}`...)
}

// Relate implements [Dialect]. What ends a stream is its answer, all before it
// are parts.
func (A2A) Relate(r *Reading, call *portcullis.Message) Relation {
	reply := &r.a2a
	if a2a.BindingOf(call) == a2a.JSONRPC && !mcp.SameID(reply.ID, call.ID) {
		return Foreign
	}
	if !a2a.Streams(call.Method) || reply.Shape == portcullis.ShapeError || reply.Final {
		return Answer
	}
	return Part
}

// AppendRefusal implements [Dialect].
func (A2A) AppendRefusal(dst []byte, call *portcullis.Message, e *portcullis.Error, requestID string) []byte {
	return a2a.AppendRefusal(dst, call, e, requestID)
}

// Refusal implements [Dialect]. Over JSON-RPC the errors of the protocol itself
// are answers like any other, of status 200: clients read no others.
func (d A2A) Refusal(dst []byte, r *http.Request, call *portcullis.Message, e *portcullis.Error, requestID string) Refusal {
	binding, version := a2a.Sniff(r, d.Path)
	about := portcullis.Message{Version: version}
	if call != nil {
		about.ID, about.Version = call.ID, call.Version
	}
	status := e.Kind.Status()
	if binding == a2a.HTTPJSON {
		about.Suffix = "/"
	} else if e.Code <= a2a.CodeTaskNotFound && e.Code >= a2a.CodeVersionNotSupported && status < http.StatusInternalServerError {
		status = http.StatusOK
	}
	media := jsonType
	if a2a.ErrorContentType(binding, about.Version) != jsonType[0] {
		media = problemType
	}
	return Refusal{status, media, a2a.AppendRefusal(dst, &about, e, requestID)}
}

// Owes implements [Dialect].
func (A2A) Owes(call *portcullis.Message) bool {
	return call.Method != a2a.DeletePushConfig || a2a.BindingOf(call) == a2a.JSONRPC
}

// Takes implements [Dialect]. The Go SDK for 0.3 names no type for its JSON, of
// which its HTTP server makes text/plain; it is read as strictly, and the caller
// told that it is JSON.
func (A2A) Takes(mediaType string) bool {
	return mediaType == "text/plain" || mediaType == "application/json" || mediaType == "application/a2a+json" || mediaType == "application/problem+json"
}

// HTTPMethod implements [Dialect].
func (A2A) HTTPMethod(r *http.Request, _ *portcullis.Message) string { return r.Method }

// Fields implements [Dialect]: the version that the request was read in, for an
// agent must not read it in another.
func (A2A) Fields(dst []portcullis.Field, call *portcullis.Message) []portcullis.Field {
	return append(dst, portcullis.Field{Name: "A2A-Version", Value: call.Version})
}
