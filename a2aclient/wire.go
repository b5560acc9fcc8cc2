package a2aclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// newTransport returns connections that are guarded: every address is judged in
// the moment it is connected to, plain HTTP reaches this machine only, and no
// proxy of the environment is in between.
func newTransport(s *settings, cert func(*tls.CertificateRequestInfo) (*tls.Certificate, error)) (*http.Transport, error) {
	cfg, err := dial.ClientTLS(dial.Files{})
	if err != nil {
		return nil, fmt.Errorf("preparing TLS: %w", err)
	}
	cfg.RootCAs = s.Roots
	cfg.GetClientCertificate = cert
	plain := dial.Dialer{Policy: dial.Policy{DenyPrivate: s.PublicOnly}, Timeout: s.Limits.Timeout}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := plain.DialContext(ctx, network, addr)
			if err != nil || !nameIsLocal(addr) {
				return conn, err
			}
			return localOnly(conn)
		},
		TLSClientConfig: cfg, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: s.Limits.Timeout, ResponseHeaderTimeout: s.Limits.Timeout,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		DisableCompression: true, // what is bounded is what was sent
	}, nil
}

// nameIsLocal reports whether an address to dial is this machine by its name.
func nameIsLocal(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopback(host)
}

// errNotLocal says that a name such as localhost leads elsewhere.
var errNotLocal = errors.New("the name of this machine leads to another one")

// localOnly lets a connection through that reached this machine. Nothing was
// sent over it yet.
func localOnly(conn net.Conn) (net.Conn, error) {
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err == nil && at.Addr().Unmap().IsLoopback() {
		return conn, nil
	}
	return nil, errors.Join(errNotLocal, conn.Close())
}
