package gateway

import (
	"bytes"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/headers"
)

// upstreamHeader lists the headers that travel on.
func (x *exchange) upstreamHeader() []portcullis.Field {
	var mirrored headers.Mirrored
	if x.route.params != nil && !bytes.Equal(x.msg.Arguments, x.action.Arguments) { // rewritten: what repeats one repeats what is no longer there
		mirrored = func(name string) (string, bool) {
			return x.route.params.Value(x.msg.Target.Name, name, x.msg.Arguments)
		}
	}
	h := headers.ToUpstream(x.header[:0], x.conn.HTTP.Header, x.msg.TaskID, mirrored)
	if x.route.speaks != nil {
		h = x.route.speaks.Fields(h, x.msg)
	}
	for _, name := range x.route.pipe.wants {
		for _, v := range x.conn.HTTP.Header.Values(name) {
			h = append(h, portcullis.Field{Name: name, Value: v})
		}
	}
	h = append(h, portcullis.Field{Name: "X-Request-Id", Value: x.conn.RequestID})
	x.header = h
	return h
}
