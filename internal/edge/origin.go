package edge

import (
	"context"
	"net/http"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// Origin refuses what pages of other sites make browsers send (CVE-2026-33252).
// It goes beyond [http.CrossOriginProtection]: an Origin that is not allowed is
// refused with safe methods too, since a GET opens a stream here.
type Origin struct {
	hosts *Hosts
	cors  *CORS // may be nil
}

var _ portcullis.EdgeGuard = (*Origin)(nil)

// NewOrigin returns the guard. Origins on hosts are ours; those that cors
// allows, which may be nil, are let in as well.
func NewOrigin(hosts *Hosts, cors *CORS) *Origin { return &Origin{hosts: hosts, cors: cors} }

// Name returns "origin".
func (*Origin) Name() string { return "origin" }

// CheckConn refuses with [portcullis.KindForbidden].
//
// A request with an Origin header passes if that is one well-formed origin,
// not "null", and either ours or on the CORS list. A request without passes
// unless its method is unsafe and Sec-Fetch-Site says that another site caused
// it. Programs that are not browsers send neither.
func (g *Origin) CheckConn(_ context.Context, c *portcullis.Conn) error {
	h := c.HTTP.Header
	origin, ok := h["Origin"]
	if !ok {
		if site, ok := h["Sec-Fetch-Site"]; ok && !safeMethod(c.HTTP.Method) && !ownSite(site) {
			return forbid("cross-site request")
		}
		return nil
	}
	if len(origin) == 1 && (g.own(origin[0], c) || g.cors != nil && g.cors.Allows(origin[0])) {
		return nil
	}
	return forbid("origin not allowed")
}

// ownSite reports whether the browser says that our own page, or the user,
// made the request. "same-site" is a sibling domain: not ours.
func ownSite(site []string) bool {
	return len(site) == 1 && (site[0] == "same-origin" || site[0] == "none")
}

func safeMethod(m string) bool {
	return m == http.MethodGet || m == http.MethodHead || m == http.MethodOptions
}

// own reports whether origin is the host of the request or another of ours. A
// plain HTTP origin is not ours when the request came over TLS: whoever sits on
// the network could have written that page.
func (g *Origin) own(origin string, c *portcullis.Conn) bool {
	authority, secure := strings.CutPrefix(origin, "https://")
	if !secure {
		var plain bool
		if authority, plain = strings.CutPrefix(origin, "http://"); !plain || c.Secure {
			return false
		}
	}
	host, port, ok := splitHost(authority)
	if !ok {
		return false
	}
	if port == "" {
		port = defaultPort(secure)
	}
	ourHost, ourPort, ok := splitHost(c.HTTP.Host)
	if !ok {
		return false
	}
	if ourPort == "" {
		ourPort = defaultPort(c.Secure)
	}
	if strings.EqualFold(host, ourHost) && port == ourPort {
		return true
	}
	// Another of our names, for proxies that rewrite Host. An entry without a
	// port means any port of a Host, but other ports are other origins.
	for _, e := range g.hosts.entries {
		if e.port == "" && port != defaultPort(secure) && port != ourPort {
			continue
		}
		one := Hosts{entries: []hostEntry{e}}
		if one.match(host, port, port) {
			return true
		}
	}
	return false
}
