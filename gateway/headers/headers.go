// Package headers says which headers travel between a caller and an upstream:
// those of two lists and no others, so that no credential of the caller and
// nothing internal of the upstream can pass, known to us or not.
package headers

import (
	"mime"
	"net/http"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// Mirrored returns what a header that repeats an argument must say now; ok is
// false if it must not be there.
type Mirrored func(name string) (value string, ok bool)

// ToUpstream appends the headers of a caller that travel on. mirrored, which
// is nil where arguments travel as they came, makes those anew that repeat an
// argument. taskID, if there is one, is the id that Mcp-Name mirrors, which reads
// otherwise there. The session id is not among them: it is put back unsealed.
func ToUpstream(dst []portcullis.Field, src http.Header, taskID string, mirrored Mirrored) []portcullis.Field {
	for name, values := range src {
		repeats := strings.HasPrefix(name, mcp.HeaderParamPrefix)
		switch {
		case repeats && mirrored != nil:
			if v, ok := mirrored(name); ok {
				dst = append(dst, portcullis.Field{Name: name, Value: v})
			}
		case name == "Mcp-Name" && taskID != "":
			dst = append(dst, portcullis.Field{Name: name, Value: mcp.EncodeHeader(taskID)})
		case repeats || forwarded(name):
			for _, v := range values {
				dst = append(dst, portcullis.Field{Name: name, Value: v})
			}
		}
	}
	return dst
}

func forwarded(name string) bool {
	switch name {
	case "Accept", "Accept-Language", "Content-Type", "Last-Event-Id", "Mcp-Protocol-Version",
		"Mcp-Method", "Mcp-Name", "A2a-Extensions", "X-A2a-Extensions", "Traceparent", "Tracestate":
		return true
	}
	return false
}

// ToCaller copies what an upstream may tell the caller. Everything else is
// dropped: cookies, challenges for credentials that are not the caller's,
// server banners.
func ToCaller(dst, src http.Header) {
	for _, name := range [...]string{"Content-Type", "Mcp-Protocol-Version", "A2a-Version", "A2a-Extensions", "Retry-After"} {
		if v := src[name]; len(v) > 0 {
			dst[name] = v[:1]
		}
	}
}

// MediaType returns the media type of a body, "" if it has none and "invalid"
// if nobody can tell.
func MediaType(h http.Header) string {
	v := h.Get("Content-Type")
	if v == "application/json" || v == "text/event-stream" || v == "" {
		return v
	}
	t, _, err := mime.ParseMediaType(v)
	if err != nil {
		return "invalid"
	}
	return t
}
