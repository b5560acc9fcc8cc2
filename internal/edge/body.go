package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// DefaultMaxBody is the largest request body by default, in bytes (S0-18).
const DefaultMaxBody = 1 << 20

// BodyConfig says what requests of a route may look like.
type BodyConfig struct {
	// Methods that the route knows.
	Methods []string `toml:"methods"`
	// MaxBody is the largest request body in bytes, 1 to 1 GiB.
	MaxBody int64 `toml:"max_body"`
	// JSON demands application/json in UTF-8 of bodies, and that methods
	// which have no use for a body come without. For MCP and JSON-RPC routes.
	JSON bool `toml:"-"`
	// Types are media types that count as JSON too. With them a POST may come
	// without a body and a type: it says all in its path.
	Types []string `toml:"-"`
}

// DefaultBody is that of MCP routes: GET, POST and DELETE, 1 MiB of JSON.
func DefaultBody() BodyConfig {
	return BodyConfig{
		Methods: []string{http.MethodGet, http.MethodPost, http.MethodDelete},
		MaxBody: DefaultMaxBody,
		JSON:    true,
	}
}

// Validate reports the first mistake, naming the field.
func (c BodyConfig) Validate() error {
	if c.MaxBody < 1 || c.MaxBody > 1<<30 {
		return fmt.Errorf("max_body: %d: want 1 to %d bytes", c.MaxBody, 1<<30)
	}
	if len(c.Methods) == 0 {
		return errors.New("methods: empty: want at least one")
	}
	for i, m := range c.Methods {
		if !isToken(m) || m != strings.ToUpper(m) || m == http.MethodConnect || m == http.MethodTrace {
			return fmt.Errorf("methods[%d]: %q: want an HTTP method such as \"POST\"", i, m)
		}
	}
	return nil
}

// Body refuses requests whose method, declared size or content type the route
// does not take, before a byte of the body is read. Bodies of undeclared size
// are bounded while they are read, see [Limits.ReadBody].
type Body struct {
	methods []string
	allow   string
	max     int64
	json    bool
	types   []string
}

var _ portcullis.EdgeGuard = (*Body)(nil)

// NewBody returns the guard.
func NewBody(c BodyConfig) (*Body, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	methods := slices.Clone(c.Methods)
	return &Body{methods: methods, allow: strings.Join(methods, ", "), max: c.MaxBody, json: c.JSON, types: slices.Clone(c.Types)}, nil
}

// Name returns "body".
func (*Body) Name() string { return "body" }

// CheckConn refuses with [portcullis.KindMethodNotAllowed],
// [portcullis.KindMediaType], [portcullis.KindTooLarge] or, for a body where
// none belongs, [portcullis.KindMalformed].
func (g *Body) CheckConn(_ context.Context, c *portcullis.Conn) error {
	r := c.HTTP
	if !slices.Contains(g.methods, r.Method) {
		return reject(portcullis.KindMethodNotAllowed, "Method not allowed", http.Header{"Allow": {g.allow}})
	}
	if r.ContentLength > g.max {
		return reject(portcullis.KindTooLarge, "Request body too large", nil)
	}
	for _, coding := range r.Header["Content-Encoding"] {
		// A compressed body would be checked as one thing and read as another,
		// and may unpack to any size. RFC 9110 15.5.16: say what would do.
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return reject(portcullis.KindMediaType, "Content-Encoding not supported", http.Header{"Accept-Encoding": {"identity"}})
		}
	}
	if !g.json {
		return nil
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		if r.ContentLength != 0 && (len(g.types) == 0 || r.ContentLength != nullBody) { // -1: chunked
			return reject(portcullis.KindMalformed, "Body not allowed with this method", nil)
		}
		return nil
	}
	types := r.Header["Content-Type"]
	if len(g.types) > 0 && len(types) == 0 && r.ContentLength == 0 {
		return nil
	}
	if len(types) != 1 || !isJSON(types[0], g.types) {
		return reject(portcullis.KindMediaType, "Content-Type must be application/json", http.Header{"Accept": {"application/json"}})
	}
	return nil
}

// nullBody is the length of the body "null", which an official A2A client sends
// where none belongs. The decoder takes nothing else for none.
const nullBody = 4

// LastRequest reports whether the connection must end with this request,
// because a proxy in front may have read another end of it. RFC 9112 section
// 6.1 demands that of a message with both Transfer-Encoding and Content-Length
// and of HTTP/1.0 with Transfer-Encoding; net/http takes the first as chunked
// and the second by its length, drops the other field, and would go on to read
// as the next request what the proxy took for a body. That field being gone,
// every chunked request and all of HTTP/1.0 is treated so.
func LastRequest(r *http.Request) bool {
	return len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1)
}

// isJSON accepts application/json, or one of others, with no parameter but
// charset=utf-8.
func isJSON(s string, others []string) bool {
	media, params, has := strings.Cut(s, ";")
	media = strings.ToLower(strings.Trim(media, " \t"))
	if media != "application/json" && !slices.Contains(others, media) {
		return false
	}
	for has {
		var p string
		p, params, has = strings.Cut(params, ";")
		if p = strings.Trim(p, " \t"); p == "" {
			continue
		}
		name, value, _ := strings.Cut(p, "=")
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if !strings.EqualFold(name, "charset") || !strings.EqualFold(value, "utf-8") && !strings.EqualFold(value, "utf8") {
			return false
		}
	}
	return true
}
