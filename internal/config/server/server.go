// Package server is [server]: where the gateway listens, and what it accepts
// before anyone is known.
package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/edge"
)

// Server is [server].
type Server struct {
	Listen         string        `toml:"listen" doc:"Address and port for callers."`
	PublicURL      string        `toml:"public_url" example:"\"https://mcp.example.com\"" doc:"Address under which callers know the gateway: with a route's path, the audience of access tokens (RFC 8707, RFC 9728). By default https.hostname, or else listen."`
	AdminListen    string        `toml:"admin_listen" doc:"Address and port for administration and metrics. Empty switches the listener off."`
	TrustedProxies []string      `toml:"trusted_proxies" list:"text" example:"[\"10.0.0.0/8\"]" doc:"Addresses or CIDR ranges of proxies whose X-Forwarded-For, X-Forwarded-Proto and Forwarded are believed. Nobody is trusted by default."`
	AllowedHosts   []string      `toml:"allowed_hosts" list:"text" example:"[\"mcp.example.com\"]" doc:"Host names that callers may use, against DNS rebinding. Loopback names are always allowed on a loopback address."`
	Environment    string        `toml:"environment" doc:"Name of the deployment in audit events."`
	ShutdownGrace  time.Duration `toml:"shutdown_grace" doc:"How long running calls and streams may take to finish at shutdown."`
	TLS            TLS           `toml:"tls" doc:"Certificate of the listener for callers."`
	HTTPS          HTTPS         `toml:"https" doc:"What happens to plain HTTP behind a TLS-terminating proxy."`
	Limits         Limits        `toml:"limits" doc:"Limits on connections and headers."`
	Log            Log           `toml:"log" doc:"The operational log on standard error."`
}

// TLS is [server.tls].
type TLS struct {
	Cert       string        `toml:"cert" example:"\"/etc/portcullis/tls.crt\"" doc:"File with the PEM certificate chain. Empty serves plain HTTP."`
	Key        string        `toml:"key" example:"\"/etc/portcullis/tls.key\"" doc:"File with the PEM private key."`
	ClientCA   string        `toml:"client_ca" example:"\"/etc/portcullis/clients.pem\"" doc:"File with the PEM certificates of authorities for client certificates. Callers are asked for one; one that does not count is refused. Empty asks nobody."`
	Require    bool          `toml:"require_client_cert" doc:"Refuse callers without a client certificate, on every route and whatever else they bring."`
	MinVersion string        `toml:"min_version" enum:"1.2|1.3" doc:"Oldest TLS version accepted."`
	Reload     time.Duration `toml:"reload" doc:"How often these files, and revocation lists, are looked at for new ones; 0s only at a reload."`
}

// HTTPS is [server.https].
type HTTPS struct {
	Require  string `toml:"require" enum:"auto|always|insecure_never" doc:"Refuse calls that did not arrive over TLS, here or at a trusted proxy: auto unless the listener is on a loopback address, always, or INSECURE: never."`
	Hostname string `toml:"hostname" example:"\"mcp.example.com\"" doc:"Host name that plain GET and HEAD requests are redirected to. Without it they are refused."`
}

// Limits is [server.limits].
type Limits struct {
	HeaderBytes              field.Size    `toml:"header_bytes" doc:"Largest request header."`
	HeaderTimeout            time.Duration `toml:"header_timeout" doc:"Time a caller has to send the header."`
	BodyTimeout              time.Duration `toml:"body_timeout" doc:"Time a caller has to send the body."`
	IdleTimeout              time.Duration `toml:"idle_timeout" doc:"How long an unused connection is kept."`
	MaxConnections           int           `toml:"max_connections" doc:"Open connections in all."`
	MaxConnectionsPerAddress int           `toml:"max_connections_per_address" doc:"Open connections of one address (IPv6: one /64)."`
}

// Log is [server.log].
type Log struct {
	Level  string `toml:"level" enum:"debug|info|warn|error" doc:"Least severe message that is written."`
	Format string `toml:"format" enum:"auto|json|text" doc:"Form of a line; auto is text on a terminal and json elsewhere."`
}

// Default returns the defaults of [server].
func Default() Server {
	return Server{
		Listen: "127.0.0.1:8080", AdminListen: "127.0.0.1:9090", Environment: "production",
		ShutdownGrace: 30 * time.Second,
		HTTPS:         HTTPS{Require: edge.HTTPSAuto},
		TLS:           TLS{MinVersion: "1.2", Reload: time.Minute},
		Limits: Limits{
			HeaderBytes: 16 << 10, HeaderTimeout: 10 * time.Second, BodyTimeout: 30 * time.Second,
			IdleTimeout: 2 * time.Minute, MaxConnections: 10000, MaxConnectionsPerAddress: 256,
		},
		Log: Log{Level: "info", Format: "auto"},
	}
}

