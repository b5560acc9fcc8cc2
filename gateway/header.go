package gateway

import (
	"net/http"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// upstreamHeader lists the headers that travel on: an allow-list, so that no
// credential of the caller, known to us or not, can pass.
func (x *exchange) upstreamHeader() []portcullis.Field {
	h := x.header[:0]
	for name, values := range x.conn.HTTP.Header {
		if !forwarded(name) {
			continue
		}
		if name == "Mcp-Name" && x.msg.TaskID != "" { // it mirrors the id, which reads otherwise there
			h = append(h, portcullis.Field{Name: name, Value: mcp.EncodeHeader(x.msg.TaskID)})
			continue
		}
		for _, v := range values {
			h = append(h, portcullis.Field{Name: name, Value: v})
		}
	}
	if x.msg.Session != "" {
		h = append(h, portcullis.Field{Name: "Mcp-Session-Id", Value: x.msg.Session})
	}
	h = append(h, portcullis.Field{Name: "X-Request-Id", Value: x.conn.RequestID})
	x.header = h
	return h
}

// forwarded reports whether a caller's header may reach the upstream. The
// session id is not among them: it is put back unsealed.
func forwarded(name string) bool {
	switch name {
	case "Accept", "Accept-Language", "Content-Type", "Last-Event-Id", "Mcp-Protocol-Version",
		"Mcp-Method", "Mcp-Name", "Traceparent", "Tracestate":
		return true
	}
	return strings.HasPrefix(name, "Mcp-Param-")
}

// passReplyHeader copies what an upstream may tell the caller. Everything else
// is dropped: cookies, challenges for credentials that are not the caller's,
// server banners.
func passReplyHeader(dst, src http.Header) {
	for _, name := range [...]string{"Content-Type", "Mcp-Protocol-Version", "Retry-After"} {
		if v := src[name]; len(v) > 0 {
			dst[name] = v[:1]
		}
	}
}
