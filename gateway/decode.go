package gateway

import (
	"context"
	"net/http"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// mcpDecoder gives a request on an MCP route its one reading: the JSON, the
// headers that must equal it, and the session it claims.
type mcpDecoder struct {
	limits jsonrpc.Limits
	sealer *Sealer
	params *mcp.ParamHeaders
}

func (*mcpDecoder) Name() string { return "mcp" }

func (d *mcpDecoder) Decode(_ context.Context, c *portcullis.Conn, who portcullis.Principal, body []byte) (*portcullis.Message, error) {
	if c.HTTP.Method != http.MethodPost {
		return d.decodeBodiless(c, who)
	}
	parsed, err := mcp.Parse(body, d.limits, portcullis.ToServer)
	if parsed == nil {
		return nil, err
	}
	m := &parsed.Message
	if err != nil {
		return m, err
	}
	if err := mcp.CheckHeaders(c.HTTP.Header, parsed); err != nil {
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
	if mcp.Modern(m.Version) { // the revision has no sessions: a session id means nothing
		return m, nil
	}
	m.Session, err = d.session(c, who)
	return m, err
}

// defined reports whether the revision in force defines the method. A first
// request may come without a header: the server is yet to choose a revision,
// and initialize is all that can be said before it has.
func defined(m *portcullis.Message) bool {
	return mcp.Known(m.Version, m.Method) || m.Version == "" && m.Method == "initialize"
}

// decodeBodiless reads a GET that opens a stream and a DELETE that ends a
// session. Both belong to the revisions that have sessions.
func (d *mcpDecoder) decodeBodiless(c *portcullis.Conn, who portcullis.Principal) (*portcullis.Message, error) {
	versions := c.HTTP.Header["Mcp-Protocol-Version"]
	if len(versions) > 1 {
		return nil, &portcullis.Error{Kind: portcullis.KindMalformed, Reason: "header_mismatch", Code: portcullis.CodeHeaderMismatch, Detail: "more than one MCP-Protocol-Version"}
	}
	m := &portcullis.Message{Shape: portcullis.ShapeStream}
	if len(versions) == 1 {
		m.Version = versions[0]
	}
	if mcp.Modern(m.Version) {
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
func (d *mcpDecoder) session(c *portcullis.Conn, who portcullis.Principal) (string, error) {
	ids := c.HTTP.Header["Mcp-Session-Id"]
	switch len(ids) {
	case 0:
		return "", nil
	case 1:
		return d.sealer.Open(ids[0], c.Route, who.ID)
	}
	return "", &portcullis.Error{Kind: portcullis.KindMalformed, Reason: "input_rejected", Code: portcullis.CodeInvalidRequest, Detail: "more than one Mcp-Session-Id"}
}

// unknownMethod denies what the revision does not define. JSON-RPC calls it
// -32601; the status is that of the stateless revision.
func unknownMethod(m *portcullis.Message) *portcullis.Error {
	e := mcp.UnknownMethod()
	e.Public, e.Detail = "Method not found", "method unknown in revision "+m.Version
	return e
}
