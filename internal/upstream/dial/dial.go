// Package dial opens the TCP and TLS connections of upstreams and refuses the
// addresses no upstream should have.
//
// A [Dialer] resolves a name once and checks each address in the moment it is
// connected to, so the address that was checked is the address that is dialed:
// a name that resolves differently a second later (DNS rebinding) gains
// nothing. What is refused is said by its [Policy]: link-local and cloud
// metadata addresses unless the operator insists, multicast and unspecified
// addresses always, and everything that is not public where callers influence
// the URL ([Policy.DenyPrivate]). An IPv4 address is found inside the IPv6
// forms that carry one: IPv4-mapped and -compatible, NAT64, 6to4, Teredo,
// SIIT and ISATAP.
//
// TLS is 1.2 or newer with verification always on.
package dial

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Keep-alive probing finds a peer that vanished without a word in about a
// minute, so that a stream nobody writes to does not stay open for ever.
const (
	keepAliveIdle     = 30 * time.Second
	keepAliveInterval = 10 * time.Second
	keepAliveCount    = 3
)

// Dialer opens guarded connections. It is safe for concurrent use; its fields
// are not to be changed after the first dial. The zero Dialer has no time
// limit of its own, the zero [Policy] and, for TLS, the system's roots.
type Dialer struct {
	Policy  Policy
	Timeout time.Duration // per connection, TLS handshake included; 0 = what the context allows
	TLS     *tls.Config   // for DialTLSContext; nil = system roots; never below TLS 1.2

	Resolver *net.Resolver // finds the addresses of names; nil = the system's
}

// DialContext connects to addr ("host:port") over network "tcp", "tcp4" or
// "tcp6". Addresses that the policy refuses are not connected to; the error
// then wraps an [*AddressError]. Nagle's algorithm is off.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, fmt.Errorf("dialing upstream: network %q is not TCP", network)
	}
	nd := net.Dialer{
		Timeout: d.Timeout, Resolver: d.Resolver,
		ControlContext: d.control,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
		},
	}
	conn, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("dialing upstream: %w", err)
	}
	return conn, nil
}

// DialTLSContext connects as DialContext does and completes a TLS handshake.
// The name to verify is the TLS config's ServerName or else the host of addr.
// What was negotiated stands in the ConnectionState of the result.
func (d *Dialer) DialTLSContext(ctx context.Context, network, addr string) (*tls.Conn, error) {
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	cfg, err := d.tlsConfig(addr)
	if err != nil {
		return nil, err
	}
	raw, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the handshake error says what matters
		return nil, fmt.Errorf("TLS handshake with upstream: %w", err)
	}
	return conn, nil
}

// tlsConfig returns the config of one handshake with addr.
func (d *Dialer) tlsConfig(addr string) (*tls.Config, error) {
	cfg := d.TLS
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.InsecureSkipVerify {
		return nil, fmt.Errorf("TLS handshake with upstream: verification is off")
	}
	if cfg.ServerName != "" && cfg.MinVersion >= tls.VersionTLS12 {
		return cfg, nil
	}
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("dialing upstream: %w", err)
		}
		cfg.ServerName = host
	}
	return cfg, nil
}

// control runs between the socket's creation and its connect, with the address
// that connect will be given.
func (d *Dialer) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("reading the address to dial: %w", err)
	}
	return d.Policy.Check(ap.Addr())
}
