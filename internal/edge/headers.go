package edge

import (
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// The values of HeadersConfig.Profile.
const (
	ProfileAPI    = "api"    // for replies no browser renders: everything off
	ProfileGuide  = "guide"  // the hardening guide's values (S0-19 to S0-25)
	ProfileHelmet = "helmet" // the defaults of Helmet for Node.js (S3-28)
)

// HeadersConfig says which security headers replies carry.
type HeadersConfig struct {
	// Profile is "api", "guide" or "helmet".
	Profile string `toml:"profile"`
	// Set replaces or adds headers of the profile; an empty value removes one.
	Set map[string]string `toml:"set"`
	// HSTSPreload adds "preload" to Strict-Transport-Security. Browsers then
	// may refuse plain HTTP on the whole domain for months: it is asked for,
	// never a default.
	HSTSPreload bool `toml:"hsts_preload"`
}

// DefaultHeaders returns the profile "api".
func DefaultHeaders() HeadersConfig { return HeadersConfig{Profile: ProfileAPI} }

const (
	hstsKey   = "Strict-Transport-Security"
	hstsValue = "max-age=31536000; includeSubDomains"
)

// profile returns a fresh map of a profile, nil if there is none of the name.
func profile(name string) map[string]string {
	switch name {
	case ProfileAPI: // X-XSS-Protection is left out: its auditor is gone, and was itself a hole (S0-21)
		return map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
			"Referrer-Policy":              "no-referrer",
			"Permissions-Policy":           "camera=(), microphone=(), geolocation=()",
			"Cache-Control":                "no-store",
			"Cross-Origin-Resource-Policy": "same-origin",
			hstsKey:                        hstsValue,
		}
	case ProfileGuide:
		return map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"X-Frame-Options":         "DENY",
			"X-Xss-Protection":        "0",
			"Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'",
			"Referrer-Policy":         "strict-origin-when-cross-origin",
			"Permissions-Policy":      "camera=(), microphone=(), geolocation=()",
			hstsKey:                   hstsValue,
		}
	case ProfileHelmet:
		return map[string]string{
			"Content-Security-Policy": "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';" +
				"frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';script-src-attr 'none';" +
				"style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests",
			"Cross-Origin-Opener-Policy":        "same-origin",
			"Cross-Origin-Resource-Policy":      "same-origin",
			"Origin-Agent-Cluster":              "?1",
			"Referrer-Policy":                   "no-referrer",
			"X-Content-Type-Options":            "nosniff",
			"X-Dns-Prefetch-Control":            "off",
			"X-Download-Options":                "noopen",
			"X-Frame-Options":                   "DENY", // Helmet says SAMEORIGIN; the guide wants DENY
			"X-Permitted-Cross-Domain-Policies": "none",
			"X-Xss-Protection":                  "0",
			hstsKey:                             hstsValue,
		}
	}
	return nil
}

// Validate reports the first mistake, naming the field.
func (c HeadersConfig) Validate() error {
	if profile(c.Profile) == nil {
		return fmt.Errorf("profile: %q: want %q, %q or %q", c.Profile, ProfileAPI, ProfileGuide, ProfileHelmet)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		if !isToken(name) {
			return fmt.Errorf("set: %q: not a header name", name)
		}
		if strings.ContainsFunc(c.Set[name], func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("set.%s: control characters in the value", name)
		}
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Content-Length", "Transfer-Encoding", "Connection", "Content-Type", "Content-Encoding", "Trailer", "Upgrade":
			return fmt.Errorf("set.%s: this header belongs to the message", name)
		}
	}
	return nil
}

// Headers writes security headers. It is immutable and safe for concurrent use.
type Headers struct {
	plain []headerField
	hsts  []string // nil if off
}

type headerField struct {
	key   string
	value []string
}

// NewHeaders compiles c.
func NewHeaders(c HeadersConfig) (*Headers, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	fields := profile(c.Profile)
	if c.HSTSPreload {
		fields[hstsKey] += "; preload"
	}
	for name, value := range c.Set {
		fields[textproto.CanonicalMIMEHeaderKey(name)] = value
	}
	h := &Headers{}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value := fields[key]
		switch {
		case value == "":
		case key == hstsKey:
			h.hsts = []string{value}
		default:
			h.plain = append(h.plain, headerField{key, []string{value}})
		}
	}
	return h, nil
}

// Apply writes the headers into dst, over what stands there. secure adds
// Strict-Transport-Security: browsers ignore it on plain HTTP, and a proxy that
// passes it on would promise what is not so.
//
// The values are shared between all replies, so that Apply allocates nothing:
// replace them with Set, never write to an element.
func (h *Headers) Apply(dst http.Header, secure bool) {
	for i := range h.plain {
		dst[h.plain[i].key] = h.plain[i].value
	}
	if secure && h.hsts != nil {
		dst[hstsKey] = h.hsts
	}
}
