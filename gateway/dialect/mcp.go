package dialect

import (
	"net/http"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// MCP is the Model Context Protocol over Streamable HTTP.
type MCP struct{}

var _ Dialect = MCP{}

// Listens implements [Dialect].
func (MCP) Listens(call *portcullis.Message) bool {
	return call.Shape == portcullis.ShapeStream || call.Method == "subscriptions/listen"
}

// Read implements [Dialect].
func (MCP) Read(r *Reading, raw []byte, c *Call) (*portcullis.Message, error) {
	parsed := &r.mcp
	r.Message = nil
	if err := mcp.ParseInto(parsed, raw, c.Limits, portcullis.ToClient); err != nil {
		return nil, err
	}
	m := &parsed.Message
	r.Message = m
	if answers(m) {
		if mcp.SameID(m.ID, c.Message.ID) {
			m.Method, m.Target, m.Request = c.Message.Method, c.Message.Target, c.Body // what it answers
		}
		m.Version = c.Message.Version
	}
	if m.Shape == portcullis.ShapeError {
		if masked, changed := mcp.MaskError(parsed, c.RequestID); changed {
			m.Raw = masked
		}
	}
	return m, nil
}

func answers(m *portcullis.Message) bool {
	return m.Shape == portcullis.ShapeResult || m.Shape == portcullis.ShapeError
}

// Relate implements [Dialect]. A caller that opened a stream to listen may be
// sent answers to what it asked before.
func (MCP) Relate(r *Reading, call *portcullis.Message) Relation {
	switch reply := r.Message; {
	case !answers(reply), call.Shape != portcullis.ShapeRequest:
		return Beside
	case mcp.SameID(reply.ID, call.ID):
		return Answer
	}
	return Foreign
}

// AppendRefusal implements [Dialect].
func (MCP) AppendRefusal(dst []byte, call *portcullis.Message, e *portcullis.Error, requestID string) []byte {
	var id []byte
	if call != nil {
		id = call.ID
	}
	return mcp.AppendErrorResponse(dst, id, e, requestID)
}

// Refusal implements [Dialect]: a JSON-RPC error to who posted, a problem
// document to all others.
func (d MCP) Refusal(dst []byte, r *http.Request, call *portcullis.Message, e *portcullis.Error, requestID string) Refusal {
	if r.Method != http.MethodPost {
		return Plain(dst, e, requestID)
	}
	return Refusal{e.Kind.Status(), jsonType, d.AppendRefusal(dst, call, e, requestID)}
}

// Owes implements [Dialect].
func (MCP) Owes(call *portcullis.Message) bool { return call.Shape == portcullis.ShapeRequest }

// Takes implements [Dialect].
func (MCP) Takes(mediaType string) bool { return mediaType == "application/json" }

// Fields implements [Dialect]: the session id, as the upstream knows it.
func (MCP) Fields(dst []portcullis.Field, call *portcullis.Message) []portcullis.Field {
	if call.Session == "" {
		return dst
	}
	return append(dst, portcullis.Field{Name: "Mcp-Session-Id", Value: call.Session})
}

// HTTPMethod implements [Dialect].
func (MCP) HTTPMethod(*http.Request, *portcullis.Message) string { return "" }
