package edge

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"

	"github.com/portcullis-dev/portcullis"
)

// HTTPS refuses plain HTTP (requirement S3-15).
type HTTPS struct{ hostname string }

var _ portcullis.EdgeGuard = (*HTTPS)(nil)

// The values of Config.RequireHTTPS.
const (
	HTTPSAuto   = "auto"           // unless the server listens on a loopback address only
	HTTPSAlways = "always"         // even there, for a proxy on the same machine
	HTTPSNever  = "insecure_never" // plain HTTP on any network
)

// NewHTTPS returns the guard, or nil if mode does not ask for it on a server
// that listens on listen. hostname, host or host:port, is where reading
// requests are redirected to; "" = nowhere.
func NewHTTPS(mode, listen, hostname string) (*HTTPS, error) {
	if hostname != "" {
		if err := parseHostname(hostname); err != nil {
			return nil, fmt.Errorf("hostname: %w", err)
		}
	}
	switch mode {
	case HTTPSNever:
		return nil, nil
	case HTTPSAuto, "":
		if IsLoopback(listen) {
			return nil, nil
		}
	case HTTPSAlways:
	default:
		return nil, fmt.Errorf("require_https: %q: want %q, %q or %q", mode, HTTPSAuto, HTTPSAlways, HTTPSNever)
	}
	return &HTTPS{hostname: hostname}, nil
}

// IsLoopback reports whether only this machine can reach a listener, host:port.
func IsLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// Name returns "https".
func (*HTTPS) Name() string { return "https" }

// CheckConn redirects reading requests that came over plain HTTP to the
// configured hostname, never to what the Host header says, and forbids all
// others: their body has already crossed the network in clear.
func (g *HTTPS) CheckConn(_ context.Context, c *portcullis.Conn) error {
	if c.Secure {
		return nil
	}
	r := c.HTTP
	if g.hostname == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		err := forbid("plain http").(*portcullis.Error)
		err.Public = "HTTPS required"
		return err
	}
	// RequestURI of a parsed URL starts with "/" and is escaped; "//evil" at
	// its start stays a path, since the host stands before it.
	return &portcullis.Error{
		Kind:   portcullis.KindRedirect,
		Reason: "https_required",
		Header: http.Header{"Location": {"https://" + g.hostname + originForm(r)}},
		Detail: "plain http redirected",
	}
}

// originForm returns path and query, "/" for forms without a path such as "*".
func originForm(r *http.Request) string {
	if uri := r.URL.RequestURI(); len(uri) > 0 && uri[0] == '/' {
		return uri
	}
	return "/"
}
