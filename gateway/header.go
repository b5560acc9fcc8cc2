package gateway

import (
	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/headers"
)

// upstreamHeader lists the headers that travel on.
func (x *exchange) upstreamHeader() []portcullis.Field {
	var mirrored headers.Mirrored
	if x.rewritten() { // what repeats an argument repeats what is no longer there
		mirrored = func(name string) (string, bool) {
			return x.route.params.Value(x.msg.Target.Name, name, x.msg.Arguments)
		}
	}
	h := headers.ToUpstream(x.header[:0], x.conn.HTTP.Header, mirrored)
	if x.msg.Session != "" {
		h = append(h, portcullis.Field{Name: "Mcp-Session-Id", Value: x.msg.Session})
	}
	h = append(h, portcullis.Field{Name: "X-Request-Id", Value: x.conn.RequestID})
	x.header = h
	return h
}

// rewritten reports whether an inspector changed what the caller sent.
func (x *exchange) rewritten() bool {
	return len(x.body) > 0 && len(x.msg.Raw) > 0 && &x.msg.Raw[0] != &x.body[0]
}
