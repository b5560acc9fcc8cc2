package mcp

import (
	"context"
	"net/http"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Sessions opens the session ids that callers hold.
type Sessions interface {
	// Open returns the id that the upstream knows, or the refusal of one that
	// was not made for this route and this principal.
	Open(sealed, route, principal string) (string, error)
}

// Decoder gives a request on an MCP route its one reading: the JSON, the
// headers that must equal it, and the session it claims. It is the decode
// guard "mcp", immutable and safe for concurrent use.
type Decoder struct {
	limits   jsonrpc.Limits
	sessions Sessions
	params   *ParamHeaders
}

var _ portcullis.Decoder = (*Decoder)(nil)

// NewDecoder returns the decoder of a route with these limits on messages.
func NewDecoder(limits jsonrpc.Limits, sessions Sessions, params *ParamHeaders) *Decoder {
	return &Decoder{limits: limits, sessions: sessions, params: params}
}

// Name returns "mcp".
func (*Decoder) Name() string { return "mcp" }

// Decode implements [portcullis.Decoder]. With an error it returns a message
// that holds the id to answer with, if one could be read.
func (d *Decoder) Decode(_ context.Context, c *portcullis.Conn, who portcullis.Principal, body []byte) (*portcullis.Message, error) {
	if c.HTTP.Method != http.MethodPost {
		return d.decodeBodiless(c, who)
	}
	parsed, err := Parse(body, d.limits, portcullis.ToServer)
	if parsed == nil {
		return nil, err
	}
	m := &parsed.Message
	if err != nil {
		return m, err
	}
	if err := CheckHeaders(c.HTTP.Header, parsed); err != nil {
		return m, err
	}
	if err := d.params.Check(c.HTTP.Header, parsed); err != nil {
		return m, err
	}
	if m.Method != "" && !defined(m) {
		return m, unknownMethod(m)
	}
	if m.Method == "subscriptions/listen" {
		if m.Also, err = parsed.ResourceSubscriptions(); err != nil {
			return m, err
		}
	}
	if Modern(m.Version) { // the revision has no sessions: a session id means nothing
		return m, nil
	}
	m.Session, err = d.session(c, who)
	if err == nil && m.Method == "tasks/list" && m.Session == "" {
		// To the upstream all callers are one, the gateway: without a session,
		// which is bound to its caller, it would list everybody's tasks, and
		// with their ids their results could be had.
		return m, unknownMethod(m)
	}
	return m, err
}

// defined reports whether the revision in force defines the method. A first
// request may come without a header: the server is yet to choose a revision,
// and initialize is all that can be said before it has.
func defined(m *portcullis.Message) bool {
	return Known(m.Version, m.Method) || m.Version == "" && m.Method == "initialize"
}

// decodeBodiless reads a GET that opens a stream and a DELETE that ends a
// session. Both belong to the revisions that have sessions.
func (d *Decoder) decodeBodiless(c *portcullis.Conn, who portcullis.Principal) (*portcullis.Message, error) {
	versions := c.HTTP.Header["Mcp-Protocol-Version"]
	if len(versions) > 1 {
		return nil, &portcullis.Error{Kind: portcullis.KindMalformed, Reason: "header_mismatch", Code: portcullis.CodeHeaderMismatch, Detail: "more than one MCP-Protocol-Version"}
	}
	m := &portcullis.Message{Shape: portcullis.ShapeStream}
	if len(versions) == 1 {
		m.Version = versions[0]
	}
	if Modern(m.Version) {
		return nil, &portcullis.Error{
			Kind: portcullis.KindMethodNotAllowed, Reason: "method_not_allowed", Header: http.Header{"Allow": {"POST"}},
			Detail: "GET or DELETE in a revision without sessions",
		}
	}
	if c.HTTP.Method == http.MethodDelete {
		m.Shape = portcullis.ShapeClose
	}
	var err error
	m.Session, err = d.session(c, who)
	return m, err
}

// session opens the sealed session id, if the request carries one.
func (d *Decoder) session(c *portcullis.Conn, who portcullis.Principal) (string, error) {
	ids := c.HTTP.Header["Mcp-Session-Id"]
	switch len(ids) {
	case 0:
		return "", nil
	case 1:
		return d.sessions.Open(ids[0], c.Route, who.ID)
	}
	return "", &portcullis.Error{Kind: portcullis.KindMalformed, Reason: "input_rejected", Code: portcullis.CodeInvalidRequest, Detail: "more than one Mcp-Session-Id"}
}

// unknownMethod denies what the revision does not define. JSON-RPC calls it
// -32601; the status is that of the stateless revision.
func unknownMethod(m *portcullis.Message) *portcullis.Error {
	e := UnknownMethod()
	e.Public, e.Detail = "Method not found", "method unknown in revision "+m.Version
	return e
}
