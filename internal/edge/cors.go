package edge

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jub0bs/cors"

	"github.com/portcullis-dev/portcullis"
)

// CORSConfig says which web pages may call (requirements S0-31, S3-27).
type CORSConfig struct {
	// Origins are "https://app.example.com", "https://*.example.com" or
	// "http://localhost:*"; one entry may hold several, separated by commas.
	// "*" is possible without credentials only, "null" never. Default: none.
	Origins []string `toml:"origins"`
	// Methods that pages may use.
	Methods []string `toml:"methods"`
	// Headers that pages may send; a name that ends in "-*" is a prefix.
	Headers []string `toml:"headers"`
	// Expose lists the reply headers that pages may read.
	Expose []string `toml:"expose"`
	// Credentials lets browsers add what they manage themselves: cookies,
	// client certificates, Basic passwords.
	Credentials bool `toml:"credentials"`
	// MaxAge is how long browsers may remember an answer, 0 to 24h in whole
	// seconds. Chromium caps it at 2h.
	MaxAge time.Duration `toml:"max_age"`
}

// DefaultCORS allows no origin; the rest applies once origins are named.
func DefaultCORS() CORSConfig {
	return CORSConfig{
		Methods: []string{"GET", "POST", "DELETE"},
		Headers: []string{
			"Content-Type", "Authorization", "X-API-Key", "X-Request-ID", "MCP-Protocol-Version", "Mcp-Session-Id",
			"Mcp-Method", "Mcp-Name", "Mcp-Param-*", "Last-Event-ID",
		},
		Expose: []string{
			"X-Request-Id", "Mcp-Session-Id", "WWW-Authenticate", "Retry-After",
			"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy",
		},
		Credentials: true,
		MaxAge:      24 * time.Hour,
	}
}

// Validate reports what is wrong with c.
func (c CORSConfig) Validate() error {
	_, err := NewCORS(c)
	return err
}

// CORS answers preflights and tells browsers which pages may read replies.
type CORS struct {
	handler  http.Handler
	prefixes []string // lower case, of allowed request headers
	any      bool
}

var _ portcullis.EdgeGuard = (*CORS)(nil)

// NewCORS returns the guard, nil if no origin is configured.
func NewCORS(c CORSConfig) (*CORS, error) {
	origins := splitList(c.Origins)
	if len(origins) == 0 {
		return nil, nil
	}
	if c.MaxAge < 0 || c.MaxAge > 24*time.Hour || c.MaxAge%time.Second != 0 {
		return nil, fmt.Errorf("max_age: %s: want whole seconds from 0s to 24h", c.MaxAge)
	}
	wildcard := slices.Contains(origins, "*")
	if wildcard && c.Credentials {
		return nil, fmt.Errorf(`origins: "*" with credentials: name the origins or set credentials = false`)
	}
	g := &CORS{any: wildcard}
	var names []string
	for _, name := range splitList(c.Headers) {
		if prefix, ok := strings.CutSuffix(name, "-*"); ok {
			if !isToken(prefix) {
				return nil, fmt.Errorf("headers: %q: want a header name before -*", name)
			}
			g.prefixes = append(g.prefixes, strings.ToLower(prefix)+"-")
			continue
		}
		names = append(names, name)
	}
	seconds := int(c.MaxAge / time.Second)
	if seconds == 0 {
		seconds = -1 // the library reads 0 as "the browser's default"
	}
	mw, err := cors.NewMiddleware(cors.Config{
		Origins:         origins,
		Credentialed:    c.Credentials,
		Methods:         splitList(c.Methods),
		RequestHeaders:  names,
		ResponseHeaders: splitList(c.Expose),
		MaxAgeInSeconds: seconds,
	})
	if err != nil {
		return nil, fmt.Errorf("building cors: %w", err)
	}
	g.handler = mw.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return g, nil
}

