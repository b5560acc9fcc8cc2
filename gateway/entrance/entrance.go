// Package entrance makes the edge of a listener from the configuration: where
// a request comes from, and the guards that decide before anyone is known.
package entrance

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/certs"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/ipfilter"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
)

// Entrance is what all routes of a listener share. It is read-only.
type Entrance struct {
	resolver *ipfilter.Resolver
	filter   *ipfilter.Filter
	https    *edge.HTTPS
	hosts    *edge.Hosts
	closed   *edge.Switch
	certs    *certs.Certs

	Contain []portcullis.EdgeGuard // refuse addresses that are held back; set before Guards is called
}

// New makes the entrance of the listeners at the given addresses. closed is
// the switch for maintenance.
func New(cfg *config.Config, closed *edge.Switch, c *certs.Certs, listen []string) (*Entrance, error) {
	ip := ipfilter.Default()
	ip.TrustedProxies, ip.Allow, ip.Deny = cfg.Server.TrustedProxies, cfg.Security.AllowIPs, cfg.Security.DenyIPs
	resolver, err := ipfilter.NewResolver(ip)
	if err != nil {
		return nil, err
	}
	filter, err := ipfilter.NewFilter(ip)
	if err != nil {
		return nil, err
	}
	e := edge.Default()
	e.Hostname, e.AllowedHosts = cfg.Server.HTTPS.Hostname, cfg.Server.AllowedHosts
	hosts, err := allowedHosts(e, listen)
	if err != nil {
		return nil, fmt.Errorf("server.allowed_hosts: %w", err)
	}
	https, err := edge.NewHTTPS(cfg.Server.HTTPS.Require, listen[0], cfg.Server.HTTPS.Hostname)
	if err != nil {
		return nil, fmt.Errorf("server.https: %w", err)
	}
	return &Entrance{resolver: resolver, filter: filter, https: https, hosts: hosts, closed: closed, certs: c}, nil
}

// allowedHosts are the configured ones and, on a loopback address, its names:
// who can reach those is on this machine already.
func allowedHosts(e edge.Config, listen []string) (*edge.Hosts, error) {
	if len(e.AllowedHosts) > 0 {
		for _, l := range listen {
			if !edge.IsLoopback(l) {
				continue
			}
			own, err := edge.DefaultHosts(l, "")
			if err != nil {
				return nil, err
			}
			e.AllowedHosts = append(slices.Clone(e.AllowedHosts), own...)
		}
	}
	return e.Hosts(listen...)
}

// Client finds out where a request comes from, and whether it came over TLS.
func (e *Entrance) Client(r *http.Request) (netip.Addr, bool) {
	c := e.resolver.Resolve(Peer(r).Addr(), r.TLS != nil, r.Header)
	return c.Addr, c.Secure
}

// Cert finds the certificate that the caller of a request presented.
func (e *Entrance) Cert(r *http.Request) portcullis.ClientCert {
	return e.certs.Of(r, e.resolver.Trusts(Peer(r).Addr()))
}

// Peer is the other end of the connection, or the zero value.
func Peer(r *http.Request) netip.AddrPort {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return ap
}

// Guards is the order in which a public route's edge decides: cheap and general
// first. cors and body may be nil.
func (e *Entrance) Guards(cors *edge.CORS, rate *ratelimit.Set, body *edge.Body) ([]portcullis.EdgeGuard, error) {
	guards := []portcullis.EdgeGuard{e.closed}
	if e.filter != nil {
		guards = append(guards, e.filter)
	}
	guards = append(guards, e.Contain...)
	if e.https != nil {
		guards = append(guards, e.https)
	}
	browser, err := e.Browser(cors) // browsers' ways around the network come first
	if err != nil {
		return nil, err
	}
	guards = append(guards, browser...)
	if cors != nil {
		guards = append(guards, cors) // answers preflights, which carry no credential
	}
	if g := rate.Edge(); g != nil {
		guards = append(guards, g)
	}
	if g := e.certs.Guard(); g != nil { // after the rate: an unknown certificate costs signature checks
		guards = append(guards, g)
	}
	if body != nil {
		guards = append(guards, body)
	}
	return guards, nil
}

// Browser returns the guards against browsers that were talked into calling.
func (e *Entrance) Browser(cors *edge.CORS) ([]portcullis.EdgeGuard, error) {
	host, err := edge.NewHost(e.hosts)
	if err != nil {
		return nil, err
	}
	return []portcullis.EdgeGuard{host, edge.NewOrigin(e.hosts, cors)}, nil
}

// CORS returns the guard of a configuration, nil where no origin is allowed.
func CORS(c config.CORS) (*edge.CORS, error) {
	if len(c.Origins) == 0 {
		return nil, nil
	}
	return edge.NewCORS(c.Guard())
}