// Validate checks [server] without its tables.
func (s Server) Validate() error {
	errs := []error{listenAddress("listen", s.Listen), checkPublicURL(s.PublicURL)}
	if s.AdminListen != "" {
		errs = append(errs, listenAddress("admin_listen", s.AdminListen))
		if s.AdminListen == s.Listen && !strings.HasSuffix(s.Listen, ":0") {
			errs = append(errs, fmt.Errorf("admin_listen: %q: want another address than listen", s.AdminListen))
		}
	}
	for i, p := range s.TrustedProxies {
		errs = append(errs, field.AddressRange("trusted_proxies", i, p))
		if prefix, err := netip.ParsePrefix(p); err == nil && prefix.Bits() == 0 {
			errs = append(errs, fmt.Errorf("trusted_proxies[%d]: %q: would trust every caller", i, p))
		}
	}
	for i, h := range s.AllowedHosts {
		if !field.IsHost(h) {
			errs = append(errs, fmt.Errorf(`allowed_hosts[%d]: %q: want a host name such as "mcp.example.com"`, i, h))
		}
	}
	if s.Environment == "" || len(s.Environment) > 64 || !field.IsToken(s.Environment) {
		errs = append(errs, fmt.Errorf("environment: %q: want 1 to 64 letters, digits, dots, dashes or underscores", s.Environment))
	}
	errs = append(errs, field.Between("shutdown_grace", s.ShutdownGrace, 0, time.Hour))
	return errors.Join(errs...)
}

// Validate checks [server.tls]; it opens no file.
func (t TLS) Validate() error {
	switch {
	case t.Cert != "" && t.Key == "":
		return errors.New("key: must be given together with cert")
	case t.Key != "" && t.Cert == "":
		return errors.New("cert: must be given together with key")
	case t.Require && t.ClientCA == "":
		return errors.New("require_client_cert: set without client_ca")
	case t.Reload != 0 && t.Reload < time.Second:
		return errors.New("reload: want 0s or at least 1s")
	}
	return nil
}

// Validate checks [server.https].
func (h HTTPS) Validate() error {
	if h.Hostname == "" {
		return nil
	}
	if !field.IsHost(h.Hostname) {
		return fmt.Errorf(`hostname: %q: want a host name such as "mcp.example.com"`, h.Hostname)
	}
	if h.Require == edge.HTTPSNever {
		return fmt.Errorf("hostname: has no effect with require = %q", edge.HTTPSNever)
	}
	return nil
}

// Validate checks [server.limits].
func (l Limits) Validate() error {
	return errors.Join(
		field.AtLeast("header_bytes", int64(l.HeaderBytes), 1024),
		field.Between("header_timeout", l.HeaderTimeout, time.Second, time.Hour),
		field.Between("body_timeout", l.BodyTimeout, time.Second, time.Hour),
		field.Between("idle_timeout", l.IdleTimeout, time.Second, 24*time.Hour),
		field.AtLeast("max_connections", int64(l.MaxConnections), 1),
		field.AtLeast("max_connections_per_address", int64(l.MaxConnectionsPerAddress), 1),
	)
}

func listenAddress(name, s string) error {
	host, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err == nil && host != "" && host != "localhost" {
		_, err = netip.ParseAddr(host)
	}
	if err != nil {
		return fmt.Errorf(`%s: %q: want an address and port such as "127.0.0.1:8080"`, name, s)
	}
	return nil
}

// PublicBase returns the address under which callers know the gateway, without
// a slash at the end; listen is the address it really listens on.
func (s Server) PublicBase(listen string) string {
	switch {
	case s.PublicURL != "":
		return strings.TrimSuffix(s.PublicURL, "/")
	case s.HTTPS.Hostname != "":
		return "https://" + s.HTTPS.Hostname
	case s.TLS.Cert != "":
		return "https://" + listen
	}
	return "http://" + listen
}

// HasName reports whether callers can know the gateway by one address.
func (s Server) HasName() bool {
	if s.PublicURL != "" || s.HTTPS.Hostname != "" {
		return true
	}
	host, _, err := net.SplitHostPort(s.Listen)
	if err != nil || host == "" {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err != nil || !addr.IsUnspecified()
}

// checkPublicURL checks server.public_url.
func checkPublicURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !field.IsHost(u.Host) || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || strings.ContainsAny(s, "?#") {
		return fmt.Errorf(`public_url: %q: want a URL without a path, such as "https://mcp.example.com"`, s)
	}
	return nil
}