// splitList splits entries at commas and trims them, as people write
// ALLOWED_ORIGINS="https://a.example, https://b.example".
func splitList(entries []string) []string {
	var out []string
	for _, e := range entries {
		for part := range strings.SplitSeq(e, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// sink is a ResponseWriter that keeps header and status.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

const (
	allowOrigin  = "Access-Control-Allow-Origin"
	allowHeaders = "Access-Control-Allow-Headers"
	askMethod    = "Access-Control-Request-Method"
	askHeaders   = "Access-Control-Request-Headers"
)

// Allows reports whether a page of origin may call. "null" never may.
func (g *CORS) Allows(origin string) bool {
	if origin == "" || origin == "null" {
		return false
	}
	w := sink{header: http.Header{}}
	g.handler.ServeHTTP(&w, &http.Request{Method: http.MethodGet, Header: http.Header{"Origin": {origin}}})
	return len(w.header[allowOrigin]) == 1
}

// Name returns "cors".
func (*CORS) Name() string { return "cors" }

// CheckConn writes the CORS headers of the reply. It ends preflights with
// [portcullis.KindPreflight], or [portcullis.KindForbidden] when they ask for
// what is not allowed.
func (g *CORS) CheckConn(_ context.Context, c *portcullis.Conn) error {
	r := c.HTTP
	_, cross := r.Header["Origin"]
	if !cross && !g.any {
		addVary(c.Reply, "Origin")
		return nil
	}
	if _, asks := r.Header[askMethod]; r.Method == http.MethodOptions && cross && asks {
		return g.preflight(c)
	}
	g.handler.ServeHTTP(&sink{header: c.Reply}, r)
	return nil
}

func (g *CORS) preflight(c *portcullis.Conn) error {
	r, extra := g.withoutPrefixed(c.HTTP)
	w := sink{header: http.Header{}}
	g.handler.ServeHTTP(&w, r)
	if len(w.header[allowOrigin]) == 0 {
		return forbid("preflight asks for what is not allowed")
	}
	for key, values := range w.header {
		c.Reply[key] = slices.Clone(values) // the library shares its slices
	}
	if len(extra) > 0 {
		c.Reply[allowHeaders] = append(c.Reply[allowHeaders], strings.Join(extra, ","))
	}
	addVary(c.Reply, "Origin")
	return &portcullis.Error{Kind: portcullis.KindPreflight, Reason: "preflight", Detail: "preflight answered"}
}

// maxAsked bounds the header names of one preflight that prefixes allow.
const maxAsked = 64

// withoutPrefixed takes the header names that a prefix allows out of a
// preflight, since the library knows whole names only, and returns them.
func (g *CORS) withoutPrefixed(r *http.Request) (*http.Request, []string) {
	asked := r.Header[askHeaders]
	if len(g.prefixes) == 0 || len(asked) == 0 {
		return r, nil
	}
	var keep, extra []string
	for _, line := range asked {
		for name := range strings.SplitSeq(line, ",") {
			trimmed := strings.TrimSpace(name)
			if len(extra) < maxAsked && g.prefixed(trimmed) {
				extra = append(extra, trimmed)
			} else {
				keep = append(keep, name)
			}
		}
	}
	if len(extra) == 0 {
		return r, nil
	}
	h := http.Header{"Origin": r.Header["Origin"], askMethod: r.Header[askMethod]}
	if len(keep) > 0 {
		h[askHeaders] = []string{strings.Join(keep, ",")}
	}
	return &http.Request{Method: r.Method, Header: h}, extra
}

func (g *CORS) prefixed(name string) bool {
	for _, p := range g.prefixes {
		// Browsers send names in lower case; others are not from a browser.
		if len(name) > len(p) && len(name) <= 128 && strings.HasPrefix(name, p) && isToken(name) {
			return true
		}
	}
	return false
}

// addVary adds a name to Vary unless a line already holds just it.
func addVary(h http.Header, name string) {
	if old := h["Vary"]; !slices.Contains(old, name) {
		h["Vary"] = append(old[:len(old):len(old)], name)
	}
}
