package a2a

import (
	"context"
	"net/http"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/protobuf"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// decoder is that of the protocol, held to what the route offers.
type decoder struct {
	*a2a.Decoder
	path     string
	bindings []string
	limits   jsonrpc.Limits
	room     *protobuf.Room
	skill    string // of messages that name none
}

// NewDecoder returns the decode guard of a route.
func NewDecoder(rc *config.Route, limits jsonrpc.Limits, room *protobuf.Room) portcullis.Decoder {
	return &decoder{
		Decoder: a2a.NewDecoder(a2a.Config{Path: rc.Path, Versions: rc.A2A.Versions, Limits: limits, Rules: rc.A2A.Message.Rules()}),
		path:    rc.Path, bindings: rc.A2A.Bindings, limits: limits, room: room, skill: rc.A2A.DefaultSkill,
	}
}

// Decode implements [portcullis.Decoder]. A message that names no skill may use
// any that its agent has: it is for the skill that the route says, "*" if it
// says nothing.
func (d *decoder) Decode(ctx context.Context, c *portcullis.Conn, who portcullis.Principal, body []byte) (*portcullis.Message, error) {
	if string(body) == "null" && c.HTTP.URL.Path != d.path { // no body, as an official client writes it
		body = nil
	}
	if c.RPC != "" {
		var err error
		if body, err = d.unwrap(c, body); err != nil {
			return nil, err
		}
	}
	m, err := d.Decoder.Decode(ctx, c, who, body)
	if err != nil {
		return m, err
	}
	binding := "jsonrpc"
	if a2a.BindingOf(m) == a2a.HTTPJSON {
		binding = "http+json"
	}
	if !slices.Contains(d.bindings, binding) {
		return m, offered(binding)
	}
	if a2a.Sends(m.Method) && m.Target.Kind == portcullis.TargetNone {
		m.Target = portcullis.Target{Kind: portcullis.TargetSkill, Name: d.skill}
	}
	return m, nil
}

// unwrap returns what a call over gRPC says, as a request over JSON-RPC. Its id
// is that of the request, so that agents have it in their logs.
func (d *decoder) unwrap(c *portcullis.Conn, body []byte) ([]byte, error) {
	asked := c.HTTP.Header["Grpc-Timeout"]
	if len(asked) == 1 {
		if _, ok := protobuf.Timeout(asked[0]); ok {
			asked = nil
		}
	}
	switch {
	case !slices.Contains(d.bindings, "grpc"):
		return nil, offered("grpc")
	case len(asked) > 0:
		return nil, &portcullis.Error{
			Kind: portcullis.KindMalformed, Code: portcullis.CodeInvalidRequest, Reason: "input_rejected",
			Event: portcullis.EventInputRejected, Detail: "grpc-timeout that is none",
		}
	case c.HTTP.Method != http.MethodPost:
		return nil, &portcullis.Error{Kind: portcullis.KindMethodNotAllowed, Reason: "method_not_allowed", Detail: "gRPC is posted"}
	}
	return d.room.Request(c.RPC, body, c.RequestID, d.limits)
}

func offered(binding string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindNotFound, Code: portcullis.CodeMethodNotFound, Reason: "method_not_found",
		Event: portcullis.EventInputRejected, Detail: "binding that the route does not offer: " + binding,
	}
}
