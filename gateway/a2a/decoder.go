package a2a

import (
	"context"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// decoder is that of the protocol, held to what the route offers.
type decoder struct {
	*a2a.Decoder
	path     string
	bindings []string
	skill    string // of messages that name none
}

// NewDecoder returns the decode guard of a route.
func NewDecoder(rc *config.Route, limits jsonrpc.Limits) portcullis.Decoder {
	return &decoder{
		Decoder: a2a.NewDecoder(a2a.Config{Path: rc.Path, Versions: rc.A2A.Versions, Limits: limits, Rules: rc.A2A.Message.Rules()}),
		path:    rc.Path, bindings: rc.A2A.Bindings, skill: rc.A2A.DefaultSkill,
	}
}

// Decode implements [portcullis.Decoder]. A message that names no skill may use
// any that its agent has: it is for the skill that the route says, "*" if it
// says nothing.
func (d *decoder) Decode(ctx context.Context, c *portcullis.Conn, who portcullis.Principal, body []byte) (*portcullis.Message, error) {
	if string(body) == "null" && c.HTTP.URL.Path != d.path { // no body, as an official client writes it
		body = nil
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
		return m, &portcullis.Error{
			Kind: portcullis.KindNotFound, Code: portcullis.CodeMethodNotFound, Reason: "method_not_found",
			Event: portcullis.EventInputRejected, Detail: "binding that the route does not offer: " + binding,
		}
	}
	if a2a.Sends(m.Method) && m.Target.Kind == portcullis.TargetNone {
		m.Target = portcullis.Target{Kind: portcullis.TargetSkill, Name: d.skill}
	}
	return m, nil
}
